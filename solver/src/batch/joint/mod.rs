//! All orders of a batch in one settlement: chosen, cleared, executed and priced to the wei.
//!
//! ```text
//! orders ── Member::new ──► Batch::open ──► Opening::settle   markets and whole orders, prices, bound
//!                             │ clear     clearing prices, fills, fees and flows
//!                             │ fair      the same, where each keeps its limit and no pair could have more elsewhere; or without it
//!                             │ execute   exact swaps, funded by what is sold, and integer prices from what they left
//!                             └► Joint    or: clear again, with what execution has taught
//! ```
//!
//! Of what is left over no more counts than one price a token could hand out (`leftovers`). Where that goes badly, it is chosen again, and
//! those stay out who ask for more than prices give them (`course`).

mod attempt;
mod clear;
mod course;
mod execute;
mod fair;
mod gas;
mod leftovers;
mod orders;
mod prices;

use std::sync::Arc;

use alloy_primitives::U256;
use ballast_routing::Token;
use rustc_hash::FxHashMap;

use super::cycles::Arbitrage;
use super::step::{Swap, Way};
pub use attempt::{Attempt, NoBatch};
pub use course::Found;
pub(crate) use orders::leg;

/// More orders than these take long together and by themselves: the best that can be had of them is not had at once.
pub const MANY_ORDERS: usize = 200;

/// A directed pair of tokens.
pub type Pair = [Token; 2];

/// What each pair could have in a bid of its own, in wei of score: found once somebody may have less.
#[derive(Clone)]
pub struct Floors<'a>(Arc<dyn Fn(Pair, U256) -> U256 + Send + Sync + 'a>);

impl<'a> Floors<'a> {
    /// Those that `of` says, as [`Self::of`].
    pub fn new(of: impl Fn(Pair, U256) -> U256 + Send + Sync + 'a) -> Self {
        Self(Arc::new(of))
    }

    /// That of a pair; or more than that but no more than `score`, where it can be had with less work.
    pub fn of(&self, pair: Pair, score: U256) -> U256 {
        (self.0)(pair, score)
    }
}

impl Default for Floors<'_> {
    fn default() -> Self {
        Self::new(|_, _| U256::ZERO)
    }
}

impl From<FxHashMap<Pair, U256>> for Floors<'_> {
    fn from(known: FxHashMap<Pair, U256>) -> Self {
        Self::new(move |pair, _| known.get(&pair).copied().unwrap_or_default())
    }
}

/// One order's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// The order's place in the auction.
    pub order: usize,
    /// Atoms: sold without the fee, or bought.
    pub executed: U256,
    /// Atoms of the sold token.
    pub fee: U256,
    /// Gas that the fee pays for.
    pub gas: u64,
}

/// What a batch is worth at each stage, in value units: the sum of surplus, gas paid.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Welfare {
    /// No batch of these orders on these pools exceeds this if each order has a price of its own.
    pub apart: f64,
    /// None exceeds this at one price a token.
    pub bound: f64,
    /// Every order filled for as large a part as is best, each paid as if it had prices of its own.
    pub relaxed: f64,
    /// Orders that must be filled whole, whole or not at all.
    pub whole: f64,
    /// One price a token; no less than `fair`, and that where it is not known: what was chosen is not paid by such prices, or time ran out.
    pub uniform: f64,
    /// No pair worse off than in a bid of its own.
    pub fair: f64,
    /// In whole atoms, with cycles as far as they are funded: what is scored.
    pub realised: f64,
}

/// A batch's execution.
#[derive(Debug, Clone)]
pub struct Joint {
    /// The orders filled.
    pub fills: Vec<Fill>,
    /// Integer clearing prices.
    pub prices: Vec<(Token, U256)>,
    /// Swaps in order.
    pub swaps: Vec<Swap>,
    /// Gas of the settlement.
    pub gas: u64,
    /// What it is worth, and what was lost on the way.
    pub welfare: Welfare,
    /// What closed cycles earn, in value units, by pool.
    pub harvest: Arbitrage,
    /// Value units that cycles would have earned besides, had there been funds.
    pub left_behind: f64,
    /// Value units that all orders sell.
    pub volume: f64,
    /// What of it is swapped with pools: the rest is matched.
    pub routed: f64,
    /// Orders that were chosen and left out on the way, so that no pair is worse off than elsewhere: with a bid of its own, or along the best
    /// single path. With them go those that trade nothing then, or cost the others more than they bring.
    pub displaced: Vec<usize>,
    /// How often it was solved.
    pub attempts: usize,
}

/// Why a cleared choice cannot be executed as it is. Trades go by their places.
enum Obstacle {
    /// These trades have less than they ask for, or their pairs less than elsewhere; the swaps left so many value units less than was
    /// expected of them.
    Lacking { lost: Vec<(Token, f64)>, places: Vec<usize> },
    /// These ways cannot be gone.
    Barred(Vec<Way>),
    /// The swaps take so much more gas than is paid for.
    Unpaid(u64),
    /// The settlement takes so much gas, which is more than it may.
    Heavy(u64),
    /// The swaps leave less than was expected of them, by so many value units, and no prices of what these trade are paid by that.
    Short { missing: Vec<(Token, f64)>, places: Vec<usize> },
    /// There is nothing to be left out that would help.
    Failed(String),
}

impl From<&str> for Obstacle {
    fn from(why: &str) -> Self {
        Self::Failed(why.to_owned())
    }
}
