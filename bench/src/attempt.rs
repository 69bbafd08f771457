//! One order on its way to a verified plan, step by step on this thread, as the engine takes it.

use std::time::{Duration, Instant};

use ballast_routing::Status;
use ballast_solver::config::Config;
use ballast_solver::engine::{self, Answer};
use serde::Serialize;

use crate::clock::{Clock, Took};
use crate::scenario::Scenario;

/// A filled order: how long it took, and what is left to the bound, in basis points of the order.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Filled {
    /// All of it.
    pub took: Took,
    /// Until the first verified plan.
    pub first: Took,
    /// What the first plan has left to the bound that was found in the end.
    pub first_total: f64,
    /// What the first plan's programme may have left on the pools chosen.
    pub first_convex: f64,
    /// Left by the linear programme on the pools chosen.
    pub convex: f64,
    /// Left by the choice of pools, at most: the bound over all pools less that over the pools chosen.
    pub gas: f64,
    /// Lost to whole atoms, the order of execution, and cycles that nothing funds.
    pub integer: f64,
    /// The exact result against the bound over all pools.
    pub total: f64,
    /// Whether the convex part was solved to its tolerance.
    pub converged: bool,
    /// Swaps of the plan.
    pub swaps: usize,
    /// How often it was solved.
    pub attempts: usize,
}

/// An order without a plan.
#[derive(Debug, Clone, Serialize)]
pub struct Unfilled {
    /// Why.
    pub reason: String,
    /// How long it took to find out.
    pub took: Took,
}

/// Solves, plans and verifies. `warm` are prices to start from; after `limit` the best found so far counts.
pub fn attempt(
    scenario: &Scenario,
    config: &Config,
    index: usize,
    warm: Option<&[f64]>,
    limit: Duration,
) -> Result<Filled, Unfilled> {
    let end = Instant::now() + limit;
    let stop = || Instant::now() >= end;
    let clock = Clock::start();
    let mut first = None;
    let mut early = |filled: engine::Filled| first = Some((clock.took(), filled.gaps, filled.realised));
    let answer = engine::answer_early(&scenario.auction, &scenario.liquidity, config, index, warm, &stop, &mut early);
    let took = clock.took();
    match answer {
        Answer::Unfilled(reason) => Err(Unfilled { reason, took }),
        Answer::Filled(filled) => {
            let gaps = filled.gaps;
            let (first, first_gaps, first_realised) = first.unwrap_or((took, gaps, filled.realised));
            // Both fall short of bounds of their own: the same worth was realised by each.
            let better = filled.realised - first_realised;
            Ok(Filled {
                took,
                first,
                first_total: gaps.bps(gaps.total + better),
                first_convex: gaps.bps(first_gaps.convex),
                convex: gaps.bps(gaps.convex),
                gas: gaps.bps(gaps.gas),
                integer: gaps.bps(gaps.integer),
                total: gaps.bps(gaps.total),
                converged: filled.status == Status::Optimal,
                swaps: filled.swaps.len(),
                attempts: filled.attempts,
            })
        }
    }
}
