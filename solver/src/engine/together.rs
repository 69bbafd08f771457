//! Several orders in one settlement: all of an auction, or those of one pair of tokens.

use ballast_routing::Extent;
use std::time::{Duration, Instant};

use alloy_primitives::U256;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use tracing::Span;

use super::order::{Answer, Setting};
use crate::auction::Auction;
use crate::batch::joint::{Attempt, Floors, Found, Pair};
use crate::batch::{Bid, Joint};
use crate::settlement::{Verified, verify};

/// Single bids, one after another, are hardly worth more than this part of a batch's bound.
const AHEAD: f64 = 0.6;

/// Several orders filled by one settlement.
#[derive(Debug, Clone)]
pub struct Together {
    /// What may be sent.
    pub verified: Verified,
    /// Its execution.
    pub joint: Joint,
    /// How long it took.
    pub took: Duration,
}

impl Together {
    /// Whether it fills an order, by its place in the auction.
    pub fn fills(&self, order: usize) -> bool {
        self.verified.fills().iter().any(|fill| fill.order == order)
    }

    /// Whether single bids, one after another, are hardly worth more, as far as that is known without them.
    pub(super) fn is_ahead(&self) -> bool {
        self.joint.welfare.realised >= AHEAD * self.joint.welfare.bound
    }

    /// Value units that it is worth.
    pub(super) fn realised(&self) -> f64 {
        self.joint.welfare.realised
    }

    /// Whether it leaves a pair with as much as that has in a bid of its own.
    pub(super) fn outdoes(&self, auction: &Auction, bid: &Verified) -> bool {
        let (here, there) = (scores(auction, &self.verified), scores(auction, bid));
        there.iter().all(|(pair, score)| here.get(pair).is_none_or(|here| here >= score))
    }

    /// Whether an order by itself is worth more than its pair has here.
    pub(super) fn is_outdone(&self, auction: &Auction, answer: &Answer) -> bool {
        answer.verified().is_some_and(|verified| !self.outdoes(auction, verified))
    }

    /// Whether no pair scores less than it could in a bid of its own.
    pub(super) fn is_fair(&self, auction: &Auction, floors: &Floors<'_>) -> bool {
        is_fair(auction, &self.verified, floors)
    }
}

fn is_fair(auction: &Auction, verified: &Verified, floors: &Floors<'_>) -> bool {
    let scores = scores(auction, verified);
    scores.iter().all(|(pair, score)| floors.of(*pair, *score) <= *score)
}

/// What each pair scores in a solution, in wei.
fn scores(auction: &Auction, verified: &Verified) -> FxHashMap<Pair, U256> {
    let mut scores: FxHashMap<Pair, U256> = FxHashMap::default();
    for fill in verified.fills() {
        let order = &auction.orders[fill.order];
        let score = scores.entry([order.sell, order.buy]).or_default();
        *score = score.saturating_add(fill.score);
    }
    scores
}

/// What each pair could have in a bid of its own: for one of its orders, or for several.
pub(super) fn floors(auction: &Auction, answers: &[(Answer, Duration)], pairs: &[Together]) -> Floors<'static> {
    let mut floors: FxHashMap<Pair, U256> = FxHashMap::default();
    let alone = answers.iter().filter_map(|(answer, _)| answer.verified());
    for verified in alone.chain(pairs.iter().map(|pair| &pair.verified)) {
        for (pair, score) in scores(auction, verified) {
            let floor = floors.entry(pair).or_default();
            *floor = score.max(*floor);
        }
    }
    floors.into()
}

/// The same for single orders, of which no score exceeds what `most` says: each is solved by itself once somebody has less than that.
pub(super) fn floors_of<'a>(
    auction: &'a Auction,
    most: impl Fn(usize) -> U256 + Send + Sync + 'a,
    answer: impl Fn(usize) -> &'a Answer + Send + Sync + 'a,
) -> Floors<'a> {
    let orders = by_pair(auction);
    Floors::new(move |pair, score| {
        let orders = orders.get(&pair).map_or(&[][..], Vec::as_slice);
        let most = orders.iter().map(|&index| most(index)).max().unwrap_or_default();
        if most <= score {
            return most;
        }
        let scored = orders.iter().filter_map(|&index| answer(index).verified());
        scored.filter_map(|verified| scores(auction, verified).get(&pair).copied()).max().unwrap_or_default()
    })
}

/// The orders of each pair of tokens.
fn by_pair(auction: &Auction) -> FxHashMap<Pair, Vec<usize>> {
    let mut pairs: FxHashMap<Pair, Vec<usize>> = FxHashMap::default();
    for (index, order) in auction.orders.iter().enumerate() {
        pairs.entry([order.sell, order.buy]).or_default().push(index);
    }
    pairs
}

/// The pairs of tokens that several orders trade, each with its orders.
fn pairs(auction: &Auction) -> Vec<Vec<usize>> {
    let mut pairs: Vec<Vec<usize>> = by_pair(auction).into_values().filter(|orders| orders.len() > 1).collect();
    pairs.sort_unstable();
    pairs
}

