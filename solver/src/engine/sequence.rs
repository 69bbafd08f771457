//! Bids that may win together: each on the pools as the better ones leave them.
//!
//! A driver may settle several solutions of one auction, as long as they fill different orders. Two that count on the same pool do
//! not both keep their promise then. So orders that are not part of the batch are gone through by score, and one whose pools a better bid
//! moves is solved again on what that leaves. What comes of it has to be valid by itself as well, as a driver simulates each alone: so it does
//! not go against what better bids trade, where only they make a pool pay so much. Where it is not valid, both bids cannot win together, and
//! the overlap is noted.

use std::cmp::Reverse;

use alloy_primitives::U256;
use rustc_hash::FxHashSet;

use super::order::{Answer, Depth, Filled, Setting, attempt};
use super::together::Together;
use crate::auction::{Auction, Drops};
use crate::batch::step::{Way, follow};
use crate::batch::{Liquidity, Swap};
use crate::settlement::verify;

/// What became of orders outside of the batch.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    /// Orders solved again on what better bids leave, by their place in the auction.
    pub after: Vec<(usize, Filled)>,
    /// Orders whose bids count on pools that better bids move, by their place in the auction.
    pub overlaps: Vec<usize>,
    /// What the bids score that may win together, in wei.
    pub score: U256,
}

impl Setting<'_> {
    /// Bids, one after another, of the orders that are not part of the `batch`: `alone` is what each has by itself.
    pub fn in_sequence<'f>(self, batch: Option<&Together>, alone: impl Iterator<Item = (usize, &'f Answer)>) -> Sequence {
        let Self { auction, liquidity, config, stop, .. } = self;
        let filled = alone.filter_map(|(k, answer)| match answer {
            Answer::Filled(filled) if !batch.is_some_and(|batch| batch.fills(k)) => Some((k, filled.as_ref())),
            _ => None,
        });
        let mut alone: Vec<(usize, &Filled)> = filled.collect();
        alone.sort_by_key(|(k, filled)| (Reverse(filled.verified.score()), *k));
        let mut found = Sequence::default();
        let mut moved: FxHashSet<usize> = FxHashSet::default();
        // Ways against what was traded.
        let mut against: Vec<Way> = Vec::new();
        // Copied only once two bids meet.
        let mut state: Option<(Auction, Liquidity)> = None;
        let mut before: Vec<Swap> = batch.map_or_else(Vec::new, |batch| batch.joint.swaps.clone());
        moved.extend(before.iter().map(|swap| swap.pool));
        for (k, filled) in alone {
            if filled.swaps.iter().all(|swap| !moved.contains(&swap.pool)) {
                moved.extend(filled.swaps.iter().map(|swap| swap.pool));
                before.extend(&filled.swaps);
                found.score = found.score.saturating_add(filled.verified.score());
                continue;
            }
            if stop() {
                found.overlaps.push(k);
                continue;
            }
            let (state, left) = state.get_or_insert_with(|| (auction.clone(), liquidity.clone()));
            if !before.is_empty() {
                let pools: FxHashSet<usize> = before.iter().map(|swap| swap.pool).collect();
                against.extend(before.iter().map(|swap| Way { pool: swap.pool, input: swap.output, output: swap.input }));
                follow(state, before.drain(..));
                if left.follow(state, pools).is_none() {
                    *left = Liquidity::new(state, config, &mut Drops::default());
                }
            }
            let setting = Setting { auction: state, liquidity: left, most: None, ceiling: None, ..self };
            match attempt(setting, k, &against, Depth::First, None) {
                Answer::Filled(again) if verify(auction, config, again.verified.solution().clone()).is_ok() => {
                    moved.extend(again.swaps.iter().map(|swap| swap.pool));
                    before.extend(&again.swaps);
                    found.score = found.score.saturating_add(again.verified.score());
                    found.after.push((k, *again));
                }
                _ => found.overlaps.push(k),
            }
        }
        found
    }
}
