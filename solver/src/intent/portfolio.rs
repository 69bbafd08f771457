//! What a vault holds, in the contract's own arithmetic.

use alloy_primitives::{Address, U256};
use ballast_wire::intent::Intent;

use crate::wide::mul_div;

/// 10¹⁸: weights, prices and values count in its parts.
pub(super) const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// A holding of one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Atoms.
    pub balance: U256,
    /// 10⁻¹⁸ of the numeraire for a whole token.
    pub price: U256,
    /// Atoms of a whole token.
    pub unit: U256,
}

impl Holding {
    /// In 10⁻¹⁸ of the numeraire; `None` beyond 256 bits.
    pub fn value(&self) -> Option<U256> {
        self.balance.checked_mul(self.price)?.checked_div(self.unit)
    }

    /// Numeraire of an atom, as near as doubles come.
    pub fn atom(&self) -> f64 {
        f64::from(self.price) / 1e18 / f64::from(self.unit)
    }
}

/// A vault's holdings, in the order of the intent's assets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Portfolio {
    /// One an asset.
    pub holdings: Vec<Holding>,
}

/// A portfolio as the contract measures it: each number rounded down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Measured {
    /// In 10⁻¹⁸ of the numeraire.
    pub values: Vec<U256>,
    /// In 10⁻¹⁸ of the portfolio.
    pub weights: Vec<U256>,
    /// Sum of the values.
    pub total: U256,
}

impl Portfolio {
    /// Measures it; `None` where it holds nothing, or numbers do not fit.
    pub fn measure(&self) -> Option<Measured> {
        let values: Vec<U256> = self.holdings.iter().map(Holding::value).collect::<Option<_>>()?;
        let total = values.iter().try_fold(U256::ZERO, |sum, value| sum.checked_add(*value))?;
        let weights = values.iter().map(|value| mul_div(*value, ONE, total)).collect::<Option<_>>()?;
        Some(Measured { values, weights, total })
    }

    /// The same with other balances.
    pub fn with(&self, balances: impl IntoIterator<Item = U256>) -> Self {
        let holdings = self.holdings.iter().zip(balances);
        Self { holdings: holdings.map(|(holding, balance)| Holding { balance, ..*holding }).collect() }
    }
}

impl Measured {
    /// Σ|w − w*| over what may be traded, in 10⁻¹⁸.
    pub fn distance(&self, intent: &Intent) -> U256 {
        let assets = intent.assets.iter().zip(&self.weights).filter(|(asset, _)| asset.tradable);
        assets.map(|(asset, weight)| weight.abs_diff(asset.target.atoms())).fold(U256::ZERO, U256::saturating_add)
    }

    /// What may be traded and is outside of its landing: by how much of the portfolio above it, or below (negative).
    pub fn outside(&self, intent: &Intent) -> Vec<(Address, f64)> {
        let assets = intent.assets.iter().zip(&self.weights).filter(|(asset, _)| asset.tradable);
        let outside = assets.map(|(asset, weight)| {
            let (low, high) = (asset.landing.low.atoms(), asset.landing.high.atoms());
            let part = |x: U256| f64::from(x) / 1e18;
            (asset.token, part(weight.saturating_sub(high)) - part(low.saturating_sub(*weight)))
        });
        outside.filter(|(_, by)| *by != 0.0).collect()
    }

    /// Whether every asset that may be traded is inside its landing.
    pub fn landed(&self, intent: &Intent) -> bool {
        let mut assets = intent.assets.iter().zip(&self.weights);
        assets.all(|(asset, weight)| !asset.tradable || asset.landing.contains(*weight))
    }
}
