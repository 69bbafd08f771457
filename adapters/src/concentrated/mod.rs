//! TODO

mod pool;

pub use pool::ConcentratedPool;
