//! Bids that may win together: each on the pools as the better ones leave them.
//!
//! A driver may settle several solutions of one auction, as long as they fill different orders. Two that count on the same pool do
//! not both keep their promise then. So orders that are not part of the batch are gone through by score, and one whose pools a better bid
//! moves is solved again on what that leaves. What comes of it has to be valid by itself as well; where it is not, both bids cannot win
//! together, and the overlap is noted.

use std::cmp::Reverse;
use std::time::Duration;

use rustc_hash::FxHashSet;

use super::order::{Answer, Depth, Filled, attempt};
use super::together::Together;
use crate::auction::{Auction, Drops};
use crate::batch::step::follow;
use crate::batch::{Liquidity, Swap};
use crate::config::Config;
use crate::settlement::verify;

/// What became of orders outside of the batch.
#[derive(Debug, Default)]
pub struct Sequence {
    /// Orders solved again on what better bids leave, by their place in the auction.
    pub after: Vec<(usize, Filled)>,
    /// Orders whose bids count on pools that better bids move, by their place in the auction.
    pub overlaps: Vec<usize>,
}

pub(super) fn sequence(
    auction: &Auction,
    config: &Config,
    batch: Option<&Together>,
    answers: &[(Answer, Duration)],
    stop: &(dyn Fn() -> bool + Sync),
) -> Sequence {
    let alone = answers.iter().enumerate().filter_map(|(k, (answer, _))| match answer {
        Answer::Filled(filled) if !batch.is_some_and(|batch| batch.fills(k)) => Some((k, filled.as_ref())),
        _ => None,
    });
    let mut alone: Vec<(usize, &Filled)> = alone.collect();
    alone.sort_by_key(|(k, filled)| (Reverse(filled.verified.score()), *k));
    let mut found = Sequence::default();
    let mut moved: FxHashSet<usize> = FxHashSet::default();
    // Copied only once two bids meet.
    let mut state: Option<Auction> = None;
    let mut before: Vec<Swap> = batch.map_or_else(Vec::new, |batch| batch.joint.swaps.clone());
    moved.extend(before.iter().map(|swap| swap.pool));
    for (k, filled) in alone {
        if filled.swaps.iter().all(|swap| !moved.contains(&swap.pool)) {
            moved.extend(filled.swaps.iter().map(|swap| swap.pool));
            before.extend(&filled.swaps);
            continue;
        }
        if stop() {
            found.overlaps.push(k);
            continue;
        }
        let state = state.get_or_insert_with(|| auction.clone());
        follow(state, before.drain(..));
        let liquidity = Liquidity::new(state, config, &mut Drops::default());
        match attempt(state, &liquidity, config, k, None, stop, Depth::First, None) {
            Answer::Filled(again) if verify(auction, config, again.verified.solution().clone()).is_ok() => {
                moved.extend(again.swaps.iter().map(|swap| swap.pool));
                before.extend(&again.swaps);
                found.after.push((k, *again));
            }
            _ => found.overlaps.push(k),
        }
    }
    found
}
