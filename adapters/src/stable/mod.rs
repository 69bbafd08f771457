//! TODO

mod pool;

pub use pool::StablePool;
