//! Which markets: dropping, adding, and single paths to start from.

use rustc_hash::FxHashMap;

use crate::dual::balance;
use crate::market::{MarketId, Token};
use crate::path::{Hop, Path, Paths};
use crate::problem::Limit;
use crate::program;
use crate::view::{Kept, Smoothing, View, gas};

use super::candidates::{Candidate, ordered};
use super::{Choice, FINE, Search};

/// Worth, as a part of the problem's scale, that a better choice of markets might add.
const FAR: f64 = 0.03;
/// Gas, over and above the settlement's own, that a better choice of markets might save.
const FAR_GAS: f64 = 1e6;
/// A difference in worth, as a part of the problem's scale, that nothing is looked at for.
const LEAST: f64 = 2e-7;
/// Markets added at once: so many, or as many again as there are already.
const ADD: usize = 8;
/// Parts of an offer that single paths are looked for.
const PARTS: [f64; 3] = [1.0, 0.1, 0.01];
/// Width of the chords where prices did not converge.
const COARSE: f64 = 1e-2;
/// Choices of so many markets are worth a programme to see what they are worth, and the work it counts as.
const SMALL: usize = 24;
const PROGRAM_WORK: u64 = 10_000;
/// Parts of an offer that better ways are looked for, each with the part of their gas that it has to carry: all of it is too much, as
/// more will follow, and nothing is too little.
const MORE: [(f64, f64); 3] = [(0.3, 1.0), (0.1, 0.3), (0.03, 0.05)];
/// Parts in which a sale is thought of, and how much of a new swap's gas the first of them has to carry.
const CHUNKS: usize = 20;
const WEIGHTS: [f64; 3] = [0.05, 0.3, 1.0];
/// Times that better ways are looked for.
const DETOURS: usize = 4;
/// Longest single paths that are tried: the next only where there is none so short.
const PATH_HOPS: [usize; 3] = [3, 5, 10];
/// Paths that are split over: at first, and at the most.
const FEW_PATHS: usize = 3;
const PATHS: usize = 5;

/// Around the choice.
pub(super) const NEAR_BY: [Reach; 2] = [Reach::Between, Reach::Through];

/// How far a search looks for markets to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Between the tokens of the choice.
    Between,
    /// Through one token more.
    Through,
    /// Everywhere.
    Far,
}

impl<'a> Search<'a> {
    /// The worth of a choice, from warm prices.
    pub(super) fn weigh(&mut self, mut kept: Vec<Kept>) -> Option<Choice> {
        kept.sort_unstable();
        if kept.is_empty() || self.seen.contains(&kept) || self.is_over() {
            return None;
        }
        let smoothing = Smoothing { gas: None, gas_value: self.gas_value, linear: Some(FINE) };
        // Tokens that the best choice priced are closer there.
        let mut start = match &self.best {
            Some(best) => self.adopted(best.prices.iter().copied()),
            None => self.prices.clone(),
        };
        let (view, nu, minimum) = loop {
            self.seen.insert(kept.clone());
            let spent = gas(&self.snapshot.markets, &kept);
            let mut view = View::part(&self.snapshot.markets, self.problem, &kept, spent, &mut self.renumber);
            view.bar(self.barred);
            // Below that not even all the gas that leaving markets out would save makes a better choice of it.
            let below = self.to_beat() - spent * self.gas_value - FINE * view.scale();
            let mut nu: Vec<f64> = view.tokens.iter().map(|&t| start[t as usize]).collect();
            let Some(minimum) = self.converge(&view, &mut nu, below) else {
                if below > f64::NEG_INFINITY || self.problem.served.is_empty() {
                    return None;
                }
                // It cannot be traded, and nothing is known that is better: its prices say who is in the way.
                let prices = view.tokens.iter().copied().zip(nu).collect();
                let (bound, value, margins) = (f64::NEG_INFINITY, f64::NEG_INFINITY, vec![0.0; kept.len()]);
                return Some(Choice { kept, bound, value, prices, margins });
            };
            let used = self.used(&view);
            // Orders that meet at a corner of their limits may rest at one price and trade at the next.
            if !minimum.converged || used == kept || !self.problem.served.is_empty() {
                break (view, nu, minimum);
            }
            // What does not trade saves its gas, and prices hardly move for that.
            if used.is_empty() || self.seen.contains(&used) {
                return None;
            }
            kept = used;
            for (&token, nu) in view.tokens.iter().zip(nu) {
                start[token as usize] = nu;
            }
        };
        let bound = view.bound(&nu, 0.0);
        let price = view.local(self.problem.gas.token).map_or(1.0, |t| nu[t as usize]);
        // What does not trade at all is the first to go.
        let mut margins = vec![f64::NEG_INFINITY; kept.len()];
        view.profits(&nu, |_, market, profit| {
            if let Ok(k) = kept.binary_search_by_key(&market, |k| k.market) {
                margins[k] = profit - self.gas_of(kept[k]) * price;
            }
        });
        let promising = self.best.as_ref().is_none_or(|best| bound > best.value);
        let value = if minimum.converged || !promising {
            bound
        } else {
            // The dual value of prices that did not converge says little: flows do, and a programme where those do not balance.
            let flows = program::flows_of(&view, &nu, balance(&view, &nu, &smoothing, &mut self.work));
            let good = self.problem.served.is_empty() && flows.gross > f64::NEG_INFINITY;
            if good || kept.len() > SMALL {
                flows.gross
            } else {
                self.budget.spend(PROGRAM_WORK);
                program::solve(&view, &nu, COARSE, None).map_or(flows.gross, |found| found.gross.max(flows.gross))
            }
        };
        let prices = view.tokens.iter().copied().zip(nu).collect();
        Some(Choice { kept, bound, value, prices, margins })
    }

