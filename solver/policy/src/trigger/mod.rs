//! When to rebalance: rules that look at drift, risk, the calendar or the odds, any of them combined.

mod calendar;
mod corridor;
mod hitting;
mod rule;

pub use calendar::{Day, Window, next_due, next_open};
pub use corridor::{Corridor, CorridorInputs, cost_optimal};
pub use hitting::{drift_at, hit_probability, one_sided};
pub(crate) use rule::Evaluator;
pub use rule::{Finding, Reading, Rule, View};
