//! Nobody is worse off in the batch than elsewhere: what each pair of tokens may claim, and who goes where claims cannot all be met.
//!
//! A pair claims what its best bid of its own scores, and what the best single path of the given liquidity would pay for all that it
//! sells, as if no other pair traded there. Where pairs meet at a pool not all of them may have that.

use alloy_primitives::U256;
use ballast_routing::{Claim, Distance, Joint as Choice, Presence, Token, Trade};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::clear::{Chosen, Cleared, Lessons, Terms, Traded};
use super::prices::{Part, Prices};
use super::{Attempt, Fill, NoBatch, Pair};
use crate::batch::execute::from_f64;
use crate::batch::prices::WEI_PER_UNIT;

/// What a pair could have in a bid of its own need not be known closer where it is less than this part of what it has already.
const BELOW: f64 = 0.95;
/// A part of a fill that is as good as all.
const WHOLE: f64 = 0.999;
/// A part of a fill that is as good as none.
const NOTHING: f64 = 1e-4;
/// An order that would best be there for less than this part goes.
const HALF: f64 = 0.5;
/// In haste they go in place of those who lack something where they are no more, for so long.
const IN_PLACE: usize = 10;
/// Of those that go one in so many goes at once.
const AT_ONCE: usize = 3;
/// The most trades of which one programme decides whether they are there.
const MOST_OPEN: usize = 16;
/// Times that some leave before others are to be chosen from the beginning.
const PATIENT: usize = 6;
/// Times that claims are made anew at the fills that came of those before.
const ROUNDS: usize = 5;
/// A pair is left with this much more than it claims, as a part of that.
const FAIR: f64 = 1e-6;
/// A pair is paid this much more than the single path would pay, as a part of that.
const BETTER: f64 = 1e-6;
/// A claim is met that lacks no more than this part of what it was raised by.
const MET: f64 = 0.5;
/// Where so much is lacking, as a part of what a choice is worth, closer prices make up for little of it.
const SOME: f64 = 0.003;
/// Where so much is, those go first who are in the way: so much of what is lacking, and so many.
const MUCH: f64 = 0.03;
const COVERED: f64 = 0.3;
const MOST_IN_THE_WAY: usize = 3;

/// How it is found out who leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// As few as have to, a few at a time, and not often.
    Patient,
    /// The few who would best not be there, or all who lack something, at once: what is left may be little, but is soon there.
    Hasty,
    /// The same where little is lacking; else others are to be chosen.
    Choosy,
}

