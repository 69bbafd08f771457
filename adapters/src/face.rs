//! The smooth face of a venue, for the optimiser: doubles, proposals only.

use ballast_routing::curve::{Curve, PerCoin};
use enum_dispatch::enum_dispatch;

/// What a pool makes of one of its coins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quote {
    /// Worth of an atom at the margin and without the fee, up to a factor common to the pool: an atom of i buys
    /// worth_i/worth_j atoms of j.
    pub worth: f64,
    /// Atoms that a move of the price by 2 % takes in or brings out, roughly: how far the price can be trusted.
    pub depth: f64,
}

/// The part of a balance that moves the price of a constant-product pool by 2 %.
pub(crate) const DEPTH_SHARE: f64 = 0.01;

/// How a pool looks to the optimiser. Coins are in the order of [`crate::Venue::tokens`].
#[enum_dispatch]
pub trait Face {
    /// What the pool makes of each coin.
    fn quotes(&self) -> PerCoin<Quote>;

    /// The curve, given the value units of an atom of each coin; `None` where doubles cannot hold it.
    fn curve(&self, units: &[f64]) -> Option<Curve>;
}
