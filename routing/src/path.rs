//! Single paths: the incumbents that every search starts from, and the opponents it is measured against.

use crate::market::{MarketId, Markets, Token};

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The market.
    pub market: MarketId,
    /// Its coin that is sold.
    pub input: u8,
    /// Its coin that is bought.
    pub output: u8,
}

/// A hop out of a token or into it: what it pays at the margin, which most searches need not look further than, and the token at its
/// other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub rate: f64,
    pub hop: Hop,
    pub other: Token,
}

/// The liquidity graph: every way from one token to another, by token, flat.
#[derive(Debug, Clone, Default)]
pub struct Hops {
    out: Ways,
    into: Ways,
}

/// Ways by token: those of token t are `ways[first[t]..first[t + 1]]`.
#[derive(Debug, Clone, Default)]
struct Ways {
    first: Vec<u32>,
    ways: Vec<Way>,
}

impl Ways {
    /// `all` by the token that each comes with.
    fn new(tokens: usize, all: &[(Token, Way)]) -> Self {
        let mut first = vec![0; tokens + 1];
        for (token, _) in all {
            first[*token as usize + 1] += 1;
        }
        for t in 0..tokens {
            first[t + 1] += first[t];
        }
        let mut next = first.clone();
        let mut ways = vec![Way { rate: 0.0, hop: Hop { market: 0, input: 0, output: 0 }, other: 0 }; all.len()];
        for (token, way) in all {
            ways[next[*token as usize] as usize] = *way;
            next[*token as usize] += 1;
        }
        Self { first, ways }
    }

    fn of(&self, token: Token) -> &[Way] {
        &self.ways[self.first[token as usize] as usize..self.first[token as usize + 1] as usize]
    }
}

impl Hops {
    /// All hops over all markets.
    pub fn new(markets: &Markets) -> Self {
        let (mut out, mut into) = (Vec::with_capacity(2 * markets.len()), Vec::with_capacity(2 * markets.len()));
        for market in 0..markets.len() as MarketId {
            let (coins, curve) = (markets.coins(market), markets.curve(market));
            for i in 0..coins.len() {
                for j in (0..coins.len()).filter(|&j| j != i) {
                    let (rate, hop) = (curve.rate(i, j), Hop { market, input: i as u8, output: j as u8 });
                    if rate > 0.0 {
                        out.push((coins[i], Way { rate, hop, other: coins[j] }));
                        into.push((coins[j], Way { rate, hop, other: coins[i] }));
                    }
                }
            }
        }
        Self { out: Ways::new(markets.tokens(), &out), into: Ways::new(markets.tokens(), &into) }
    }

    /// The hops out of a token.
    pub(crate) fn out_of(&self, token: Token) -> &[Way] {
        self.out.of(token)
    }

    /// The hops into a token.
    pub(crate) fn into(&self, token: Token) -> &[Way] {
        self.into.of(token)
    }
}

/// What a path pays at an amount.
#[derive(Debug, Clone, Default)]
pub struct Path {
    /// Its steps.
    pub hops: Vec<Hop>,
    /// What comes out, value units.
    pub output: f64,
    /// Gas of its steps.
    pub gas: f64,
}

/// Finds paths from one token to another, at many amounts.
///
/// A search labels tokens length by length with the best net amount that reaches them, as is usual; no token is visited twice. What
/// a label could still pay at the margins of the best ways that are left bounds it, and only those that may beat the best path
/// known go on: those bounds are found once, backwards from the target. Known from the beginning is what two paths pay: the best one at
/// the margin, and the one that was found last.
#[derive(Debug)]
pub struct Paths<'a> {
    markets: &'a Markets,
    hops: &'a Hops,
    from: Token,
    to: Token,
    /// By the number of hops left: the most that a unit of each token can become of the target.
    reach: Vec<Vec<f64>>,
    /// By length: the best label of each token, and which tokens have one.
    labels: Vec<Vec<Label>>,
    reached: Vec<Vec<Token>>,
    /// Length and net output of the best path so far.
    found: Option<(usize, f64)>,
    /// The best path at the margin, and the one that was found last.
    known: [Vec<Hop>; 2],
    /// Net output of the better of them.
    floor: f64,
}

