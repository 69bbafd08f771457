//! The bound once more, nearer: some tokens by themselves.
//!
//! At given prices a bound counts each market and order as if nobody else were there: deep markets for as small a part of their gas as there is
//! to trade, and whole orders for a part. What trades one token can be looked at together. Of those that are undecided each subset is tried: all
//! in it are there, pay all their gas, and are filled whole where they have to be; others are not. At any price of the token what they earn so
//! bounds what they can earn when nothing of it is missing, and the least of that over prices for the best subset bounds them all. So much
//! less is the bound.
//!
//! Tokens between which no market trades are looked at side by side. Of an order between two of them one half of what it earns and of its gas
//! counts at each: it is there twice, and that both are filled alike is not asked for.
//!
//! Source: Lagrangian decomposition, Guignard and Kim, "Lagrangean decomposition: a model yielding stronger Lagrangean bounds" (1987).

use arrayvec::ArrayVec;

use super::swaps::added;
use super::{Batch, Order};
use crate::curve::Response;
use crate::market::{Block, Token};
use crate::view::{View, profit};

/// Tokens that more markets trade are left as they are.
const MOST_MARKETS: usize = 40;
/// How many of those that trade a token are undecided: those that earn about their gas.
const UNDECIDED: usize = 6;
/// How far a token's price is looked for, up and down, and in how many steps.
const FAR: f64 = 4.0;
const STEPS: usize = 24;
/// The golden section.
const SECTION: f64 = 0.618_033_988_749_894_9;

/// What trades a token.
enum Kind {
    /// A pair of the view, and the price of its other token.
    Pair { index: usize, is_first: bool, other: f64 },
    /// A larger market, in which the token is this coin, and what it earns beyond the gas of its swaps where others stay as they are.
    Block { index: usize, coin: usize, alone: f64 },
    /// An order that brings so much of the token (less than none: takes), and earns so much besides.
    Order { brings: f64, besides: f64, is_whole: bool },
}

struct Trader {
    kind: Kind,
    /// What it pays for gas.
    gas: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Out,
    In,
    Undecided,
}

/// All that trade a token, where other prices stay.
struct Around<'v, 'm> {
    view: &'v View<'m>,
    prices: &'v [f64],
    price: f64,
    floor: f64,
    traders: Vec<Trader>,
}

impl Around<'_, '_> {
    /// What one earns at a price of the token before gas; orders as a whole.
    fn earned(&self, kind: &Kind, price: f64) -> f64 {
        match *kind {
            Kind::Pair { index, is_first, other } => {
                let pair = &self.view.pairs[index];
                let [a, b] = if is_first { [price, other] } else { [other, price] };
                let (prices, [i, j]) = if b * pair.rates[0] > a {
                    ([a, b], [0, 1])
                } else if a * pair.rates[1] > b {
                    ([b, a], [1, 0])
                } else {
                    return 0.0;
                };
                profit(self.view.markets.curve(pair.market), [i, j].map(|k: usize| pair.coins[k] as usize), prices)
            }
            Kind::Block { index, coin, .. } => {
                let block = &self.view.blocks[index];
                let at = |(k, &t): (usize, &Token)| if k == coin { price } else { self.prices[t as usize] };
                let prices: ArrayVec<f64, 8> = block.tokens.iter().enumerate().map(at).collect();
                let mut response = Response::default();
                self.view.markets.curve(block.market).respond(&prices, block.allowed, &mut response);
                response.value(&prices).max(0.0)
            }
            Kind::Order { brings, besides, .. } => brings * price + besides,
        }
    }

    /// What one adds to what all earn at a price of the token.
    fn left(&self, Trader { kind, gas }: &Trader, state: State, price: f64) -> f64 {
        if state == State::Out {
            return 0.0;
        }
        let earned = self.earned(kind, price);
        match kind {
            _ if state == State::Undecided => (earned - gas).max(0.0),
            Kind::Order { is_whole: true, .. } => earned - gas,
            _ => earned.max(0.0) - gas,
        }
    }