    /// What a better choice is worth more than.
    fn to_beat(&self) -> f64 {
        self.best.as_ref().map_or(self.to_beat, |best| best.value.max(self.to_beat))
    }

    /// Weighs a choice and keeps it if it is the best.
    fn consider(&mut self, kept: Vec<Kept>) -> Option<(Choice, bool)> {
        let choice = self.weigh(kept)?;
        let better = self.serves(&choice)
            && self.best.as_ref().is_none_or(|best| choice.value > best.value + 1e-12 * best.value.abs().min(f64::MAX));
        if better {
            self.best = Some(choice.clone());
        }
        Some((choice, better))
    }

    /// Step 2: which markets, of those that paths lead over and those beside them.
    pub(super) fn choose(&mut self) {
        let mut ways = self.ways();
        for kept in ways.iter_mut().flat_map(|way| self.paths(way)).collect::<Vec<_>>() {
            self.prune(kept);
        }
        self.ways = ways;
        self.plain.clone_from(&self.best);
        if self.best.as_ref().is_some_and(|best| best.value <= self.problem.reserve) {
            // There may be nothing to be had.
            self.tighten();
        }
        self.climb(&NEAR_BY);
        if self.best.as_ref().zip(self.plain.as_ref()).is_some_and(|(best, plain)| best.kept == plain.kept) {
            self.plain = None;
        }
        self.tighten();
    }

    /// The bound at the prices of the best choice.
    fn tighten(&mut self) {
        self.outsiders();
    }

    /// Improves the best choice by the markets beside it and by detours, for as long as they help.
    pub(super) fn settle(&mut self) {
        let mut ways = std::mem::take(&mut self.ways);
        for _ in 0..DETOURS {
            self.dull.fill(false);
            self.climb(&NEAR_BY);
            if self.is_hopeless() || self.is_far_off() || !self.detour(&mut ways) {
                break;
            }
        }
        self.ways = ways;
    }

    /// Begins again from other paths: the best few for each number of them, and those that a sale part by part would take.
    pub(super) fn restart(&mut self) {
        let Some(mut best) = self.best.take() else { return };
        let mut ways = std::mem::take(&mut self.ways);
        let mut starts: Vec<Vec<Kept>> = Vec::new();
        for way in &mut ways {
            starts.extend((2..=PATHS).filter(|&count| count != FEW_PATHS).map(|count| self.disjoint(way, count)));
            starts.extend(WEIGHTS.map(|weight| self.part_by_part(way, weight, Carried::default(), MarketId::MAX)));
        }
        self.ways = ways;
        for start in starts {
            if self.is_over() {
                break;
            }
            self.prune(start);
            self.settle();
            if let Some(other) = self.best.take().filter(|other| other.value > best.value) {
                best = other;
            }
        }
        self.best = Some(best);
    }

    /// What a sale in equal parts takes of the markets before `end`, beside what the best choice carries. What a market of its own would not pay
    /// for one part it may for several.
    pub(super) fn sale(&mut self, (from, to): (Token, Token), amount: f64, end: MarketId) -> Vec<Kept> {
        let mut carried = self.carried();
        carried.retain(|market, _| *market < end);
        self.part_by_part(&mut self.way(from, to, amount), WEIGHTS[0], carried, end)
    }

