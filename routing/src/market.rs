//! The markets of an auction, laid out flat.

use crate::curve::{Curve, MAX_COINS, PerCoin};

/// A token's dense index.
pub type Token = u32;

/// A market's dense index.
pub type MarketId = u32;

/// Why a market cannot join the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarketError {
    /// As many tokens as the curve has coins are needed, each once and below the number of tokens.
    #[error("the tokens do not fit the curve")]
    Tokens,
    /// A rate at the margin is not a positive, finite number.
    #[error("the price at the margin is not a number")]
    Rate,
    /// More markets than 2³² − 1.
    #[error("too many markets")]
    TooMany,
}

/// A market of two coins, or two coins of a larger one: all that is needed to see whether it trades.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub tokens: [Token; 2],
    pub market: MarketId,
    /// Which coins of the market the two are.
    pub coins: [u8; 2],
    /// Output for the first unit of input, after the fee: coin 0 to 1, and back.
    pub rates: [f64; 2],
}

/// A market of three coins and more.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub tokens: PerCoin<Token>,
    pub market: MarketId,
    /// Which coins may trade.
    pub allowed: u8,
    /// Marginal values: the rate from i to j is γ·level_i/level_j.
    pub levels: PerCoin<f64>,
    pub gamma: f64,
}

impl Block {
    /// By how much prices of its coins are further apart than the fee, as a part of them; `None` where the market does not trade: where some
    /// multiplier θ puts every coin's level/price within [θ, θ/γ].
    pub fn spread(&self, nu: impl Fn(Token) -> f64) -> Option<f64> {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for (k, &token) in self.tokens.iter().enumerate() {
            if self.allowed & (1 << k) != 0 {
                let level = self.levels[k] / nu(token);
                low = low.min(level);
                high = high.max(level);
            }
        }
        let high = high * self.gamma;
        (low < high).then(|| high / low - 1.0)
    }
}

/// A set of markets over the tokens 0..n.
#[derive(Debug, Clone, Default)]
pub struct Markets {
    tokens: usize,
    curves: Vec<Curve>,
    gas: Vec<f64>,
    coins: Vec<PerCoin<Token>>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) blocks: Vec<Block>,
}

impl Markets {
    /// No markets over `tokens` tokens.
    pub fn new(tokens: usize) -> Self {
        Self { tokens, ..Self::default() }
    }

    /// Adds a market of these tokens, in the order of the curve's coins; `gas` is that of one swap.
    ///
    /// # Errors
    /// When the tokens do not fit the curve or a marginal rate is not a number.
    pub fn add(&mut self, tokens: &[Token], curve: Curve, gas: f64) -> Result<MarketId, MarketError> {
        let n = curve.coins();
        let distinct = tokens.iter().enumerate().all(|(k, t)| !tokens[..k].contains(t));
        if tokens.len() != n || n > MAX_COINS || !distinct || tokens.iter().any(|&t| t as usize >= self.tokens) {
            return Err(MarketError::Tokens);
        }
        let market = MarketId::try_from(self.curves.len()).map_err(|_| MarketError::TooMany)?;
        if let [a, b] = *tokens {
            self.pairs.push(Pair { tokens: [a, b], market, coins: [0, 1], rates: rates(&curve)? });
        } else {
            let (levels, gamma) = levels(&curve)?;
            self.blocks.push(Block { tokens: tokens.iter().copied().collect(), market, allowed: u8::MAX, levels, gamma });
        }
        self.curves.push(curve);
        self.gas.push(gas);
        self.coins.push(tokens.iter().copied().collect());
        Ok(market)
    }

    /// Puts the curve that a market has after a trade in the place of the one before.
    ///
    /// # Errors
    /// When it has another number of coins, or a marginal rate is not a number; nothing has changed then.
    pub fn replace(&mut self, market: MarketId, curve: Curve) -> Result<(), MarketError> {
        let place = self.curves.get_mut(market as usize).filter(|before| before.coins() == curve.coins());
        let place = place.ok_or(MarketError::Tokens)?;
        // Both are in the order of the markets.
        if let Ok(pair) = self.pairs.binary_search_by_key(&market, |pair| pair.market) {
            self.pairs[pair].rates = rates(&curve)?;
        } else if let Ok(block) = self.blocks.binary_search_by_key(&market, |block| block.market) {
            (self.blocks[block].levels, self.blocks[block].gamma) = levels(&curve)?;
        }
        *place = curve;
        Ok(())
    }

    /// How many tokens there are.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// How many markets there are.
    pub fn len(&self) -> usize {
        self.curves.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.curves.is_empty()
    }

    /// A market's curve.
    pub fn curve(&self, market: MarketId) -> &Curve {
        &self.curves[market as usize]
    }

    /// Gas of one swap on a market.
    pub fn gas(&self, market: MarketId) -> f64 {
        self.gas[market as usize]
    }

    /// A market's tokens, in the order of its coins.
    pub fn coins(&self, market: MarketId) -> &[Token] {
        &self.coins[market as usize]
    }
}

/// The marginal rates of a curve of two coins: coin 0 to 1, and back.
fn rates(curve: &Curve) -> Result<[f64; 2], MarketError> {
    let rates = [curve.rate(0, 1), curve.rate(1, 0)];
    let sane = rates.iter().all(|r| r.is_finite() && *r >= 0.0) && rates != [0.0; 2];
    if sane { Ok(rates) } else { Err(MarketError::Rate) }
}

/// Those of a larger one, as a [`Block`] has them: the coins' levels and γ.
fn levels(curve: &Curve) -> Result<(PerCoin<f64>, f64), MarketError> {
    let gamma = (curve.rate(0, 1) * curve.rate(1, 0)).sqrt();
    let levels: PerCoin<f64> = (0..curve.coins()).map(|k| if k == 0 { 1.0 } else { curve.rate(k, 0) / gamma }).collect();
    let sane = levels.iter().all(|l| l.is_finite() && *l > 0.0) && gamma > 0.0 && gamma <= 1.0;
    if sane { Ok((levels, gamma)) } else { Err(MarketError::Rate) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Product;

    fn pool(x: f64, y: f64) -> Curve {
        Curve::Product(Product::new([x, y], 0.5).unwrap())
    }

    #[test]
    fn a_market_after_a_trade_is_the_market_of_its_curve() {
        let mut markets = Markets::new(3);
        for coins in [[0, 1], [1, 2]] {
            markets.add(&coins, pool(10.0, 10.0), 1.0).unwrap();
        }
        markets.replace(1, pool(20.0, 5.0)).unwrap();
        assert_eq!(markets.pairs[0].rates, [0.5, 0.5]);
        assert_eq!(markets.pairs[1].rates, [0.125, 2.0]);
        assert_eq!(markets.curve(1).output(0, 1, 1.0), pool(20.0, 5.0).output(0, 1, 1.0));
        assert_eq!(markets.replace(2, pool(1.0, 1.0)), Err(MarketError::Tokens));
    }
}
