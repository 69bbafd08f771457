//! A problem on a part of the markets, with tokens numbered anew, and its [dual function](evaluate).

mod evaluate;

use std::borrow::Cow;

use arrayvec::ArrayVec;

use crate::curve::Curve;
use crate::market::{Block, MarketId, Markets, Pair, Token};
use crate::path::Hop;
use crate::problem::{Bundle, Limit, Problem};

pub(crate) use evaluate::{Evaluation, Smoothing, profit};

/// Prices do not fall below this.
pub(crate) const FLOOR: f64 = 1e-7;

/// A problem on a part of the markets.
#[derive(Debug, Clone)]
pub(crate) struct View<'m> {
    pub markets: &'m Markets,
    /// The tokens' global indices.
    pub tokens: Cow<'m, [Token]>,
    pub pairs: Cow<'m, [Pair]>,
    pub blocks: Cow<'m, [Block]>,
    pub limits: Vec<Limit>,
    pub bundles: Vec<Bundle>,
    pub endowment: Vec<f64>,
    /// Least price of each token: its weight.
    pub floor: Vec<f64>,
    /// Tokens whose price is their weight and whose leftover may be negative.
    pub free: Vec<bool>,
    pub weight: Vec<f64>,
    /// Units that the problem moves: what amounts are small or large against.
    scale: f64,
}

impl<'m> View<'m> {
    /// The problem on all markets.
    pub fn whole(markets: &'m Markets, identity: &'m [Token], problem: &Problem) -> Self {
        debug_assert_eq!(identity.len(), markets.tokens());
        let (pairs, blocks) = (Cow::Borrowed(&markets.pairs[..]), Cow::Borrowed(&markets.blocks[..]));
        let mut view = Self::empty(markets, Cow::Borrowed(identity), pairs, blocks);
        view.fill(problem, 0.0, Some);
        view
    }

    /// The markets without a problem.
    fn empty(markets: &'m Markets, tokens: Cow<'m, [Token]>, pairs: Cow<'m, [Pair]>, blocks: Cow<'m, [Block]>) -> Self {
        Self {
            markets,
            tokens,
            pairs,
            blocks,
            limits: Vec::new(),
            bundles: Vec::new(),
            endowment: Vec::new(),
            floor: Vec::new(),
            free: Vec::new(),
            weight: Vec::new(),
            scale: 1.0,
        }
    }

    /// The problem on the markets `kept`, each with the coins that it may trade, `gas` of theirs paid for.
    pub fn part(markets: &'m Markets, problem: &Problem, kept: &[Kept], gas: f64, scratch: &mut Renumber) -> Self {
        scratch.begin(markets.tokens());
        for &(token, _) in &problem.endowment {
            scratch.add(token);
        }
        for wanted in &problem.wanted {
            scratch.add(wanted.token);
        }
        for limit in &problem.limits {
            scratch.add(limit.take);
            scratch.add(limit.give);
        }
        for &(token, _) in problem.bundles.iter().flat_map(|b| &b.moves) {
            scratch.add(token);
        }
        scratch.add(problem.gas.token);
        let (mut pairs, mut blocks) = (Vec::with_capacity(kept.len()), Vec::new());
        for keep in kept {
            let coins = markets.coins(keep.market);
            let allowed: ArrayVec<usize, 8> = (0..coins.len()).filter(|k| keep.coins & (1 << k) != 0).collect();
            let curve = markets.curve(keep.market);
            if let [i, j] = allowed[..] {
                pairs.push(Pair {
                    tokens: [scratch.add(coins[i]), scratch.add(coins[j])],
                    market: keep.market,
                    coins: [i as u8, j as u8],
                    rates: [curve.rate(i, j), curve.rate(j, i)],
                });
            } else if allowed.len() > 2 {
                let gamma = (curve.rate(0, 1) * curve.rate(1, 0)).sqrt();
                blocks.push(Block {
                    // Coins that may not trade still need a number: any will do, none is touched.
                    tokens: coins
                        .iter()
                        .enumerate()
                        .map(|(k, &t)| if keep.coins & (1 << k) != 0 { scratch.add(t) } else { 0 })
                        .collect(),
                    market: keep.market,
                    allowed: keep.coins,
                    levels: (0..coins.len()).map(|k| if k == 0 { 1.0 } else { curve.rate(k, 0) / gamma }).collect(),
                    gamma,
                });
            }
        }
        let mut view = Self::empty(markets, Cow::Owned(scratch.tokens.clone()), Cow::Owned(pairs), Cow::Owned(blocks));
        view.fill(problem, gas, |t| scratch.of(t));
        view
    }

