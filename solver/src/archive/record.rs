use std::cmp::Reverse;
use std::time::SystemTime;

use alloy_primitives::U256;
use alloy_primitives::bytes::Bytes;
use ballast_wire::{Amount, Solution, Trade};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use crate::engine::Report;

/// An auction and what was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What is known about the two.
    pub meta: Meta,
    /// The request's bytes, as received.
    pub auction: Bytes,
    /// The reply's bytes.
    pub reply: Bytes,
}

/// What is known about an auction and its reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The driver's number for the auction, if it was read and is no quote.
    pub id: Option<String>,
    /// When the request was there in full.
    #[serde(with = "humantime_serde")]
    pub received: SystemTime,
    /// When the reply had to be there, as the auction says it.
    pub deadline: Option<String>,
    /// Milliseconds from `received` to the reply.
    pub reply_ms: f64,
    /// How it ended.
    pub ended: Ended,
    /// What was found, if it was solved.
    pub found: Option<Summary>,
    /// The version of Ballast that answered.
    pub ballast: String,
}

impl Meta {
    /// Facts of a request that came at `received`; the rest is for the caller to fill in.
    pub fn new(received: SystemTime, ended: Ended) -> Self {
        let ballast = env!("CARGO_PKG_VERSION").to_owned();
        Self { id: None, received, deadline: None, reply_ms: 0.0, ended, found: None, ballast }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Ended {
    /// Answered in time.
    Answered,
    /// Nothing was found by the time of the reply.
    Late,
    /// Came after its deadline, and was answered with nothing.
    PastDeadline,
    /// Solving was switched off.
    Stopped,
    /// The queue was full.
    Overloaded,
    /// Failed for a reason of ours.
    Failed,
}

/// An auction's outcome in numbers: of the solutions that may be settled together, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Orders that were solved for.
    pub orders: usize,
    /// Orders that the solutions fill.
    pub filled: usize,
    /// What the solutions score, in wei.
    pub score: Amount,
    /// Basis points of what is traded that the solutions of single orders are below their bounds, at most; 0 when nothing is. None where
    /// the search was cut short.
    pub gap_bps: Option<f64>,
}

impl Summary {
    /// Sums a report up.
    pub fn new(report: &Report) -> Self {
        let (gap, size) = report.filled().fold((0.0, 0.0), |(gap, size), (_, f)| (gap + f.gaps.total, size + f.gaps.size));
        let gap_bps = if size > 0.0 { 1e4 * gap / size } else { 0.0 };
        let solutions = report.verified().map(|verified| (verified.score(), verified.solution())).collect();
        Self { gap_bps: Some(gap_bps), ..Self::of(report.answers.len(), solutions) }
    }

    /// Of so many orders, and solutions with their scores: those count that fill no order of a better one.
    pub(crate) fn of(orders: usize, mut solutions: Vec<(U256, &Solution)>) -> Self {
        solutions.sort_by_key(|(score, _)| Reverse(*score));
        let (mut filled, mut sum) = (FxHashSet::default(), U256::ZERO);
        for (score, solution) in solutions {
            let fills = || {
                solution.trades.iter().filter_map(|trade| match trade {
                    Trade::Fulfillment(fill) => Some(fill.order),
                    Trade::Jit(_) => None,
                })
            };
            if fills().all(|order| !filled.contains(&order)) {
                filled.extend(fills());
                sum = sum.saturating_add(score);
            }
        }
        Self { orders, filled: filled.len(), score: Amount(sum), gap_bps: None }
    }
}
