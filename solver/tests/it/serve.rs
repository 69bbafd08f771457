//! The service as a driver and an operator use it: the program, over HTTP.

mod control;
pub(crate) mod document;
mod hostile;
mod notify;
pub(crate) mod server;
mod solve;
