use alloy_primitives::U256;
use ballast_wire::Decimal;

use super::{div_down, div_up, mul_down};
use crate::{PoolError, SwapError};

/// The bits that the Vault keeps of a balance.
const BALANCE_BITS: usize = 112;
/// A balance of [`BALANCE_BITS`] times such a factor leaves 256 bits room for the next product.
const FACTOR_BITS: usize = 128;

/// What the Vault holds of one of a pool's coins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Atoms, below 2¹¹².
    balance: U256,
    /// What an atom is multiplied by, of 18 decimals: 10^(18 − decimals), times a rate where there is one.
    factor: U256,
    /// `balance`·`factor`, rounded down: kept because every swap needs it.
    scaled: U256,
}

impl Holding {
    /// # Errors
    /// When the Vault could not hold the balance, or the factor is none.
    pub(crate) fn from_wire(balance: U256, factor: Decimal) -> Result<Self, PoolError> {
        const SCALING: &str = "tokens.scalingFactor";
        let factor = factor.atoms();
        if factor.is_zero() {
            return Err(PoolError::Invalid { field: SCALING, reason: "zero" });
        }
        if factor.bit_len() > FACTOR_BITS {
            return Err(PoolError::Invalid { field: SCALING, reason: "too large" });
        }
        if balance.bit_len() > BALANCE_BITS {
            return Err(PoolError::Invalid { field: "tokens.balance", reason: "needs more than 112 bits" });
        }
        let scaled = mul_down(balance, factor).map_err(|_| PoolError::Invalid { field: SCALING, reason: "too large" })?;
        Ok(Self { balance, factor, scaled })
    }

    /// Atoms.
    pub(crate) fn balance(&self) -> U256 {
        self.balance
    }

    pub(crate) fn factor(&self) -> Decimal {
        Decimal::from_atoms(self.factor)
    }

    /// The balance, scaled.
    pub(crate) fn scaled(&self) -> U256 {
        self.scaled
    }

    /// Atoms, scaled; rounds down.
    pub(crate) fn scale(&self, atoms: U256) -> Result<U256, SwapError> {
        mul_down(atoms, self.factor)
    }

    /// Atoms that a scaled amount is worth at least.
    pub(crate) fn atoms_down(&self, scaled: U256) -> Result<U256, SwapError> {
        div_down(scaled, self.factor)
    }

    /// Atoms that a scaled amount is worth at most.
    pub(crate) fn atoms_up(&self, scaled: U256) -> Result<U256, SwapError> {
        div_up(scaled, self.factor)
    }

    /// The balance with `atoms` more.
    ///
    /// # Errors
    /// When the Vault could not hold them.
    pub(crate) fn check_plus(&self, atoms: U256) -> Result<U256, SwapError> {
        self.balance.checked_add(atoms).filter(|b| b.bit_len() <= BALANCE_BITS).ok_or(SwapError::Overflow)
    }

    /// The balance with `atoms` less.
    ///
    /// # Errors
    /// When there are not so many.
    pub(crate) fn check_minus(&self, atoms: U256) -> Result<U256, SwapError> {
        self.balance.checked_sub(atoms).ok_or(SwapError::InsufficientLiquidity)
    }

    /// This with `atoms` more; errors are those of [`Self::check_plus`].
    pub(crate) fn plus(&self, atoms: U256) -> Result<Self, SwapError> {
        self.with(self.check_plus(atoms)?)
    }

    /// This with `atoms` less; errors are those of [`Self::check_minus`].
    pub(crate) fn minus(&self, atoms: U256) -> Result<Self, SwapError> {
        self.with(self.check_minus(atoms)?)
    }

    fn with(&self, balance: U256) -> Result<Self, SwapError> {
        Ok(Self { balance, factor: self.factor, scaled: mul_down(balance, self.factor)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(balance: u64, factor: &str) -> Holding {
        Holding::from_wire(U256::from(balance), factor.parse().unwrap()).unwrap()
    }

    #[test]
    fn scaling_rounds_down_and_its_inverse_both_ways() {
        let six_decimals = holding(7, "1000000000000");
        assert_eq!(six_decimals.scaled(), U256::from(7_000_000_000_000_u64));
        assert_eq!(six_decimals.atoms_down(U256::from(1_999_999_999_999_u64)), Ok(U256::from(1)));
        assert_eq!(six_decimals.atoms_up(U256::from(1_000_000_000_001_u64)), Ok(U256::from(2)));
        let rated = holding(3, "1.5");
        assert_eq!(rated.scaled(), U256::from(4));
        assert_eq!(rated.atoms_down(U256::from(4)), Ok(U256::from(2)));
        assert_eq!(rated.atoms_up(U256::from(4)), Ok(U256::from(3)));
    }

    #[test]
    fn the_vault_keeps_112_bits() {
        let full = Holding::from_wire((U256::ONE << 112) - U256::ONE, Decimal::ONE).unwrap();
        assert_eq!(full.plus(U256::ONE), Err(SwapError::Overflow));
        assert_eq!(full.plus(U256::MAX), Err(SwapError::Overflow));
        assert_eq!(full.minus(full.balance()).unwrap().scaled(), U256::ZERO);
        assert_eq!(holding(5, "1").minus(U256::from(6)), Err(SwapError::InsufficientLiquidity));
        assert!(Holding::from_wire(U256::ONE << 112, Decimal::ONE).is_err());
        assert!(Holding::from_wire(U256::ONE, Decimal::from_atoms(U256::MAX)).is_err());
        assert!(Holding::from_wire(U256::ONE, Decimal::from_atoms(U256::ZERO)).is_err());
    }
}
