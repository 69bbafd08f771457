//! Rebalancing intents against the compiled settlement contract in an EVM.

mod bench;
mod caps;
mod command;
mod digest;
mod format;
mod gas;
mod hostile;
mod import;
mod model;
mod oracles;
mod orders;
mod pools;
mod promised;
mod safe;
mod settled;
mod sized;
mod timing;
mod together;
mod weights;
