//! TODO

mod pool;

pub use pool::LimitOrder;