    /// The paths that a sale in equal parts takes through the markets before `end`, each the best on what the parts before it left, and what
    /// else is carried.
    fn part_by_part(&self, Way { paths, amount }: &mut Way, weight: f64, mut carried: Carried, end: MarketId) -> Vec<Kept> {
        for _ in 0..CHUNKS {
            let held = |hop: Hop| self.beside(&carried, hop).filter(|_| hop.market < end);
            let part = *amount / CHUNKS as f64;
            let Some(path) = paths.best(part, weight * self.gas_value, held) else { break };
            let mut amount = part;
            for hop in path.hops {
                let (_, input) = carried.entry(hop.market).or_insert((hop, 0.0));
                let (curve, i, j) = (self.snapshot.markets.curve(hop.market), hop.input as usize, hop.output as usize);
                let before = curve.output(i, j, *input);
                *input += amount;
                amount = curve.output(i, j, *input) - before;
            }
        }
        carried.values().map(|(hop, _)| Kept { market: hop.market, coins: (1 << hop.input) | (1 << hop.output) }).collect()
    }

    /// What flows over a hop already, beside others that carry something. Ways against the flow, and other ways through a market of
    /// many coins, are left to those who see the whole market.
    fn beside(&self, carried: &Carried, hop: Hop) -> Option<f64> {
        match carried.get(&hop.market) {
            None => self.usable(hop),
            Some((way, input)) => (*way == hop).then_some(*input),
        }
    }

    /// Adds the best path for a part more, on top of what the best choice carries. True if it helped.
    fn detour(&mut self, ways: &mut [Way]) -> bool {
        let mut improved = false;
        for Way { paths, amount } in ways {
            for (part, weight) in MORE {
                let carried = self.carried();
                let held = |hop: Hop| self.beside(&carried, hop);
                let Some(path) = paths.best(part * *amount, weight * self.gas_value, held) else { continue };
                improved |= self.prune(self.with(&kept_of(&path)));
            }
        }
        improved
    }

    /// What the pairs of the best choice carry, by market.
    fn carried(&mut self) -> Carried {
        let Some(best) = &self.best else { return FxHashMap::default() };
        let mut view = View::part(&self.snapshot.markets, self.problem, &best.kept, 0.0, &mut self.renumber);
        view.bar(self.barred);
        let nu: Vec<f64> = best.prices.iter().map(|p| p.1).collect();
        let flows = program::answers(&view, &nu, &Smoothing { gas: None, gas_value: self.gas_value, linear: Some(FINE) });
        let carried = flows.markets.iter().map(|flow| {
            let side = |paid: bool| flow.trade.iter().position(|z| if paid { *z > 0.0 } else { *z < 0.0 }).unwrap_or_default();
            let hop = Hop { market: flow.market, input: side(false) as u8, output: side(true) as u8 };
            (flow.market, (hop, -flow.trade[side(false)]))
        });
        carried.collect()
    }

    /// Whether the best choice is so far below what is of use that no finer choice of markets will make up for it.
    pub(super) fn is_far_off(&self) -> bool {
        let gas = (self.problem.gas.fixed + FAR_GAS) * self.gas_value;
        self.best.as_ref().is_none_or(|best| best.value < self.problem.reserve - gas - FAR * self.scale())
    }

    /// Adds and drops for as long as it helps.
    pub(super) fn climb(&mut self, reaches: &[Reach]) {
        loop {
            let improved = self.grow(reaches) || self.drop_one();
            if !improved || self.is_hopeless() || self.is_far_off() || self.is_over() {
                break;
            }
        }
    }

    /// A difference in worth that is not worth the time to look for it.
    pub(super) fn least(&self) -> f64 {
        LEAST * self.scale() * self.unit
    }

    /// Whether a choice does anything for what the problem offers: cycles of their own need no order, and serve none.
    fn serves(&self, choice: &Choice) -> bool {
        if self.problem.endowment.is_empty() && !self.problem.served.is_empty() {
            return choice.kept.iter().any(|k| self.problem.served.contains(&k.market));
        }
        let pays = |l: &Limit| choice.price(l.give) * l.rate > choice.price(l.take);
        !self.problem.endowment.is_empty() || self.problem.limits.iter().any(pays)
    }