    /// What all earn at a price of the token.
    fn value(&self, states: &[State], price: f64) -> f64 {
        self.traders.iter().zip(states).map(|(trader, state)| self.left(trader, *state, price)).sum()
    }

    /// The least of that, and the price that it was found at. It is convex, and a bound at any price.
    fn least(&self, states: &[State]) -> (f64, f64) {
        let [mut low, mut high] = [self.price / FAR, self.price * FAR].map(|price| price.max(self.floor).ln());
        let at = |x: f64| (self.value(states, x.exp()), x.exp());
        let mut found = (self.value(states, self.price), self.price);
        let section = |low: f64, high: f64| [high - SECTION * (high - low), low + SECTION * (high - low)];
        let [mut left, mut right] = section(low, high).map(at);
        for _ in 0..STEPS {
            if left.0 < right.0 {
                (high, right) = (right.1.ln(), left);
                left = at(section(low, high)[0]);
            } else {
                (low, left) = (left.1.ln(), right);
                right = at(section(low, high)[1]);
            }
            found = [found, left, right].into_iter().fold(found, |best, other| if other.0 < best.0 { other } else { best });
        }
        found
    }

    /// By how much less they earn than each by itself would.
    fn saved(mut self) -> f64 {
        let mut states = vec![State::Undecided; self.traders.len()];
        let alone = |trader: &Trader| match trader.kind {
            Kind::Block { alone, .. } => alone,
            _ => self.left(trader, State::Undecided, self.price),
        };
        let each: f64 = self.traders.iter().map(alone).sum();
        if each <= 0.0 {
            return 0.0;
        }
        self.price = self.least(&states).1;
        let off =
            |trader: &Trader| (self.earned(&trader.kind, self.price) - trader.gas).abs() / trader.gas.max(f64::MIN_POSITIVE);
        let mut near: Vec<(f64, usize)> = self.traders.iter().map(off).zip(0..).collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        near.truncate(UNDECIDED);
        let near: Vec<usize> = near.into_iter().map(|near| near.1).collect();
        near.iter().for_each(|&k| states[k] = State::Out);
        let others = self.value(&states, self.price);
        let adds: ArrayVec<f64, UNDECIDED> = near.iter().map(|&k| self.left(&self.traders[k], State::In, self.price)).collect();
        let is_in = |subset: usize, bit: usize| subset >> bit & 1 == 1;
        let at_most =
            |subset: usize| others + adds.iter().enumerate().filter(|(bit, _)| is_in(subset, *bit)).map(|add| add.1).sum::<f64>();
        let mut subsets: Vec<(f64, usize)> = (0..1 << near.len()).map(|subset| (at_most(subset), subset)).collect();
        subsets.sort_by(|a, b| b.0.total_cmp(&a.0));
        // Where nothing is traded, nothing is earned.
        let mut most = 0.0_f64;
        for (at_most, subset) in subsets {
            if at_most <= most {
                break;
            }
            near.iter().enumerate().for_each(|(bit, &k)| states[k] = if is_in(subset, bit) { State::In } else { State::Out });
            most = most.max(self.least(&states).0);
        }
        (each - most).max(0.0)
    }
}

/// What is saved by looking at some tokens by themselves.
pub(super) struct Saved {
    /// By how much the bound is less.
    pub value: f64,
    /// Whether a token is one of them.
    pub tokens: Vec<bool>,
}

