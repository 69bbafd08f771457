//! Nobody is worse off in the batch than elsewhere: what each pair of tokens may claim, and who goes where claims cannot all be met.
//!
//! A pair claims what its best bid of its own scores, and what the best single path of the given liquidity would pay for all that it
//! sells, as if no other pair traded there. Where pairs meet at a pool not all of them may have that.

use alloy_primitives::U256;
use ballast_routing::{Claim, Presence, Trade};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::clear::{Chosen, Claims, Cleared, WHOLE};
use super::prices::{Part, Prices};
use super::{Attempt, Fill, Obstacle, Pair};
use crate::batch::execute::from_f64;
use crate::batch::prices::WEI_PER_UNIT;
use crate::batch::reference;

/// Times that claims are made anew at the fills that came of those before.
const ROUNDS: usize = 5;
/// A pair is left with this much more than it claims, as a part of that.
const FAIR: f64 = 1e-6;
/// A pair is paid this much more than the single path would pay, as a part of that.
const BETTER: f64 = 1e-6;
/// A claim is met that lacks no more than this part of what it was raised by.
const MET: f64 = 0.5;
/// A part of a fill that is as good as none.
const NOTHING: f64 = 1e-4;
/// An order that should be there for less than this part goes, and so does the one of the least part where all are above.
const HALF: f64 = 0.5;

