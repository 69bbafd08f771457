//! The StableSwap invariant D of scaled balances x₁ … xₙ, and the balance that belongs to a given D.
//!
//! With the contracts' amplification A = amp ⁄ 1000, which stands for A·nⁿ⁻¹ of the StableSwap paper,
//!
//! A·n·Σx + D = A·n·D + Dⁿ⁺¹ ⁄ (nⁿ·Πx).
//!
//! Both unknowns are found by Newton's method in integers; a step of one unit or less ends it. The loop over the balances
//! rounds at every factor, so their order matters to the last digit: it is that of the tokens' addresses, ascending.

use alloy_primitives::U256;

use crate::SwapError;
use crate::fixed_point::{integer_div_down, integer_div_up};

/// The precision of `amp`.
const AMP_PRECISION: U256 = U256::from_limbs([1000, 0, 0, 0]);
/// Steps after which the contracts give up.
const MAX_STEPS: usize = 255;

/// Which contracts' invariant it is. The balance that belongs to an invariant is the same function in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    /// Those of 2021: every division rounds D up.
    First,
    /// Those since June 2022: every division rounds down, in another order of operations.
    Later,
}

fn mul(a: U256, b: U256) -> Result<U256, SwapError> {
    a.checked_mul(b).ok_or(SwapError::Overflow)
}

fn add(a: U256, b: U256) -> Result<U256, SwapError> {
    a.checked_add(b).ok_or(SwapError::Overflow)
}

fn sub(a: U256, b: U256) -> Result<U256, SwapError> {
    a.checked_sub(b).ok_or(SwapError::Overflow)
}

/// D for an amplification of precision 1000 and scaled balances.
///
/// # Errors
/// When the contract's would not converge, divide by a balance of zero or leave 256 bits.
pub(crate) fn invariant(arithmetic: Arithmetic, amp: U256, balances: &[U256]) -> Result<U256, SwapError> {
    let n = U256::from(balances.len());
    let amp_n = mul(amp, n)?;
    let sum = balances.iter().try_fold(U256::ZERO, |sum, &b| add(sum, b))?;
    let mut d = sum;
    for _ in 0..MAX_STEPS {
        let next = match arithmetic {
            Arithmetic::First => first_step(amp_n, n, sum, balances, d)?,
            Arithmetic::Later => later_step(amp_n, n, sum, balances, d)?,
        };
        if next.abs_diff(d) <= U256::ONE {
            return Ok(next);
        }
        d = next;
    }
    Err(SwapError::NoConvergence)
}

/// (n·D² + A·n·Σx·P) ⁄ ((n + 1)·D + (A·n − 1)·P) with P = nⁿ·Πx ⁄ Dⁿ⁻¹, rounded up.
fn first_step(amp_n: U256, n: U256, sum: U256, balances: &[U256], d: U256) -> Result<U256, SwapError> {
    let (&first, rest) = balances.split_first().ok_or(SwapError::InsufficientLiquidity)?;
    let mut p = mul(first, n)?;
    for &balance in rest {
        p = integer_div_up(mul(mul(p, balance)?, n)?, d)?;
    }
    let numerator = add(mul(mul(n, d)?, d)?, integer_div_up(mul(mul(amp_n, sum)?, p)?, AMP_PRECISION)?)?;
    let over = integer_div_down(mul(sub(amp_n, AMP_PRECISION)?, p)?, AMP_PRECISION)?;
    integer_div_up(numerator, add(mul(add(n, U256::ONE)?, d)?, over)?)
}

/// (A·n·Σx + n·P)·D ⁄ ((A·n − 1)·D + (n + 1)·P) with P = Dⁿ⁺¹ ⁄ (nⁿ·Πx), rounded down.
fn later_step(amp_n: U256, n: U256, sum: U256, balances: &[U256], d: U256) -> Result<U256, SwapError> {
    let mut p = d;
    for &balance in balances {
        p = integer_div_down(mul(p, d)?, mul(balance, n)?)?;
    }
    let numerator = mul(add(integer_div_down(mul(amp_n, sum)?, AMP_PRECISION)?, mul(p, n)?)?, d)?;
    let over = integer_div_down(mul(sub(amp_n, AMP_PRECISION)?, d)?, AMP_PRECISION)?;
    integer_div_down(numerator, add(over, mul(add(n, U256::ONE)?, p)?)?)
}

/// The scaled balance of the coin `index` that belongs to `d` and the other balances, rounded up. `balances[index]` itself
/// cancels out, but for rounding.
///
/// # Errors
/// As for [`invariant`].
pub(crate) fn balance(amp: U256, balances: &[U256], d: U256, index: usize) -> Result<U256, SwapError> {
    let (&first, rest) = balances.split_first().ok_or(SwapError::InsufficientLiquidity)?;
    let &own = balances.get(index).ok_or(SwapError::UnknownPair)?;
    let n = U256::from(balances.len());
    let amp_n = mul(amp, n)?;
    let (mut sum, mut p) = (first, mul(first, n)?);
    for &balance in rest {
        p = integer_div_down(mul(mul(p, balance)?, n)?, d)?;
        sum = add(sum, balance)?;
    }
    let others = sub(sum, own)?;

    // y² + (b − D)·y = c, from above: y ← (y² + c) ⁄ (2·y + b − D).
    let square = mul(d, d)?;
    let c = mul(mul(integer_div_up(square, mul(amp_n, p)?)?, AMP_PRECISION)?, own)?;
    let b = add(others, mul(integer_div_down(d, amp_n)?, AMP_PRECISION)?)?;
    let mut y = integer_div_up(add(square, c)?, add(d, b)?)?;
    for _ in 0..MAX_STEPS {
        let next = integer_div_up(add(mul(y, y)?, c)?, sub(add(mul(y, U256::from(2))?, b)?, d)?)?;
        if next.abs_diff(y) <= U256::ONE {
            return Ok(next);
        }
        y = next;
    }
    Err(SwapError::NoConvergence)
}
