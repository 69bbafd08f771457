//! A swap within one piece of the curve: `SwapMath.computeSwapStep` and what it rests on.

use alloy_primitives::{U256, U512};

use crate::SwapError;

/// A fee of one, in the contract's hundredths of a basis point.
pub(super) const ONE_PIPS: u32 = 1_000_000;

/// What is still to be swapped; atoms.
#[derive(Debug, Clone, Copy)]
pub(super) enum Remaining {
    /// Of the input, fee included.
    Input(U256),
    /// Of the output.
    Output(U256),
}

/// What a swap did within one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Where the √price went; at most to the target.
    pub(super) sqrt_price: U256,
    /// What was taken, without the fee.
    pub(super) amount_in: U256,
    /// What was paid.
    pub(super) amount_out: U256,
    /// What was taken as a fee.
    pub(super) fee: U256,
}

/// Swaps from `start` towards `target` with constant `liquidity`, which is not zero. `down` is the direction: token 0 in, the
/// price falls.
pub(super) fn swap_step(
    down: bool,
    start: U256,
    target: U256,
    liquidity: u128,
    remaining: Remaining,
    fee_pips: u32,
) -> Result<Step, SwapError> {
    let (fee, kept) = (U256::from(fee_pips), U256::from(ONE_PIPS.saturating_sub(fee_pips)));
    match remaining {
        Remaining::Input(gross) => {
            let net = mul_div(gross, kept, U256::from(ONE_PIPS))?;
            let whole = taken(down, start, target, liquidity)?;
            if net >= whole {
                let amount_out = paid(down, start, target, liquidity)?;
                return Ok(Step { sqrt_price: target, amount_in: whole, amount_out, fee: mul_div_up(whole, fee, kept)? });
            }
            // Rounded away from the target, and `net` is short of it: the target is not reached.
            let sqrt_price = if down { next_by_0(start, liquidity, net)? } else { next_by_1(start, liquidity, net)? };
            let amount_in = taken(down, start, sqrt_price, liquidity)?;
            let amount_out = paid(down, start, sqrt_price, liquidity)?;
            let fee = gross.checked_sub(amount_in).ok_or(SwapError::Overflow)?;
            Ok(Step { sqrt_price, amount_in, amount_out, fee })
        }
        Remaining::Output(wanted) => {
            let whole = paid(down, start, target, liquidity)?;
            let (sqrt_price, amount_out) = if wanted >= whole {
                (target, whole)
            } else {
                let sqrt_price = if down { prior_by_1(start, liquidity, wanted)? } else { prior_by_0(start, liquidity, wanted)? };
                // Rounded towards the target, so at least `wanted` is available there.
                (sqrt_price, wanted)
            };
            let amount_in = taken(down, start, sqrt_price, liquidity)?;
            Ok(Step { sqrt_price, amount_in, amount_out, fee: mul_div_up(amount_in, fee, kept)? })
        }
    }
}

/// What it takes to move the price from `start` to `end`, rounded up.
// A function, as is `paid`: as closures that take the price by value, rustc 1.95 lets the first call overwrite the argument of
// the second (rust-lang/rust#155241).
fn taken(down: bool, start: U256, end: U256, liquidity: u128) -> Result<U256, SwapError> {
    if down { delta0(end, start, liquidity, true) } else { delta1(start, end, liquidity, true) }
}

/// What is paid while the price moves from `start` to `end`, rounded down.
fn paid(down: bool, start: U256, end: U256, liquidity: u128) -> Result<U256, SwapError> {
    if down { delta1(end, start, liquidity, false) } else { delta0(start, end, liquidity, false) }
}

/// L·(1/√a − 1/√b), the token 0 between two prices.
fn delta0(a: U256, b: U256, liquidity: u128, up: bool) -> Result<U256, SwapError> {
    let numerator = shifted(liquidity);
    let difference = b.checked_sub(a).ok_or(SwapError::Overflow)?;
    if up { div_up(mul_div_up(numerator, difference, b)?, a) } else { div(mul_div(numerator, difference, b)?, a) }
}

/// L·(√b − √a), the token 1 between two prices.
fn delta1(a: U256, b: U256, liquidity: u128, up: bool) -> Result<U256, SwapError> {
    let difference = b.checked_sub(a).ok_or(SwapError::Overflow)?;
    let product: U512 = U256::from(liquidity).widening_mul(difference);
    let floor = narrow(product >> 96)?;
    let inexact = product.as_limbs()[0] != 0 || product.as_limbs()[1] & u64::from(u32::MAX) != 0;
    if up && inexact { floor.checked_add(U256::ONE).ok_or(SwapError::Overflow) } else { Ok(floor) }
}

/// The price after `amount` of token 0 came in.
fn next_by_0(sqrt_price: U256, liquidity: u128, amount: U256) -> Result<U256, SwapError> {
    let numerator = shifted(liquidity);
    if let Some(denominator) = amount.checked_mul(sqrt_price).and_then(|product| numerator.checked_add(product)) {
        return mul_div_up(numerator, sqrt_price, denominator);
    }
    // The contract's way out when the product is beyond 256 bits; it rounds otherwise.
    div_up(numerator, div(numerator, sqrt_price)?.checked_add(amount).ok_or(SwapError::Overflow)?)
}