impl Batch {
    /// By how much the bound at some prices is less where tokens are looked at by themselves; a unit of gas costs so much. Of each order such a
    /// share counts.
    pub(super) fn saved_by_tokens(&self, whole: &View, prices: &[f64], gas_value: f64, shares: &[f64]) -> Saved {
        let tokens = whole.tokens.len();
        // By token: pairs that are pools, larger markets with the coin that it is, orders.
        let mut pairs: Vec<Vec<usize>> = vec![Vec::new(); tokens];
        let mut blocks: Vec<Vec<(usize, usize)>> = vec![Vec::new(); tokens];
        let mut orders: Vec<Vec<usize>> = vec![Vec::new(); tokens];
        for (index, pair) in whole.pairs.iter().enumerate() {
            for t in pair.tokens {
                match pair.market.checked_sub(self.first) {
                    Some(order) => orders[t as usize].push(order as usize),
                    None => pairs[t as usize].push(index),
                }
            }
        }
        for (index, block) in whole.blocks.iter().enumerate() {
            block.tokens.iter().enumerate().for_each(|(coin, &t)| blocks[t as usize].push((index, coin)));
        }
        let alone = |block: &Block| {
            let gas = whole.markets.gas(block.market) * gas_value;
            added(whole, block, prices, gas).into_iter().map(|more| more - gas).sum::<f64>()
        };
        let alone: Vec<f64> = whole.blocks.iter().map(alone).collect();
        let is_open = |t: usize| !whole.free[t] && whole.endowment[t] == 0.0 && pairs[t].len() + blocks[t].len() <= MOST_MARKETS;
        // Of an order such a part counts at what it sells, and the rest at what it buys.
        let saved = |t: usize, parts: &[f64]| {
            let gas = |market| whole.markets.gas(market) * gas_value;
            let of_pairs = pairs[t].iter().map(|&index| {
                let pair = &whole.pairs[index];
                let is_first = pair.tokens[0] as usize == t;
                let other = prices[pair.tokens[usize::from(is_first)] as usize];
                Trader { kind: Kind::Pair { index, is_first, other }, gas: gas(pair.market) }
            });
            let of_blocks = blocks[t].iter().map(|&(index, coin)| Trader {
                kind: Kind::Block { index, coin, alone: alone[index] },
                gas: gas(whole.blocks[index].market),
            });
            let of_orders = orders[t].iter().map(|&k| {
                let order = &self.orders[k];
                let [sold, bought] = [(order.sell, order.sell_amount), (order.buy, order.buy_amount)]
                    .map(|(t, amount)| prices[t as usize] * amount);
                let is_sold = order.sell as usize == t;
                let part = shares[k] * if is_sold { parts[k] } else { 1.0 - parts[k] };
                let (brings, besides) = if is_sold { (order.sell_amount, -bought) } else { (-order.buy_amount, sold) };
                let besides = besides - (1.0 - part) * (sold - bought);
                Trader { kind: Kind::Order { brings, besides, is_whole: order.is_whole() }, gas: order.gas * gas_value * part }
            });
            let traders = of_pairs.chain(of_blocks).chain(of_orders).collect();
            Around { view: whole, prices, price: prices[t], floor: whole.floor[t].max(f64::MIN_POSITIVE), traders }.saved()
        };
        let parts_at = |is_looked_at: &dyn Fn(usize) -> bool| -> Vec<f64> {
            let part = |order: &Order| match [order.sell, order.buy].map(|t| is_looked_at(t as usize)) {
                [true, false] => 1.0,
                [false, true] => 0.0,
                _ => 0.5,
            };
            self.orders.iter().map(part).collect()
        };
        let parts = parts_at(&is_open);
        let mut saving: Vec<(f64, usize)> = (0..tokens).filter(|&t| is_open(t)).map(|t| (saved(t, &parts), t)).collect();
        saving.retain(|saving| saving.0 > 0.0);
        saving.sort_by(|a, b| b.0.total_cmp(&a.0));
        // Those that save most come first.
        let mut looked_at = vec![false; tokens];
        for &(_, t) in &saving {
            let beside = |others: &[Token]| others.iter().any(|&other| looked_at[other as usize]);
            let is_beside = pairs[t].iter().any(|&index| beside(&whole.pairs[index].tokens))
                || blocks[t].iter().any(|&(index, _)| beside(&whole.blocks[index].tokens));
            looked_at[t] = !is_beside;
        }
        let parts = parts_at(&|t| looked_at[t]);
        let value = (0..tokens).filter(|&t| looked_at[t]).map(|t| saved(t, &parts)).sum();
        Saved { value, tokens: looked_at }
    }
}