    /// Adds markets that would earn their gas: many at once for as long as that helps, then one. True if it helped.
    pub(super) fn grow(&mut self, reaches: &[Reach]) -> bool {
        let mut improved = false;
        let mut refused: Vec<Candidate> = Vec::new();
        'many: while !self.is_over() {
            refused.clear();
            for reach in reaches {
                let outside = match reach {
                    Reach::Between => self.between(),
                    Reach::Through => self.through(),
                    Reach::Far => self.outsiders(),
                };
                let many = ADD.max(self.best.as_ref().map_or(0, |best| best.kept.len()));
                let together: Vec<Kept> = outside.iter().take(many).flat_map(|candidate| candidate.kept.clone()).collect();
                if self.prune(self.with(&together)) {
                    improved = true;
                    continue 'many;
                }
                refused.extend(outside.into_iter().take(ADD));
            }
            break;
        }
        improved || refused.iter().any(|candidate| self.prune(self.with(&candidate.kept)))
    }

    /// The best choice with more markets.
    fn with(&self, more: &[Kept]) -> Vec<Kept> {
        joined(self.best.as_ref().map_or_else(Vec::new, |best| best.kept.clone()), more)
    }

    /// Drops what does not earn its gas, the worst half first, until everything does. True if it found a new best.
    pub(super) fn prune(&mut self, mut kept: Vec<Kept>) -> bool {
        let mut improved = false;
        while let Some((choice, better)) = self.consider(kept) {
            improved |= better;
            let mut failing: Vec<usize> = (0..choice.kept.len()).filter(|&k| choice.margins[k] < 0.0).collect();
            // By duality no part of the choice is worth more than that.
            let most = choice.bound - failing.iter().map(|&k| choice.margins[k]).sum::<f64>();
            if failing.is_empty() || most <= self.to_beat() + self.least() {
                break;
            }
            failing.sort_by(|&a, &b| choice.margins[a].total_cmp(&choice.margins[b]));
            failing.truncate(failing.len().div_ceil(2));
            kept = (0..choice.kept.len()).filter(|k| !failing.contains(k)).map(|k| choice.kept[k]).collect();
        }
        improved
    }

    /// Tries the best choice without each of its markets, and without each coin of the larger ones, where its prices do not rule out
    /// that it helps; the most promising first.
    fn drop_one(&mut self) -> bool {
        let mut improved = false;
        'again: while let Some(best) = self.best.clone() {
            let mut smaller: Vec<(f64, Vec<Kept>)> = Vec::new();
            for (k, &Kept { market, coins }) in best.kept.iter().enumerate() {
                let without = (0..8).map(|c| 1_u8 << c).filter(|c| coins & c != 0).map(|c| coins & !c);
                let idle = -self.gas_of(best.kept[k]) * best.price(self.problem.gas.token);
                for coins in std::iter::once(0).chain(without.filter(|left| left.count_ones() > 1)) {
                    let left = Kept { market, coins };
                    // By duality: what the others are worth at the same prices, they are worth at most.
                    let most = best.bound - best.margins[k].max(idle) + self.margin(&best, left);
                    if most > best.value + self.least() {
                        let mut kept = best.kept.clone();
                        if coins == 0 {
                            kept.remove(k);
                        } else {
                            kept[k] = left;
                        }
                        smaller.push((most, kept));
                    }
                }
            }
            smaller.sort_by(|a, b| b.0.total_cmp(&a.0));
            for (_, kept) in smaller {
                if self.prune(kept) {
                    improved = true;
                    continue 'again;
                }
            }
            break;
        }
        improved
    }

    /// Profit less gas of a market at a choice's prices.
    fn margin(&mut self, choice: &Choice, kept: Kept) -> f64 {
        if kept.coins == 0 {
            return 0.0;
        }
        let mut view = View::part(&self.snapshot.markets, self.problem, &[kept], 0.0, &mut self.renumber);
        view.bar(self.barred);
        let nu: Vec<f64> = view.tokens.iter().map(|t| choice.price(*t)).collect();
        let mut margin = -self.gas_of(kept) * choice.price(self.problem.gas.token);
        view.profits(&nu, |_, _, profit| margin += profit);
        margin
    }

    /// Gas of the swaps that a market may need, in units of the token that gas is paid in.
    fn gas_of(&self, kept: Kept) -> f64 {
        gas(&self.snapshot.markets, &[kept]) * self.problem.gas.price
    }

    /// Markets outside of the best choice that would earn their gas at its prices, best first.
    fn outsiders(&mut self) -> Vec<Candidate> {
        let Some(best) = &self.best else { return Vec::new() };
        let start = self.prices.clone();
        let own = best.prices.clone();
        self.adopt(own.into_iter());
        let prices = std::mem::replace(&mut self.prices, start);
        let Some(best) = &self.best else { return Vec::new() };
        let (markets, view) = (&self.snapshot.markets, &self.whole);
        let gas_value = self.problem.gas.price * prices[self.problem.gas.token as usize];
        let least = self.least();
        let mut bound = view.bound_without_markets(&prices);
        let mut found: Vec<Candidate> = Vec::new();
        view.profits(&prices, |coins, market, profit| {
            let margin = profit - markets.gas(market) * gas_value;
            bound += margin.max(0.0);
            let kept = Kept { market, coins };
            if margin > least && !best.kept.iter().any(|k| k.market == market && k.coins & coins == coins) {
                found.push(Candidate { margin, kept: vec![kept] });
            }
        });
        self.bound = self.bound.min(bound);
        self.budget.spend(view.size());
        ordered(found)
    }

    /// The best single path and the best few that share no market.
    fn paths(&self, way: &mut Way) -> Vec<Vec<Kept>> {
        let mut found = Vec::new();
        // The best amount is not known yet where there are limits.
        let parts = if self.problem.limits.is_empty() { &PARTS[..1] } else { &PARTS[..] };
        for part in parts {
            let path = way.paths.best(part * way.amount, self.gas_value, |hop| self.usable(hop));
            found.extend(path.map(|path| kept_of(&path)));
        }
        found.push(self.disjoint(way, FEW_PATHS));
        found
    }

    /// The union of the best paths that share no market, so many at the most.
    fn disjoint(&self, Way { paths, amount }: &mut Way, count: usize) -> Vec<Kept> {
        let mut union: Vec<Kept> = Vec::new();
        for _ in 0..count {
            let fresh = |hop: Hop| self.usable(hop).filter(|_| union.iter().all(|k| k.market != hop.market));
            let Some(path) = paths.best(*amount / count as f64, self.gas_value, fresh) else { break };
            union.extend(kept_of(&path));
        }
        union
    }

    /// Whether a hop may be used: then nothing flows over it yet.
    fn usable(&self, hop: Hop) -> Option<f64> {
        (!self.barred.contains(&hop)).then_some(0.0)
    }

    /// From which token into which, and how much at the most.
    fn ways(&self) -> Vec<Way<'a>> {
        let mut ways: Vec<(Token, Token, f64)> = self.problem.limits.iter().map(|l| (l.give, l.take, l.rate * l.cap)).collect();
        for wanted in &self.problem.wanted {
            for &(token, amount) in self.problem.endowment.iter().filter(|e| e.0 != wanted.token) {
                if amount > 0.0 {
                    ways.push((token, wanted.token, amount));
                } else {
                    ways.push((wanted.token, token, -amount));
                }
            }
        }
        ways.into_iter().map(|(from, to, amount)| self.way(from, to, amount)).collect()
    }

    fn way(&self, from: Token, to: Token, amount: f64) -> Way<'a> {
        let (markets, hops) = (&self.snapshot.markets, &self.snapshot.hops);
        self.budget.spend(PATH_HOPS[0] as u64 * markets.len() as u64);
        let mut longer = PATH_HOPS.iter().map(|&most| Paths::new(markets, hops, (from, to), most));
        let paths = longer.find(Paths::lead).unwrap_or_else(|| Paths::new(markets, hops, (from, to), 1));
        Way { paths, amount }
    }
}

/// What flows over the one hop through each market.
type Carried = FxHashMap<MarketId, (Hop, f64)>;

/// A token into another, and how much of it.
pub(super) struct Way<'a> {
    paths: Paths<'a>,
    amount: f64,
}

/// Markets, and more of them or of their coins.
pub(super) fn joined(mut kept: Vec<Kept>, more: &[Kept]) -> Vec<Kept> {
    for other in more {
        match kept.iter_mut().find(|k| k.market == other.market) {
            Some(k) => k.coins |= other.coins,
            None => kept.push(*other),
        }
    }
    kept
}

fn kept_of(path: &Path) -> Vec<Kept> {
    path.hops.iter().map(|h| Kept { market: h.market, coins: (1 << h.input) | (1 << h.output) }).collect()
}
