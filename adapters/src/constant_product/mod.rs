//! TODO

mod pool;

pub use pool::ConstantProductPool;