impl Attempt<'_> {
    /// What each pair claims at these fills.
    pub(super) fn claims(&self, cleared: &Cleared) -> Vec<Claim> {
        let mut pairs: FxHashMap<Pair, Vec<usize>> = FxHashMap::default();
        for (k, traded) in cleared.trades.iter().enumerate().filter(|(_, t)| t.trade.weight > 0.0) {
            pairs.entry([traded.trade.sell, traded.trade.buy]).or_default().push(k);
        }
        let claim = |(pair, trades): (Pair, Vec<usize>)| {
            let surplus = self.own(pair) * (1.0 + FAIR);
            let price = self.single_path(pair, &trades, cleared).unwrap_or(0.0) * (1.0 + BETTER);
            // Who has nothing elsewhere claims nothing: his limit is kept in any case.
            (surplus > 0.0 || price > 0.0).then_some(Claim { trades, surplus, price })
        };
        let mut claims: Vec<Claim> = pairs.into_par_iter().filter_map(claim).collect();
        claims.sort_by(|a, b| a.trades.cmp(&b.trades));
        claims
    }

    /// What a pair could have in a bid of its own.
    pub(super) fn own(&self, pair: Pair) -> f64 {
        self.floors.get(&pair).map_or(0.0, |score| f64::from(*score) / WEI_PER_UNIT)
    }

    /// Units bought for each unit sold if the best single path took all that a pair's trades sell.
    fn single_path(&self, pair: Pair, trades: &[usize], cleared: &Cleared) -> Option<f64> {
        let [sell, buy] = pair.map(|token| self.liquidity.units.get(token).unwrap_or(0.0));
        let paid: f64 = trades.iter().map(|&k| cleared.amounts(k)[0] + cleared.trades[k].trade.fee).sum();
        let got = reference::alone(self.auction, self.liquidity, self.config, pair, from_f64(paid / sell)?, trades.len())?;
        Some(f64::from(got) * buy / paid)
    }

    /// Clears again where a pair gets less than it claims, without the members that leave more to the others than they lose. Those come
    /// second.
    pub(super) fn be_fair(&self, chosen: Chosen<'_>, cleared: Cleared) -> Result<(Cleared, Vec<usize>), Obstacle> {
        let (mut fair, mut displaced) = (cleared, Vec::new());
        loop {
            let claims;
            (fair, claims) = self.meet(chosen, fair)?;
            let unmet = unmet(&claims, &fair);
            if unmet.is_empty() {
                return Ok((fair, displaced));
            }
            let mut stay = self.together(chosen, &fair, &claims)?;
            if stay.len() == fair.trades.len() {
                // They all fit but for what the programmes leave out of sight.
                stay.retain(|k| unmet.iter().all(|claim| !claim.trades.contains(k)));
            }
            displaced.extend((0..fair.trades.len()).filter(|k| !stay.contains(k)).map(|k| fair.trades[k].member));
            if stay.is_empty() {
                return Err(Obstacle::Worse(displaced));
            }
            fair = self.without_others(chosen, &fair.only(&stay))?;
        }
    }

    /// Clears again, with claims, until what comes of that is what they were made for. The claims come second.
    fn meet(&self, chosen: Chosen<'_>, cleared: Cleared) -> Result<(Cleared, Vec<Claim>), Obstacle> {
        let mut fair = cleared;
        let mut claims = self.claims(&fair);
        for _ in 0..ROUNDS {
            if unmet(&claims, &fair).is_empty() {
                break;
            }
            fair = match self.clear_again(chosen, &fair, Claims { claims: &claims, presence: Presence::Fixed }) {
                Err(Obstacle::Failed(why)) => {
                    tracing::debug!(why, "claims are not cleared");
                    break;
                }
                again => again?,
            };
            // Those that may be filled for a part may be smaller now, and could have a better price elsewhere.
            claims = self.claims(&fair);
        }
        Ok((fair, claims))
    }

    /// Trades that can be there together, by their places: all that must be whole are, and no pair lacks what it claims. Those that are
    /// not among them leave the others more by going than it costs.
    fn together(&self, chosen: Chosen<'_>, fair: &Cleared, claims: &[Claim]) -> Result<Vec<usize>, Obstacle> {
        let mut stay: Vec<usize> = (0..fair.trades.len()).collect();
        while !stay.is_empty() {
            let claims: Vec<Claim> = claims.iter().filter_map(|claim| among(claim, &stay)).collect();
            let free = Claims { claims: &claims, presence: Presence::Free };
            let parts = match self.clear_again(chosen, &fair.only(&stay), free) {
                Err(Obstacle::Failed(why)) => {
                    tracing::debug!(why, "who should be there is not known");
                    break;
                }
                cleared => cleared?.parts(),
            };
            let short = |(m, part): (usize, f64)| part < if self.members[m].leg.whole { WHOLE } else { NOTHING };
            let least = parts.iter().copied().filter(|p| short(*p)).map(|p| p.1).min_by(f64::total_cmp);
            let Some(least) = least else { break };
            let mut parts = parts.into_iter();
            stay.retain(|_| parts.next().is_none_or(|(m, part)| !short((m, part)) || part > least.max(HALF)));
        }
        Ok(stay)
    }

    /// Fills of pairs that score less than a bid of their own, or are paid less than by the best single path, to the wei.
    pub(super) fn worse(&self, fills: &[Fill], parts: &[Part], prices: &Prices, surplus: &[f64]) -> Vec<usize> {
        let mut pairs: FxHashMap<Pair, Taken> = FxHashMap::default();
        for (k, (fill, part)) in fills.iter().zip(parts).enumerate() {
            if self.auction.orders[fill.order].is_scored() {
                let [sold, bought] = part.amounts(|t| prices.get(&t).copied()).unwrap_or_default();
                let taken = pairs.entry([part.sell, part.buy]).or_default();
                taken.paid = taken.paid.saturating_add(sold).saturating_add(fill.fee);
                taken.got = taken.got.saturating_add(bought);
                taken.surplus += surplus[k];
                taken.fills.push(k);
            }
        }
        let worse = |(pair, taken): &(&Pair, &Taken)| {
            let alone = reference::alone(self.auction, self.liquidity, self.config, **pair, taken.paid, taken.fills.len());
            taken.surplus < self.own(**pair) || alone.is_some_and(|alone| alone > taken.got)
        };
        let mut worse: Vec<usize> = pairs.par_iter().filter(worse).flat_map_iter(|(_, taken)| taken.fills.clone()).collect();
        worse.sort_unstable();
        worse
    }
}

/// What a pair pays, fees included, and gets, in atoms.
#[derive(Default)]
struct Taken {
    paid: U256,
    got: U256,
    surplus: f64,
    fills: Vec<usize>,
}

/// What is left of a claim among some trades, numbered as they are.
fn among(claim: &Claim, there: &[usize]) -> Option<Claim> {
    let trades: Vec<usize> = claim.trades.iter().filter_map(|k| there.binary_search(k).ok()).collect();
    (!trades.is_empty()).then_some(Claim { trades, ..*claim })
}

/// Claims that are not met.
fn unmet<'c>(claims: &'c [Claim], cleared: &Cleared) -> Vec<&'c Claim> {
    let trades: Vec<Trade> = cleared.trades.iter().map(|t| t.trade).collect();
    let raised = |claim: &Claim| {
        let paid: f64 = claim.trades.iter().map(|&k| cleared.amounts(k)[0] + trades[k].fee).sum();
        (FAIR * claim.surplus).max(BETTER * claim.price * paid)
    };
    claims.iter().filter(|claim| claim.lack(&trades, |k| cleared.amounts(k)) > MET * raised(claim)).collect()
}