#[derive(Debug, Clone, Copy)]
struct Label {
    amount: f64,
    /// The amount less the gas on the way; minus infinity where nothing arrived.
    net: f64,
    hop: Hop,
    previous: Token,
}

impl Label {
    const NONE: Self =
        Self { amount: 0.0, net: f64::NEG_INFINITY, hop: Hop { market: 0, input: 0, output: 0 }, previous: Token::MAX };
}

impl<'a> Paths<'a> {
    /// Prepares for paths of at most `most` hops. Costs a look at each hop for each but one of them.
    pub fn new(markets: &'a Markets, hops: &'a Hops, (from, to): (Token, Token), most: usize) -> Self {
        let mut reach = vec![vec![0.0; markets.tokens()]; most.max(1)];
        reach[0][to as usize] = 1.0;
        let mut changed = vec![to];
        for left in 1..reach.len() {
            let (known, rest) = reach.split_at_mut(left);
            let (known, next) = (&known[left - 1], &mut rest[0]);
            next.copy_from_slice(known);
            let mut grown = Vec::new();
            for &token in &changed {
                for way in hops.into.of(token) {
                    let value = way.rate * known[token as usize];
                    let best = &mut next[way.other as usize];
                    if value > *best {
                        if *best == known[way.other as usize] {
                            grown.push(way.other);
                        }
                        *best = value;
                    }
                }
            }
            changed = grown;
        }
        let labels = vec![vec![Label::NONE; markets.tokens()]; most + 1];
        let reached = vec![Vec::new(); most + 1];
        let mut this = Self { markets, hops, from, to, reach, labels, reached, found: None, known: [vec![], vec![]], floor: 0.0 };
        this.known[0] = this.at_the_margin();
        this
    }

    /// The path that pays most at the margin; empty where it would pass a token or a market twice.
    fn at_the_margin(&self) -> Vec<Hop> {
        let (mut path, mut passed): (Vec<Hop>, _) = (Vec::new(), vec![self.from]);
        for left in self.reach.iter().rev() {
            let at = passed[passed.len() - 1];
            let worth = |way: &Way| way.rate * left[way.other as usize];
            let ways = self.hops.out.of(at).iter().filter(|way| worth(way) > 0.0);
            let Some(best) = ways.max_by(|a, b| worth(a).total_cmp(&worth(b))) else { return Vec::new() };
            if passed.contains(&best.other) || path.iter().any(|hop| hop.market == best.hop.market) {
                return Vec::new();
            }
            path.push(best.hop);
            if best.other == self.to {
                return path;
            }
            passed.push(best.other);
        }
        Vec::new()
    }

    /// What a path pays for `amount`, and that less its gas.
    fn paid(&self, path: &[Hop], amount: f64, gas_value: f64, held: &impl Fn(Hop) -> Option<f64>) -> Option<(f64, f64)> {
        let (mut amount, mut spent) = (amount, 0.0);
        for hop in path {
            let input = held(*hop)?;
            let (curve, i, j) = (self.markets.curve(hop.market), hop.input as usize, hop.output as usize);
            if input + amount > curve.cap(i, j) {
                return None;
            }
            if input > 0.0 {
                amount = curve.output(i, j, input + amount) - curve.output(i, j, input);
            } else {
                amount = curve.output(i, j, amount);
                spent += self.markets.gas(hop.market) * gas_value;
            }
        }
        (!path.is_empty() && amount > spent).then_some((amount, amount - spent))
    }

    /// Whether any path leads to the target.
    pub fn lead(&self) -> bool {
        self.reach.last().is_some_and(|last| self.hops.out.of(self.from).iter().any(|way| last[way.other as usize] > 0.0))
    }