    fn fill(&mut self, problem: &Problem, gas: f64, of: impl Fn(Token) -> Option<Token>) {
        let n = self.tokens.len();
        self.limits.clone_from(&problem.limits);
        self.bundles.clone_from(&problem.bundles);
        self.endowment = vec![0.0; n];
        self.floor = vec![FLOOR; n];
        self.free = vec![false; n];
        self.weight = vec![0.0; n];
        for &(token, amount) in &problem.endowment {
            if let Some(t) = of(token) {
                self.endowment[t as usize] += amount;
            }
        }
        if let Some(t) = of(problem.gas.token) {
            self.endowment[t as usize] -= (problem.gas.fixed + gas) * problem.gas.price;
        }
        for wanted in &problem.wanted {
            if let Some(t) = of(wanted.token) {
                self.floor[t as usize] = wanted.weight.max(FLOOR);
                self.weight[t as usize] = wanted.weight;
                self.free[t as usize] = wanted.free;
            }
        }
        let mut scale: f64 = self.endowment.iter().map(|e| e.abs()).sum();
        for limit in &mut self.limits {
            limit.take = of(limit.take).unwrap_or_default();
            limit.give = of(limit.give).unwrap_or_default();
            scale += limit.cap * limit.rate;
        }
        for (token, _) in self.bundles.iter_mut().flat_map(|b| &mut b.moves) {
            *token = of(*token).unwrap_or_default();
        }
        for pair in self.pairs.iter().filter(|p| problem.served.contains(&p.market)) {
            let curve = self.markets.curve(pair.market);
            scale += curve.output(0, 1, curve.cap(0, 1));
        }
        self.scale = scale.max(1.0);
    }

    /// Takes ways out: a pair's in that direction, a larger market as a whole.
    pub fn bar(&mut self, barred: &[Hop]) {
        if barred.is_empty() {
            return;
        }
        for pair in self.pairs.to_mut() {
            for hop in barred.iter().filter(|hop| hop.market == pair.market) {
                let [a, b] = pair.coins;
                if (hop.input, hop.output) == (a, b) {
                    pair.rates[0] = 0.0;
                } else if (hop.input, hop.output) == (b, a) {
                    pair.rates[1] = 0.0;
                }
            }
        }
        self.blocks.to_mut().retain(|block| barred.iter().all(|hop| hop.market != block.market));
    }

    /// The same on those of its markets that are to be kept, by market and tokens as they are numbered here.
    pub fn filtered(&self, keep: impl Fn(MarketId, &[Token]) -> bool) -> Self {
        let pairs = self.pairs.iter().filter(|pair| keep(pair.market, &pair.tokens)).copied().collect();
        let blocks = self.blocks.iter().filter(|block| keep(block.market, &block.tokens)).cloned().collect();
        Self {
            markets: self.markets,
            tokens: self.tokens.clone(),
            pairs: Cow::Owned(pairs),
            blocks: Cow::Owned(blocks),
            limits: self.limits.clone(),
            bundles: self.bundles.clone(),
            endowment: self.endowment.clone(),
            floor: self.floor.clone(),
            free: self.free.clone(),
            weight: self.weight.clone(),
            scale: self.scale,
        }
    }

    /// Holds a token's price, whatever is left over of it.
    pub fn hold(&mut self, token: usize, price: f64) {
        (self.free[token], self.floor[token]) = (true, price);
    }

    /// Moves prices to where they may be.
    pub fn admit(&self, nu: &mut [f64]) {
        for t in 0..nu.len() {
            nu[t] = if self.free[t] { self.floor[t] } else { nu[t].max(self.floor[t]) };
        }
    }

    /// How much work an evaluation is.
    pub fn size(&self) -> u64 {
        self.pairs.len() as u64 + 8 * self.blocks.len() as u64 + 8
    }

    /// The number of a token in this view.
    pub fn local(&self, token: Token) -> Option<Token> {
        self.tokens.iter().position(|&t| t == token).map(|t| t as Token)
    }

    /// Whether anything trades at one rate until it is used up.
    pub fn has_corners(&self) -> bool {
        !self.limits.is_empty() || !self.bundles.is_empty() || self.pairs.iter().any(|p| self.is_offer(p))
    }

    /// Units that the problem moves: what amounts are small or large against.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Whether a pair trades at one rate until it is used up.
    pub fn is_offer(&self, pair: &Pair) -> bool {
        matches!(self.markets.curve(pair.market), Curve::Linear(_))
    }
}

/// A market that is kept, with the coins it may trade as a bit mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kept {
    pub market: MarketId,
    pub coins: u8,
}

/// Gas of the swaps that the markets kept can need: one less than their coins each.
pub(crate) fn gas(markets: &Markets, kept: &[Kept]) -> f64 {
    kept.iter().map(|k| markets.gas(k.market) * f64::from(k.coins.count_ones().saturating_sub(1))).sum()
}

/// Gives tokens new numbers, densely, as they come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Renumber {
    number: Vec<Token>,
    tokens: Vec<Token>,
}

impl Renumber {
    fn begin(&mut self, tokens: usize) {
        for &t in &self.tokens {
            self.number[t as usize] = Token::MAX;
        }
        self.tokens.clear();
        self.number.resize(tokens, Token::MAX);
    }

    fn add(&mut self, token: Token) -> Token {
        let number = &mut self.number[token as usize];
        if *number == Token::MAX {
            *number = self.tokens.len() as Token;
            self.tokens.push(token);
        }
        *number
    }

    fn of(&self, token: Token) -> Option<Token> {
        self.number.get(token as usize).copied().filter(|&n| n != Token::MAX)
    }
}
