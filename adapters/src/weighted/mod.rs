//! TODO

mod pool;

pub use pool::WeightedPool;
