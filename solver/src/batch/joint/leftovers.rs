//! What is left over of tokens is surplus: what that is worth, and how much of it one price a token could hand out.
//!
//! A choice pays each order what it asks for; what is left over then goes to those who are paid in it, by a better price. But a better
//! price for one is a worse one for those who trade the other way, and they have limits as well. Between any two tokens that orders
//! hang together by, those limits leave a band of prices, and nobody can have more than its end pays: where orders of two sides only
//! meet each other, next to nothing. A choice that counted on more would save on the pools that those orders need.

use ballast_routing::{Exact, Leftover, Order as Leg, Token};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::Attempt;
use super::orders::Member;
use crate::batch::compile::value;

/// How much of what orders gain at the reference prices one price a token may leave them with.
const EASY: f64 = 2.0;
/// And besides, as a part of what they sell.
const BESIDES: f64 = 0.01;

/// What is left over of each token can be worth: surplus is paid in what is bought, or in what a buyer has left of what he sells. One price
/// a token gives all that are paid in it as much: so it is worth that as far as they are left with it at prices like today's.
pub(super) fn leftovers(members: &[Member]) -> Vec<Leftover> {
    let each = members.iter().map(|m| m.leg).filter(|leg| leg.is_scored).map(|leg| {
        let most = EASY * (leg.sell_amount - leg.buy_amount).max(0.0) + BESIDES * leg.sell_amount;
        match leg.exact {
            Exact::Sold => Leftover { token: leg.buy, weight: 1.0, most },
            Exact::Bought => Leftover { token: leg.sell, weight: leg.buy_amount / leg.sell_amount, most },
        }
    });
    let mut all: Vec<Leftover> = each.collect();
    all.sort_by_key(|l| l.token);
    all.dedup_by(|other, first| {
        let same = other.token == first.token;
        if same {
            first.weight = first.weight.max(other.weight);
            first.most += other.most;
        }
        same
    });
    all
}

impl Attempt<'_> {
    /// How many units of what is left over of each token could go to those who are paid in it, where those orders are filled that `prices` pay
    /// their limits.
    pub(super) fn shares(&self, prices: &[f64]) -> FxHashMap<Token, f64> {
        let price = |token: Token| prices.get(token as usize).copied().unwrap_or(1.0);
        let fills = |m: &&Member| price(m.leg.sell) * m.leg.sell_amount > price(m.leg.buy) * m.leg.buy_amount;
        let present: Vec<&Member> = self.members.iter().filter(fills).collect();
        let asks: Vec<f64> = present.par_iter().map(|member| self.asks(member)).collect();
        let band = Band::new(present.iter().zip(&asks).map(|(member, &ask)| (member.leg, ask)));
        let mut shares: FxHashMap<Token, f64> = FxHashMap::default();
        for Member { leg, .. } in present {
            let most = band.most(leg.sell, leg.buy);
            let (token, share) = match leg.exact {
                Exact::Sold => (leg.buy, most * leg.sell_amount - leg.buy_amount),
                Exact::Bought => (leg.sell, leg.sell_amount - leg.buy_amount / most),
            };
            *shares.entry(token).or_default() += share.clamp(0.0, leg.sell_amount);
        }
        shares
    }

    /// Units bought that an order asks for each unit sold: its limit, or what the best single path pays.
    fn asks(&self, member: &Member) -> f64 {
        let Leg { sell, buy, sell_amount, buy_amount, .. } = member.leg;
        let limit = buy_amount / sell_amount;
        if !self.auction.claims(member.index) {
            return limit;
        }
        if self.reference.most([sell, buy], sell_amount, buy_amount) <= buy_amount {
            return limit;
        }
        let paid = member.order(self.auction).sell_amount;
        let path = self.reference.alone([sell, buy], paid, 1);
        let path = path.and_then(|got| value(self.liquidity, buy, got));
        path.map_or(limit, |got| limit.max(got / sell_amount))
    }
}

/// The prices between tokens at which all of some orders are paid what they ask for.
struct Band {
    tokens: Vec<Token>,
    /// The least that the logarithm of a token's price is above that of another, row by row.
    least: Vec<f64>,
}

impl Band {
    /// Of orders, each with the units that it asks for each unit sold.
    fn new(asks: impl Iterator<Item = (Leg, f64)> + Clone) -> Self {
        let mut tokens: Vec<Token> = asks.clone().flat_map(|(leg, _)| [leg.sell, leg.buy]).collect();
        tokens.sort_unstable();
        tokens.dedup();
        let n = tokens.len();
        let mut band = Self { tokens, least: vec![f64::NEG_INFINITY; n * n] };
        for (leg, ask) in asks {
            if let Some(at) = band.at(leg.sell, leg.buy) {
                band.least[at] = band.least[at].max(ask.ln());
            }
        }
        // By way of others too: longest paths between all, as Floyd and Warshall find them. Those of libraries give up where orders of a ring
        // ask for more than there is, which they may.
        for via in 0..n {
            for from in (0..n).filter(|&from| from != via) {
                let first = band.least[from * n + via];
                if first == f64::NEG_INFINITY {
                    continue;
                }
                for to in (0..n).filter(|&to| to != from) {
                    let through = first + band.least[via * n + to];
                    band.least[from * n + to] = band.least[from * n + to].max(through);
                }
            }
        }
        band
    }

    fn at(&self, from: Token, to: Token) -> Option<usize> {
        Some(self.tokens.binary_search(&from).ok()? * self.tokens.len() + self.tokens.binary_search(&to).ok()?)
    }

    /// The most units of `buy` that one of `sell` may be worth; infinite where nobody minds.
    fn most(&self, sell: Token, buy: Token) -> f64 {
        self.at(buy, sell).map_or(f64::INFINITY, |at| (-self.least[at]).exp())
    }
}

#[cfg(test)]
mod tests {
    use ballast_routing::Extent;

    use super::*;

    fn leg(sell: Token, buy: Token) -> Leg {
        let (exact, extent) = (Exact::Sold, Extent::Part);
        Leg { sell, buy, sell_amount: 1.0, buy_amount: 1.0, exact, is_scored: true, extent, gas: 0.0 }
    }

    #[test]
    fn who_trades_the_other_way_bounds_a_price() {
        let band = Band::new([(leg(0, 1), 0.98), (leg(1, 0), 0.97)].into_iter());
        assert!((band.most(0, 1) - 1.0 / 0.97).abs() < 1e-12);
        assert!((band.most(1, 0) - 1.0 / 0.98).abs() < 1e-12);
    }

    #[test]
    fn so_do_those_of_a_ring() {
        let band = Band::new([(leg(0, 1), 0.9), (leg(1, 2), 0.8), (leg(2, 0), 1.2)].into_iter());
        assert!((band.most(0, 1) - 1.0 / (0.8 * 1.2)).abs() < 1e-12);
    }

    #[test]
    fn a_price_that_nobody_minds_has_no_bound() {
        let band = Band::new([(leg(0, 1), 0.9), (leg(2, 1), 0.9)].into_iter());
        assert_eq!(band.most(0, 1), f64::INFINITY);
        assert_eq!(band.most(0, 7), f64::INFINITY);
    }
}