    /// The best path for `amount` by output less gas at `gas_value` a unit. `held` says what flows over a hop already, whose gas is
    /// paid for then; hops for which it is `None` are passed over.
    pub fn best(&mut self, amount: f64, gas_value: f64, held: impl Fn(Hop) -> Option<f64>) -> Option<Path> {
        self.begin(amount);
        let known = self.known.iter().filter_map(|path| Some((path, self.paid(path, amount, gas_value, &held)?)));
        let known = known.max_by(|(_, a), (_, b)| a.1.total_cmp(&b.1)).map(|(path, paid)| (path.clone(), paid));
        self.floor = known.as_ref().map_or(0.0, |(_, paid)| paid.1);
        let (hops, most) = (self.hops, self.labels.len() - 1);
        for length in 1..most {
            for at in 0..self.reached[length - 1].len() {
                let token = self.reached[length - 1][at];
                if length > 1 && !self.may_lead(length - 1, token) {
                    continue;
                }
                for way in hops.out.of(token) {
                    self.extend(length, token, (way, way.other), gas_value, &held);
                }
            }
        }
        // Now only what leads to the target is of use, and that is soon gone through from the other end.
        for way in hops.into.of(self.to) {
            self.extend(most, way.other, (way, self.to), gas_value, &held);
        }
        let (hops, output) = match (self.found, known) {
            (Some((length, net)), known) if known.as_ref().is_none_or(|(_, paid)| net > paid.1) => {
                let mut hops: Vec<Hop> = self.back(length, self.to).map(|label| label.hop).collect();
                hops.reverse();
                (hops, self.labels[length][self.to as usize].amount)
            }
            (_, known) => known.map(|(path, paid)| (path, paid.0))?,
        };
        self.known[1].clone_from(&hops);
        let gas = hops.iter().map(|hop| self.markets.gas(hop.market)).sum();
        Some(Path { hops, output, gas })
    }

    fn begin(&mut self, amount: f64) {
        for (level, reached) in self.labels.iter_mut().zip(&mut self.reached) {
            for token in reached.drain(..) {
                level[token as usize] = Label::NONE;
            }
            level[self.to as usize] = Label::NONE;
        }
        self.found = None;
        self.labels[0][self.from as usize] = Label { amount, net: amount, ..Label::NONE };
        self.reached[0].push(self.from);
    }

    /// Whether the best of all that lies ahead of a token, reached after so many hops, would do.
    fn may_lead(&self, length: usize, token: Token) -> bool {
        let Label { amount, net, .. } = self.labels[length][token as usize];
        amount * self.reach[self.labels.len() - 1 - length][token as usize] - (amount - net) > self.to_beat()
    }

    /// Net output that a path has to beat.
    fn to_beat(&self) -> f64 {
        self.found.map_or(self.floor, |found| found.1.max(self.floor))
    }

    /// Goes on from `token` to `next`, if that may lead to the best path.
    #[inline]
    fn extend(
        &mut self,
        length: usize,
        token: Token,
        (way, next): (&Way, Token),
        gas_value: f64,
        held: &impl Fn(Hop) -> Option<f64>,
    ) {
        let Label { amount, net, .. } = self.labels[length - 1][token as usize];
        let (margin, spent) = (amount * way.rate, amount - net);
        let known = self.labels[length][next as usize].net;
        // The most that can come of it: here, and at the target.
        let could = margin * self.reach[self.labels.len() - 1 - length][next as usize] - spent;
        if !(margin - spent > known && could > self.to_beat()) {
            return;
        }
        let Some(input) = held(way.hop) else { return };
        let curve = self.markets.curve(way.hop.market);
        let (i, j) = (way.hop.input as usize, way.hop.output as usize);
        if input + amount > curve.cap(i, j) || self.passed(length - 1, token, way.hop.market, next) {
            return;
        }
        let (output, gas) = if input > 0.0 {
            (curve.output(i, j, input + amount) - curve.output(i, j, input), 0.0)
        } else {
            (curve.output(i, j, amount), self.markets.gas(way.hop.market) * gas_value)
        };
        let value = output - spent - gas;
        if output > 0.0 && value > known {
            self.labels[length][next as usize] = Label { amount: output, net: value, hop: way.hop, previous: token };
            if next != self.to {
                if known == f64::NEG_INFINITY {
                    self.reached[length].push(next);
                }
            } else if self.found.is_none_or(|found| value > found.1) {
                self.found = Some((length, value));
            }
        }
    }

    /// The labels on the way back from `token`, reached after `length` hops.
    fn back(&self, length: usize, mut token: Token) -> impl Iterator<Item = Label> {
        self.labels[1..=length].iter().rev().map(move |level| {
            let label = level[token as usize];
            token = label.previous;
            label
        })
    }

    /// Whether the way to `token` uses this market or comes through `next`.
    fn passed(&self, length: usize, token: Token, market: MarketId, next: Token) -> bool {
        token == next || self.back(length, token).any(|label| label.hop.market == market || label.previous == next)
    }
}