/// All orders in one settlement, and what it takes to make that again.
pub(super) struct Whole<'a> {
    pub batch: Box<Together>,
    attempt: Attempt<'a>,
}

impl Setting<'_> {
    /// All orders, no pair worse off than its floor. Each batch that is better than those before is shown to `sink` at once.
    /// What comes of each choice is told `tried`: the batch, or nothing.
    pub fn all<'f>(
        &'f self,
        floors: Floors<'f>,
        sink: &(dyn Fn(&Verified) + Sync),
        tried: &mut dyn FnMut(Option<&Together>),
    ) -> Result<Whole<'f>, String> {
        self.wanted()?;
        let orders: Vec<usize> = (0..self.auction.orders.len()).collect();
        let mut attempt = self.attempt(&orders, floors)?;
        let batch = self.solve(0, &mut attempt, sink, tried)?;
        Ok(Whole { batch: Box::new(batch), attempt })
    }

    /// The same once more, where some pairs have better bids of their own by now.
    /// False where there is none.
    pub fn again<'f>(&'f self, Whole { batch, attempt }: &mut Whole<'f>, floors: Floors<'f>) -> bool {
        let began = Instant::now();
        let again = attempt.with_floors(floors.clone(), self.stop).map_err(|why| why.to_string());
        let again = again.and_then(|joint| self.verified(0, joint, &floors));
        match again {
            Ok((verified, joint)) => {
                **batch = Together { verified, joint, took: batch.took + began.elapsed() };
                true
            }
            Err(why) => {
                tracing::debug!(why, "the batch is not made again");
                false
            }
        }
    }

    /// The orders of each pair, where more than one of them is filled; what is logged belongs to `span`.
    pub fn pairs(&self, span: &Span) -> Vec<Together> {
        if self.wanted().is_err() {
            return Vec::new();
        }
        let solve = |(id, orders): (usize, &Vec<usize>)| {
            if (self.stop)() {
                return None;
            }
            let _span = span.enter();
            let attempt = self.attempt(orders, Floors::default());
            let solved = attempt.and_then(|mut attempt| self.solve(id as u64 + 1, &mut attempt, &|_| {}, &mut |_| {}));
            solved.inspect_err(|why| tracing::debug!(why, ?orders, "no bid for the pair")).ok()
        };
        pairs(self.auction).par_iter().enumerate().filter_map(solve).collect()
    }

    fn wanted(&self) -> Result<(), &'static str> {
        match self.auction {
            // For one order, and not scored.
            Auction { id: None, .. } => Err("a quote"),
            Auction { alone: true, .. } => Err("batches are avoided after failures"),
            _ if !self.config.batch => Err("switched off (engine.batch)"),
            _ => Ok(()),
        }
    }

    fn attempt<'f>(&'f self, orders: &[usize], floors: Floors<'f>) -> Result<Attempt<'f>, String> {
        let attempt = Attempt::new(self.auction, self.liquidity, self.config, orders, floors, Extent::Part)?;
        Ok(attempt.below(self.ceiling))
    }

    fn solve(
        &self,
        id: u64,
        attempt: &mut Attempt,
        sink: &(dyn Fn(&Verified) + Sync),
        tried: &mut dyn FnMut(Option<&Together>),
    ) -> Result<Together, String> {
        let began = Instant::now();
        let floors = attempt.floors().clone();
        let mut best: Result<Together, String> = Err("no two orders gain by going together".to_owned());
        let mut found = |found: Found<'_>| match found {
            Found::Better(joint) => match self.verified(id, *joint, &floors) {
                Ok((verified, joint)) => {
                    sink(&verified);
                    best = Ok(Together { verified, joint, took: began.elapsed() });
                }
                Err(why) if best.is_err() => best = Err(why),
                Err(_) => {}
            },
            Found::Settled(why) => {
                if let (Some(why), Err(reason)) = (why, &mut best) {
                    *reason = why.to_string();
                }
                tried(best.as_ref().ok());
            }
        };
        let welfare = attempt.solve(self.warm, self.stop, &mut found).map_err(|why| why.to_string())?;
        best.map(|mut best| {
            // The best may not have been one to verify.
            if welfare.realised == best.joint.welfare.realised {
                best.joint.welfare = welfare;
            } else {
                (best.joint.welfare.apart, best.joint.welfare.bound) = (welfare.apart, welfare.bound);
            }
            best
        })
    }

    fn verified(&self, id: u64, joint: Joint, floors: &Floors<'_>) -> Result<(Verified, Joint), String> {
        if joint.fills.len() < 2 {
            return Err("no two orders gain by going together".to_owned());
        }
        // After those of single orders.
        let id = self.auction.orders.len() as u64 + id;
        let bid = Bid::joint(id, self.auction, &joint).ok_or("the protocol's fee takes all that is sold")?;
        let verified = verify(self.auction, self.config, bid.solution).map_err(|violation| {
            tracing::error!(%violation, "our own batch does not verify");
            format!("batch does not verify: {violation}")
        })?;
        if is_fair(self.auction, &verified, floors) {
            Ok((verified, joint))
        } else {
            Err("a pair is better off alone".to_owned())
        }
    }
}
