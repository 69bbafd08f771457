//! The optimiser from outside: random instances, bounds, brute force.

mod instances;
mod solve;