/// The price after `amount` of token 1 came in.
fn next_by_1(sqrt_price: U256, liquidity: u128, amount: U256) -> Result<U256, SwapError> {
    let quotient = mul_div(amount, U256::ONE << 96, U256::from(liquidity))?;
    sqrt_price.checked_add(quotient).ok_or(SwapError::Overflow)
}

/// The price after `amount` of token 0 went out.
fn prior_by_0(sqrt_price: U256, liquidity: u128, amount: U256) -> Result<U256, SwapError> {
    let numerator = shifted(liquidity);
    let denominator = amount
        .checked_mul(sqrt_price)
        .and_then(|product| numerator.checked_sub(product))
        .ok_or(SwapError::InsufficientLiquidity)?;
    mul_div_up(numerator, sqrt_price, denominator)
}

/// The price after `amount` of token 1 went out.
fn prior_by_1(sqrt_price: U256, liquidity: u128, amount: U256) -> Result<U256, SwapError> {
    let quotient = mul_div_up(amount, U256::ONE << 96, U256::from(liquidity))?;
    sqrt_price.checked_sub(quotient).ok_or(SwapError::InsufficientLiquidity)
}

/// L·2⁹⁶
fn shifted(liquidity: u128) -> U256 {
    U256::from(liquidity) << 96
}

fn div(a: U256, b: U256) -> Result<U256, SwapError> {
    a.checked_div(b).ok_or(SwapError::Overflow)
}

fn div_up(a: U256, b: U256) -> Result<U256, SwapError> {
    if b.is_zero() { Err(SwapError::Overflow) } else { Ok(a.div_ceil(b)) }
}

/// ⌊a·b / c⌋ with a product of 512 bits.
fn mul_div(a: U256, b: U256, c: U256) -> Result<U256, SwapError> {
    mul_div_rem(a, b, c).map(|(quotient, _)| quotient)
}

/// ⌈a·b / c⌉ with a product of 512 bits.
fn mul_div_up(a: U256, b: U256, c: U256) -> Result<U256, SwapError> {
    let (quotient, exact) = mul_div_rem(a, b, c)?;
    if exact { Ok(quotient) } else { quotient.checked_add(U256::ONE).ok_or(SwapError::Overflow) }
}

/// ⌊a·b / c⌋, and whether nothing was left.
fn mul_div_rem(a: U256, b: U256, c: U256) -> Result<(U256, bool), SwapError> {
    if c.is_zero() {
        return Err(SwapError::Overflow);
    }
    if a.bit_len() + b.bit_len() <= 256 {
        let (quotient, rest) = a.wrapping_mul(b).div_rem(c);
        return Ok((quotient, rest.is_zero()));
    }
    let product: U512 = a.widening_mul(b);
    let (quotient, rest) = product.div_rem(U512::from(c));
    Ok((narrow(quotient)?, rest.is_zero()))
}

fn narrow(wide: U512) -> Result<U256, SwapError> {
    match wide.as_limbs() {
        &[a, b, c, d, 0, 0, 0, 0] => Ok(U256::from_limbs([a, b, c, d])),
        _ => Err(SwapError::Overflow),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::I256;
    use proptest::prelude::*;
    use uniswap_v3_math::swap_math::compute_swap_step;

    use super::super::tick::{MAX_TICK, MIN_TICK, sqrt_price_at};
    use super::*;

    fn price() -> impl Strategy<Value = U256> {
        (MIN_TICK..MAX_TICK, any::<u32>()).prop_map(|(tick, part)| {
            let (low, high) = (sqrt_price_at(tick).unwrap(), sqrt_price_at(tick + 1).unwrap());
            low + (high - low) * U256::from(part) / U256::from(1u64 << 32)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Against another's port of `SwapMath.computeSwapStep`.
        #[test]
        fn steps_are_those_of_an_independent_port(
            start in price(), end in price(), near in any::<bool>(), by in any::<u64>(), liquidity in any::<u128>(), shift in 0..128u32,
            limbs in any::<[u64; 4]>(), amount_shift in 1..256usize, given_in in any::<bool>(), fee in prop::sample::select(vec![100u32, 500, 2_500, 3_000, 10_000]),
        ) {
            let target = if near { start + U256::from(by) } else { end };
            let liquidity = (liquidity >> shift).max(1);
            let amount = (U256::from_limbs(limbs) >> amount_shift).max(U256::ONE);
            let signed = I256::from_raw(amount);
            let (remaining, signed) = if given_in { (Remaining::Input(amount), signed) } else { (Remaining::Output(amount), -signed) };
            let ours = swap_step(start >= target, start, target, liquidity, remaining, fee);
            let theirs = compute_swap_step(start, target, liquidity, signed, fee);
            match (ours, theirs) {
                (Ok(Step { sqrt_price, amount_in, amount_out, fee }), Ok(theirs)) => {
                    prop_assert_eq!((sqrt_price, amount_in, amount_out, fee), theirs);
                }
                (Err(_), Err(_)) => {}
                (ours, theirs) => prop_assert!(false, "{ours:?}, {theirs:?}"),
            }
        }
    }
}
