//! Numbers of 18 decimals, as Balancer V2 computes with them: every function rounds and overflows where the contracts do.
//!
//! The sources followed, in words and code of our own, are Balancer's `FixedPoint` and `Math` (here), `LogExpMath` (in
//! `log_exp`), the fee arithmetic of `BasePool` (in `fee`) and the Vault's `BalanceAllocation` (in `holding`).

mod fee;
mod holding;
mod log_exp;

use alloy_primitives::U256;

use crate::SwapError;

pub(crate) use fee::Fee;
pub(crate) use holding::Holding;
pub(crate) use log_exp::pow;

/// 1.
pub(crate) const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// ⌊a·b⌋.
///
/// # Errors
/// When the product leaves 256 bits.
pub(crate) fn mul_down(a: U256, b: U256) -> Result<U256, SwapError> {
    Ok(a.checked_mul(b).ok_or(SwapError::Overflow)?.wrapping_div(ONE))
}

/// ⌈a·b⌉.
///
/// # Errors
/// When the product leaves 256 bits.
pub(crate) fn mul_up(a: U256, b: U256) -> Result<U256, SwapError> {
    integer_div_up(a.checked_mul(b).ok_or(SwapError::Overflow)?, ONE)
}

/// ⌊a ÷ b⌋.
///
/// # Errors
/// When the inflated dividend leaves 256 bits, or nothing is divided by.
pub(crate) fn div_down(a: U256, b: U256) -> Result<U256, SwapError> {
    integer_div_down(a.checked_mul(ONE).ok_or(SwapError::Overflow)?, b)
}

/// ⌈a ÷ b⌉.
///
/// # Errors
/// When the inflated dividend leaves 256 bits, or nothing is divided by.
pub(crate) fn div_up(a: U256, b: U256) -> Result<U256, SwapError> {
    integer_div_up(a.checked_mul(ONE).ok_or(SwapError::Overflow)?, b)
}

/// ⌊a ÷ b⌋ of integers.
///
/// # Errors
/// When nothing is divided by: in the formulas that can only be a balance that is used up.
pub(crate) fn integer_div_down(a: U256, b: U256) -> Result<U256, SwapError> {
    a.checked_div(b).ok_or(SwapError::InsufficientLiquidity)
}

/// ⌈a ÷ b⌉ of integers.
///
/// # Errors
/// When nothing is divided by: in the formulas that can only be a balance that is used up.
pub(crate) fn integer_div_up(a: U256, b: U256) -> Result<U256, SwapError> {
    if b.is_zero() {
        return Err(SwapError::InsufficientLiquidity);
    }
    let (quotient, remainder) = a.div_rem(b);
    // No overflow: with a remainder the divisor is at least 2.
    Ok(if remainder.is_zero() { quotient } else { quotient.wrapping_add(U256::ONE) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(value: u64) -> U256 {
        U256::from(value)
    }

    #[test]
    fn products_and_quotients_round_as_they_say() {
        assert_eq!(mul_down(n(3), n(500_000_000_000_000_000)), Ok(n(1)));
        assert_eq!(mul_up(n(3), n(500_000_000_000_000_000)), Ok(n(2)));
        assert_eq!(mul_up(n(4), n(500_000_000_000_000_000)), Ok(n(2)));
        assert_eq!(mul_up(n(0), n(5)), Ok(n(0)));
        assert_eq!(div_down(n(2), n(3)), Ok(n(666_666_666_666_666_666)));
        assert_eq!(div_up(n(2), n(3)), Ok(n(666_666_666_666_666_667)));
        assert_eq!(div_up(n(0), n(3)), Ok(n(0)));
        assert_eq!(integer_div_up(U256::MAX, n(1)), Ok(U256::MAX));
    }

    #[test]
    fn what_the_contract_refuses_is_an_error() {
        assert_eq!(mul_down(U256::MAX, n(2)), Err(SwapError::Overflow));
        assert_eq!(mul_up(U256::MAX, n(2)), Err(SwapError::Overflow));
        assert_eq!(div_down(U256::MAX, n(2)), Err(SwapError::Overflow));
        assert_eq!(div_up(U256::MAX, n(2)), Err(SwapError::Overflow));
        assert_eq!(div_down(n(1), n(0)), Err(SwapError::InsufficientLiquidity));
        assert_eq!(div_up(n(0), n(0)), Err(SwapError::InsufficientLiquidity));
    }
}
