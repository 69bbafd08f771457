//! Clearing prices in integers: every trade is paid to the wei, and nothing is paid that is not there.

use alloy_primitives::U256;
use ballast_routing::Token;
use rustc_hash::FxHashMap;

use crate::batch::execute::from_f64;
use crate::wide::{mul_div, mul_div_up};

/// The least price in integers: what rounding it costs is below what a double holds.
const LEAST: f64 = 1e16;
/// Times that prices are moved until what is paid is there.
const SHAVES: u64 = 400;

/// Integer prices of an atom of each token.
pub(super) type Prices = FxHashMap<Token, U256>;

/// One order's part; atoms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub sell: Token,
    pub buy: Token,
    /// What is exact: sold without the fee, or bought.
    pub executed: U256,
    pub exact_sold: bool,
}

impl Part {
    /// What is sold without the fee and what is bought at these prices, as the settlement contract computes it.
    pub fn amounts(&self, price: impl Fn(Token) -> Option<U256>) -> Option<[U256; 2]> {
        let (sell, buy) = (price(self.sell)?, price(self.buy)?);
        Some(if self.exact_sold {
            [self.executed, mul_div_up(self.executed, sell, buy)?]
        } else {
            [mul_div(self.executed, buy, sell)?, self.executed]
        })
    }
}

/// Integer prices near `worth` (of an atom of each token, in any unit), at which all parts are paid by what they bring and by what
/// the swaps leave: `brought` and `taken`, in atoms. The price of a token that is short is raised, by what it is short, as those who
/// are paid in it then get less; where more of it is given for exact amounts, it is lowered, as those who buy with it then give more.
///
/// # Errors
/// Where some tokens stay short: those that are at the prices given, and by how many atoms.
pub(super) fn exact(
    parts: &[Part],
    worth: &[(Token, f64)],
    net: &FxHashMap<Token, [U256; 2]>,
) -> Result<Prices, Vec<(Token, U256)>> {
    let least = worth.iter().map(|w| w.1).fold(f64::INFINITY, f64::min);
    let mut prices = Prices::default();
    for &(token, worth) in worth {
        prices.insert(token, from_f64(worth / least * LEAST).ok_or_else(Vec::new)?);
    }
    let mut first = Vec::new();
    for round in 0..SHAVES {
        let short = shortages(parts, &prices, net).ok_or_else(Vec::new)?;
        if short.is_empty() {
            return Ok(prices);
        }
        if round == 0 {
            first = short.iter().map(|s| (s.0, s.1)).collect();
        }
        for &(token, missing, [paid, given]) in &short {
            // What one token is relieved of others take on, a little less each time: so more and more at once.
            let missing = missing.saturating_mul(U256::from(1 + round / 16));
            let shaved = prices.get(&token).and_then(|&price| shaved(price, missing, paid, given));
            let Some(shaved) = shaved else { return Err(first) };
            prices.insert(token, shaved);
        }
    }
    tracing::debug!(?first, "prices that do not settle");
    Err(first)
}

/// A price moved by what is missing of its token, of what depends on the price: what is `paid` in it to those who sell an exact amount, less
/// what is `given` of it by those who buy one.
fn shaved(price: U256, missing: U256, paid: U256, given: U256) -> Option<U256> {
    if paid > given {
        price.checked_add(mul_div_up(price, missing, paid - given)?)?.checked_add(U256::ONE)
    } else if given > paid {
        price.checked_sub(mul_div_up(price, missing, given - paid)?)?.checked_sub(U256::ONE)
    } else {
        None
    }
}

/// A token of which there is too little, what is missing, and what of it is paid to those who sell an exact amount, and given by those who buy one.
type Shortage = (Token, U256, [U256; 2]);

fn shortages(parts: &[Part], prices: &Prices, net: &FxHashMap<Token, [U256; 2]>) -> Option<Vec<Shortage>> {
    let mut flows = net.clone();
    let mut sums: FxHashMap<Token, [U256; 2]> = FxHashMap::default();
    for part in parts {
        let [sold, bought] = part.amounts(|token| prices.get(&token).copied())?;
        let brought = &mut flows.entry(part.sell).or_default()[0];
        *brought = brought.checked_add(sold)?;
        let taken = &mut flows.entry(part.buy).or_default()[1];
        *taken = taken.checked_add(bought)?;
        let (token, side, amount) = if part.exact_sold { (part.buy, 0, bought) } else { (part.sell, 1, sold) };
        let sum = &mut sums.entry(token).or_default()[side];
        *sum = sum.checked_add(amount)?;
    }
    let short = flows.iter().filter(|(_, [brought, taken])| taken > brought);
    let short = short.map(|(token, [brought, taken])| (*token, taken - brought, sums.get(token).copied().unwrap_or_default()));
    let mut short: Vec<Shortage> = short.collect();
    short.sort_unstable();
    Some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_shaved() {
        let part = |sell, buy, executed: u64| Part { sell, buy, executed: U256::from(executed), exact_sold: true };
        // One sells 1,000 of token 0 at 1.0000005; only 1,000 of token 1 are there.
        let parts = [part(0, 1, 1_000)];
        let net = FxHashMap::from_iter([(0, [U256::ZERO, U256::from(1_000)]), (1, [U256::from(1_000), U256::ZERO])]);
        let prices = exact(&parts, &[(0, 1.000_000_5), (1, 1.0)], &net).unwrap();
        assert_eq!(parts[0].amounts(|t| prices.get(&t).copied()).unwrap(), [U256::from(1_000), U256::from(1_000)]);
        // One buys 1,000 of token 1, and the swap that brings them takes 1,001 of token 0: nobody is paid in it, so it is worth less.
        let buyer = [Part { exact_sold: false, ..part(0, 1, 1_000) }];
        let net = FxHashMap::from_iter([(0, [U256::ZERO, U256::from(1_001)]), (1, [U256::from(1_000), U256::ZERO])]);
        let prices = exact(&buyer, &[(0, 1.0), (1, 1.0)], &net).unwrap();
        assert_eq!(buyer[0].amounts(|t| prices.get(&t).copied()).unwrap(), [U256::from(1_001), U256::from(1_000)]);
        // Two buy exact amounts of each other's token, two atoms of each are left over besides: who gives less than is bought of it gives
        // more where his token is worth less.
        let buyers = [(0, 1), (1, 0)].map(|(sell, buy)| Part { exact_sold: false, ..part(sell, buy, 1_000_000) });
        let net = FxHashMap::from_iter([0, 1].map(|token| (token, [U256::from(2), U256::ZERO])));
        let prices = exact(&buyers, &[(0, 1.0), (1, 0.9999)], &net).unwrap();
        for buyer in buyers {
            let [sold, _] = buyer.amounts(|t| prices.get(&t).copied()).unwrap();
            assert!(sold + U256::from(2) >= U256::from(1_000_000), "{sold} for {prices:?}");
        }
        // Nothing at all is there.
        assert_eq!(exact(&parts, &[(0, 1.0), (1, 1.0)], &FxHashMap::default()), Err(vec![(1, U256::from(1_000))]));
    }
}
