//! The engine as a whole: generated auctions, the command line, hostile input.
//!
//! Every auction comes from `ballast-fixtures` and a seed.

mod cli;
mod hostile;
mod mutations;
mod poisoned;
mod properties;
mod support;
mod tiny;
