//! What an atom of each token is worth: reference prices where the driver gave them, else the graph's.
//!
//! A token without a reference price takes the price of the deepest pool that leads to it, depth being measured on the side that
//! is priced already: what is not priced cannot vouch for itself. Tokens are reached in the order of that depth, as in Prim's
//! algorithm for a maximum spanning tree. However deep, a pool that no other agrees with gives way to two that agree.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use ballast_adapters::Quote;
use ballast_routing::Token;
use ballast_routing::curve::PerCoin;

use crate::auction::{Auction, Pool};

/// Wei in a value unit: a thousandth of the native token.
pub const WEI_PER_UNIT: f64 = 1e15;

/// Value units of an atom of each token; zero where nothing leads to a price.
#[derive(Debug, Clone)]
pub struct Units {
    units: Vec<f64>,
}

/// A pool with its quotes, by its index in the auction.
pub(crate) struct Quoted<'a> {
    pub pool: &'a Pool,
    pub quotes: PerCoin<Quote>,
}

struct Offer {
    depth: f64,
    token: Token,
    unit: f64,
}

impl PartialEq for Offer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Offer {}

impl PartialOrd for Offer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Offer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.depth.total_cmp(&other.depth).then(other.token.cmp(&self.token)).then(self.unit.total_cmp(&other.unit))
    }
}

impl Units {
    /// Prices every token that can be priced.
    ///
    /// Pools agree whose prices are within a factor of `tolerance`.
    pub(crate) fn new(auction: &Auction, pools: &[Quoted], tolerance: f64) -> Self {
        let n = auction.tokens.len();
        let mut this = Self { units: vec![0.0; n] };
        let mut touching = vec![Vec::new(); n];
        for (p, quoted) in pools.iter().enumerate() {
            for &token in &quoted.pool.coins {
                touching[token as usize].push(p);
            }
        }
        let mut heap: BinaryHeap<Offer> = BinaryHeap::new();
        for (t, token) in auction.tokens.iter().enumerate() {
            if let Some(price) = token.reference_price {
                let unit = f64::from(price) * 1e-18 / WEI_PER_UNIT;
                heap.push(Offer { depth: f64::INFINITY, token: t as Token, unit });
            }
        }
        // After the reference prices, of which the driver may have one for this token as well.
        heap.extend(auction.anchor.map(|(token, unit)| Offer { depth: f64::MAX, token, unit }));
        while let Some(offer) = heap.pop() {
            let t = offer.token as usize;
            if this.units[t] > 0.0 {
                continue;
            }
            this.units[t] = if offer.depth.is_finite() {
                let mut offers: Vec<_> = touching[t].iter().filter_map(|&p| this.offer(&pools[p], offer.token)).collect();
                agreed(&mut offers, tolerance).unwrap_or(offer.unit)
            } else {
                offer.unit
            };
            for &p in &touching[t] {
                let Quoted { pool, quotes } = &pools[p];
                let Some(here) = pool.coin(offer.token).and_then(|k| quotes.get(k)) else { continue };
                // No path vouches for more than its weakest pool.
                let depth = (here.depth * this.units[t]).min(offer.depth);
                for (&token, there) in pool.coins.iter().zip(quotes) {
                    let unit = there.worth / here.worth * this.units[t];
                    if this.units[token as usize] <= 0.0 && depth > 0.0 && unit.is_finite() && unit > 0.0 {
                        heap.push(Offer { depth, token, unit });
                    }
                }
            }
        }
        this
    }

    /// What a pool says of a token by the deepest of its coins that are priced: depth, and value units of an atom.
    fn offer(&self, Quoted { pool, quotes }: &Quoted, token: Token) -> Option<(f64, f64)> {
        let there = pool.coin(token).and_then(|k| quotes.get(k))?;
        let priced = pool.coins.iter().zip(quotes).filter_map(|(&coin, here)| {
            let unit = self.get(coin).filter(|_| coin != token)?;
            Some((here.depth * unit, there.worth / here.worth * unit))
        });
        priced.filter(|(depth, unit)| *depth > 0.0 && *unit > 0.0 && unit.is_finite()).max_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// Value units of an atom, if there is a price.
    pub fn get(&self, token: Token) -> Option<f64> {
        self.units.get(token as usize).copied().filter(|unit| *unit > 0.0)
    }
}

/// The price of the deepest offer that another agrees with; of the deepest of all where none is agreed with.
fn agreed(offers: &mut [(f64, f64)], tolerance: f64) -> Option<f64> {
    offers.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
    let agree = |a: f64, b: f64| a <= b * tolerance && b <= a * tolerance;
    let seconded = (0..offers.len()).find(|&k| (0..offers.len()).any(|j| j != k && agree(offers[k].1, offers[j].1)));
    seconded.or((!offers.is_empty()).then_some(0)).map(|k| offers[k].1)
}

#[cfg(test)]
mod tests {
    use super::agreed;

    #[test]
    fn two_that_agree_outvote_a_deeper_one() {
        assert_eq!(agreed(&mut [(10.0, 1.0), (1e6, 50.0), (8.0, 1.1)], 2.0), Some(1.0));
        assert_eq!(agreed(&mut [(10.0, 1.0), (1e6, 1.5), (8.0, 1.1)], 2.0), Some(1.5));
        assert_eq!(agreed(&mut [(10.0, 1.0), (20.0, 9.0)], 2.0), Some(9.0));
        assert_eq!(agreed(&mut [], 2.0), None);
    }
}
