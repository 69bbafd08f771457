use alloy_primitives::U256;
use ballast_wire::Decimal;

use super::{ONE, div_up, mul_up};
use crate::{PoolError, SwapError};

/// The part of an input that the pool keeps, of 18 decimals and below one.
///
/// It is taken from amounts in atoms: before they are scaled when the input is given, after when the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fee(U256);

impl Fee {
    /// # Errors
    /// When nothing would be left of an input.
    pub(crate) fn from_wire(fee: Decimal) -> Result<Self, PoolError> {
        if fee.atoms() >= ONE {
            return Err(PoolError::Invalid { field: "fee", reason: "not below one" });
        }
        Ok(Self(fee.atoms()))
    }

    pub(crate) fn decimal(self) -> Decimal {
        Decimal::from_atoms(self.0)
    }

    /// What is left of an input; the fee rounds up.
    pub(crate) fn subtract(self, amount: U256) -> Result<U256, SwapError> {
        amount.checked_sub(mul_up(amount, self.0)?).ok_or(SwapError::Overflow)
    }

    /// The input that leaves `amount`; it rounds up.
    pub(crate) fn add(self, amount: U256) -> Result<U256, SwapError> {
        div_up(amount, ONE.checked_sub(self.0).ok_or(SwapError::Overflow)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_rounds_for_the_pool() {
        let fee = Fee::from_wire("0.003".parse().unwrap()).unwrap();
        assert_eq!(fee.subtract(U256::from(1)), Ok(U256::ZERO));
        assert_eq!(fee.subtract(U256::from(1000)), Ok(U256::from(997)));
        assert_eq!(fee.subtract(U256::from(1001)), Ok(U256::from(997)));
        assert_eq!(fee.add(U256::from(997)), Ok(U256::from(1000)));
        assert_eq!(fee.add(U256::from(1)), Ok(U256::from(2)));
        assert_eq!(fee.add(U256::ZERO), Ok(U256::ZERO));
    }

    #[test]
    fn a_fee_leaves_something() {
        assert!(Fee::from_wire("0".parse().unwrap()).is_ok());
        assert!(Fee::from_wire("0.999999999999999999".parse().unwrap()).is_ok());
        assert!(Fee::from_wire("1".parse().unwrap()).is_err());
    }
}