impl Attempt<'_> {
    /// What each pair claims at these fills, by those of its orders that claim anything.
    pub(super) fn claims(&self, cleared: &Cleared) -> Vec<Claim> {
        let mut pairs: FxHashMap<Pair, Vec<usize>> = FxHashMap::default();
        let claims = |t: &Traded| t.trade.weight > 0.0 && self.auction.claims(self.members[t.member].index);
        for (k, traded) in cleared.trades.iter().enumerate().filter(|(_, t)| claims(t)) {
            pairs.entry([traded.trade.sell, traded.trade.buy]).or_default().push(k);
        }
        let claim = |(pair, trades): (Pair, Vec<usize>)| {
            let there: f64 = trades.iter().map(|&k| cleared.surplus(k)).sum();
            let surplus = self.own(pair, BELOW * there) * (1.0 + FAIR);
            let price = self.single_path(pair, &trades, cleared).unwrap_or(0.0) * (1.0 + BETTER);
            // Who has nothing elsewhere claims nothing: his limit is kept in any case.
            (surplus > 0.0 || price > 0.0).then_some(Claim { trades, surplus, price })
        };
        let mut claims: Vec<Claim> = pairs.into_par_iter().filter_map(claim).collect();
        claims.sort_by(|a, b| a.trades.cmp(&b.trades));
        claims
    }

    /// What a pair could have in a bid of its own; or more than that but no more than `surplus`.
    fn own(&self, pair: Pair, surplus: f64) -> f64 {
        let score = from_f64(surplus.max(0.0) * WEI_PER_UNIT).unwrap_or_default();
        f64::from(self.floors.of(pair, score)) / WEI_PER_UNIT
    }

    /// Units bought for each unit sold if the best single path took all that a pair's trades sell.
    fn single_path(&self, pair: Pair, trades: &[usize], cleared: &Cleared) -> Option<f64> {
        let [sell, buy] = pair.map(|token| self.liquidity.units.get(token).unwrap_or(0.0));
        let paid: f64 = trades.iter().map(|&k| cleared.amounts(k)[0] + cleared.trades[k].trade.fee[0]).sum();
        let got = self.reference.alone(pair, from_f64(paid / sell)?, trades.len())?;
        Some(f64::from(got) * buy / paid)
    }

    /// Clears again so that all have what they ask for and no pair less than it claims, without the members that leave more to the others
    /// than they lose. Those come second. `distance` is how far the prices are from what they were found for.
    pub(super) fn be_fair(
        &self,
        choice: &mut Choice,
        lessons: &mut Lessons,
        cleared: Cleared,
        (mut distance, manner): (Distance, Manner),
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Cleared, Vec<usize>), NoBatch> {
        let (mut fair, mut gone) = (cleared, Vec::new());
        let mut claims = self.claims(&fair);
        let (mut rounds, mut leaves) = (0, 0);
        // Whether prices further off have been looked at.
        let mut looked_far = false;
        let is_open = !self.gives();
        while !fair.trades.is_empty() {
            if stop() {
                return Err("time ran out".into());
            }
            let chosen = Chosen { choice, lessons };
            fair = self.clear_again(chosen, &fair, Terms { claims: &claims, presence: Presence::Fixed, distance })?;
            let idle: Vec<usize> = (0..fair.trades.len()).filter(|&k| fair.is_idle(k)).collect();
            if !idle.is_empty() && distance != Distance::Far {
                // Who trades nothing only pays for it.
                tracing::debug!(?idle, "trade nothing");
                let stay: Vec<usize> = (0..fair.trades.len()).filter(|k| !idle.contains(k)).collect();
                gone.extend(idle.iter().map(|&k| fair.trades[k].member));
                fair = fair.only(&stay);
                claims = self.claims(&fair);
                continue;
            }
            let mut lacking = lacking(&claims, &fair);
            if lacking.is_empty() && distance != Distance::Far {
                // Those that may be filled for a part may be smaller now, and could have a better price elsewhere.
                claims = self.claims(&fair);
                lacking = unmet(&claims, &fair).flat_map(|claim| claim.trades.iter().copied()).collect();
                if lacking.is_empty() {
                    return Ok((fair, gone));
                }
                rounds += 1;
                if rounds < ROUNDS {
                    distance = Distance::Close;
                    continue;
                }
            }
            let further = match distance {
                Distance::Close | Distance::Near if looked_far => None,
                Distance::Close => Some(Distance::Near),
                Distance::Near => Some(Distance::Far),
                Distance::Far => Some(Distance::Near),
            };
            looked_far |= distance == Distance::Far;
            let lack = lack(&claims, &fair);
            // Where much is lacking, closer prices make up for little of it.
            let is_quick = is_open && manner != Manner::Patient;
            let hopeless = distance == Distance::Far && is_quick && !lacking.is_empty() && lack > SOME * choice.value;
            if let Some(further) = further.filter(|_| !hopeless) {
                distance = further;
                continue;
            }
            tracing::debug!(?lacking, short = ?fair.clearing.short, "lack what they ask for");
            if leaves == 0 && is_open {
                lessons.in_the_way = self.in_the_way(choice, &fair, &claims, lack);
                if manner == Manner::Choosy && lack > MUCH * choice.value && !lessons.in_the_way.is_empty() {
                    return Err(NoBatch::InTheWay);
                }
            }
            let chosen = Chosen { choice, lessons };
            leaves += 1;
            if leaves > PATIENT && manner == Manner::Patient {
                return Err("too many lack what they ask for".into());
            }
            // What is given stays as long as others can leave.
            let others: Vec<usize> = lacking.iter().copied().filter(|&k| !self.is_given(&fair, k)).collect();
            let lacking = if others.is_empty() { lacking } else { others };
            let (decided, stay) = match manner {
                Manner::Patient => self.decide(chosen, fair, &claims, lacking),
                Manner::Hasty | Manner::Choosy => {
                    let few = (leaves <= IN_PLACE).then(|| self.few(chosen, &fair, &claims, lacking.len())).flatten();
                    let leave = few.unwrap_or(lacking);
                    let stay = (0..fair.trades.len()).filter(|k| !leave.contains(k)).collect();
                    (fair, stay)
                }
            };
            tracing::debug!(of = decided.trades.len(), stay = stay.len(), "stay together");
            gone.extend((0..decided.trades.len()).filter(|k| !stay.contains(k)).map(|k| decided.trades[k].member));
            fair = self.only(choice, &lessons.barred, decided, &stay, stop)?;
            claims = self.claims(&fair);
            (distance, looked_far) = (Distance::Far, false);
        }
        Err("nobody is left with what he asks for".into())
    }

    /// Members that ask for more than they would get at the prices that the markets are traded at: those that ask for the most more, until
    /// that is a part of what is lacking. Who gets more is not in the way, though it may be him who lacks something for it.
    fn in_the_way(&self, choice: &Choice, fair: &Cleared, claims: &[Claim], lack: f64) -> Vec<usize> {
        let trades: Vec<Trade> = fair.trades.iter().map(|t| t.trade).collect();
        let price = |token: Token| choice.prices.get(token as usize).copied().unwrap_or(1.0);
        let amounts = |k: usize| trades[k].amounts(fair.clearing.fills[k], price(trades[k].sell) / price(trades[k].buy));
        let surplus = |places: &[usize]| -> f64 { places.iter().map(|&k| trades[k].surplus(amounts(k))).sum() };
        let mut asks = lacks(claims, &trades, amounts);
        asks.retain(|(more, _)| *more > 0.0);
        // Who is worth much to the others is the last to go.
        let burden = |(more, places): &(f64, Vec<usize>)| more - surplus(places).max(0.0);
        asks.sort_by(|a, b| burden(b).total_cmp(&burden(a)));
        let (mut left, mut members) = (COVERED * lack, Vec::new());
        for (more, places) in asks {
            if left <= 0.0 || members.len() >= MOST_IN_THE_WAY {
                break;
            }
            left -= more;
            members.extend(places.into_iter().map(|k| fair.trades[k].member));
        }
        members
    }

    /// The part of what it is that each trade would best be there for, if that were free.
    fn best_parts(&self, chosen: Chosen<'_>, fair: &Cleared, claims: &[Claim]) -> Vec<f64> {
        let before = fair.parts();
        let terms = Terms { claims, presence: Presence::Free, distance: Distance::Near };
        let free = self.clear_again(chosen, fair, terms).map(|cleared| cleared.parts()).unwrap_or_default();
        // Of what was there: what may be filled for a part claims no less for being smaller.
        let parts: Vec<f64> = free.iter().zip(&before).map(|(part, before)| part.1 / before.1.max(NOTHING)).collect();
        if parts.is_empty() { vec![1.0; fair.trades.len()] } else { parts }
    }

    /// The few trades that would best not be there, if there are some and no fewer are `lacking` something.
    fn few(&self, chosen: Chosen<'_>, fair: &Cleared, claims: &[Claim], lacking: usize) -> Option<Vec<usize>> {
        let parts = self.best_parts(chosen, fair, claims);
        let few: Vec<usize> = (0..parts.len()).filter(|&k| parts[k] <= HALF && !self.is_given(fair, k)).collect();
        (!few.is_empty() && few.len() <= lacking).then_some(few)
    }

    /// Which trades stay, by their places, where some are `lacking` what they ask for: none of those that do misses its limit, and no pair of
    /// theirs lacks what it claims. One programme decides on those who lack something and on those who would best be there for a part
    /// only.
    fn decide(&self, chosen: Chosen<'_>, fair: Cleared, claims: &[Claim], lacking: Vec<usize>) -> (Cleared, Vec<usize>) {
        let all = 0..fair.trades.len();
        let parts = self.best_parts(chosen, &fair, claims);
        let mut open: Vec<usize> = (0..parts.len()).filter(|&k| parts[k] < WHOLE && !lacking.contains(&k)).collect();
        open.extend(&lacking);
        open.sort_by(|&a, &b| parts[a].total_cmp(&parts[b]));
        open.truncate(MOST_OPEN);
        let terms = Terms { claims, presence: Presence::Open(&open), distance: Distance::Near };
        if let Ok(decided) = self.clear_again(chosen, &fair, terms) {
            let stay: Vec<usize> = all.clone().filter(|&k| !decided.is_idle(k)).collect();
            if stay.len() < fair.trades.len() {
                return (decided, stay);
            }
        }
        // It could not say who: they who would be there for the least part, some at a time, or he who gains least.
        let mut leave: Vec<usize> = open.into_iter().filter(|&k| parts.get(k).is_some_and(|part| *part <= HALF)).collect();
        leave.truncate(leave.len().div_ceil(AT_ONCE));
        if leave.is_empty() {
            leave.extend(lacking.into_iter().min_by(|&a, &b| fair.surplus(a).total_cmp(&fair.surplus(b))));
        }
        let stay = all.filter(|k| !leave.contains(k)).collect();
        (fair, stay)
    }

    /// Fills of pairs that score less than a bid of their own, or are paid less than by the best single path, to the wei.
    pub(super) fn worse(&self, fills: &[Fill], parts: &[Part], prices: &Prices, surplus: &[f64]) -> Vec<usize> {
        let mut pairs: FxHashMap<Pair, Taken> = FxHashMap::default();
        for (k, (fill, part)) in fills.iter().zip(parts).enumerate() {
            if self.auction.orders[fill.order].is_scored() && self.auction.claims(fill.order) {
                let [sold, bought] = part.amounts(|t| prices.get(&t).copied()).unwrap_or_default();
                let taken = pairs.entry([part.sell, part.buy]).or_default();
                taken.paid = taken.paid.saturating_add(sold).saturating_add(fill.fee);
                taken.got = taken.got.saturating_add(bought);
                taken.surplus += surplus[k];
                taken.fills.push(k);
            }
        }
        let worse = |(pair, taken): &(&Pair, &Taken)| {
            let alone = self.reference.alone(**pair, taken.paid, taken.fills.len());
            taken.surplus < self.own(**pair, taken.surplus * (1.0 - FAIR)) || alone.is_some_and(|alone| alone > taken.got)
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

/// Units that those of each claim lack, and those who claim nothing of their limits; less than none where they get more. With their places.
fn lacks(claims: &[Claim], trades: &[Trade], amounts: impl Fn(usize) -> [f64; 2]) -> Vec<(f64, Vec<usize>)> {
    let claiming: FxHashSet<usize> = claims.iter().flat_map(|claim| claim.trades.iter().copied()).collect();
    let claimed = claims.iter().map(|claim| (claim.lack(trades, &amounts), claim.trades.clone()));
    let others = (0..trades.len()).filter(|k| !claiming.contains(k)).map(|k| (-trades[k].surplus(amounts(k)), vec![k]));
    claimed.chain(others).collect()
}

/// Units that are lacking of all.
fn lack(claims: &[Claim], cleared: &Cleared) -> f64 {
    let trades: Vec<Trade> = cleared.trades.iter().map(|t| t.trade).collect();
    let lacks = lacks(claims, &trades, |k| cleared.amounts(k));
    let short = cleared.clearing.short.iter().map(|short| short.1);
    lacks.iter().map(|(units, _)| units.max(0.0)).chain(short).sum()
}

/// Trades that miss their limits, are paid in what is not there, or whose claims are not met.
fn lacking(claims: &[Claim], cleared: &Cleared) -> Vec<usize> {
    let short = |token| cleared.clearing.short.iter().any(|s| s.0 == token);
    let misses = |k: &usize| {
        let Trade { sell, buy, .. } = cleared.trades[*k].trade;
        cleared.misses(*k) || short(buy) || short(sell)
    };
    let missed = (0..cleared.trades.len()).filter(misses);
    let mut lacking: Vec<usize> = missed.chain(unmet(claims, cleared).flat_map(|claim| claim.trades.iter().copied())).collect();
    lacking.sort_unstable();
    lacking.dedup();
    lacking
}

/// Claims that are not met.
fn unmet<'c>(claims: &'c [Claim], cleared: &Cleared) -> impl Iterator<Item = &'c Claim> {
    let trades: Vec<Trade> = cleared.trades.iter().map(|t| t.trade).collect();
    claims.iter().filter(move |claim| {
        let paid: f64 = claim.trades.iter().map(|&k| cleared.amounts(k)[0] + trades[k].fee[0]).sum();
        let raised = (FAIR * claim.surplus).max(BETTER * claim.price * paid);
        claim.lack(&trades, |k| cleared.amounts(k)) > MET * raised
    })
}
