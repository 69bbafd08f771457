//! x^y = exp(y·ln x) with 18 decimals, digit for digit as Balancer's `LogExpMath` has it.
//!
//! The contract computes in 256 signed bits. Where a swap within the limits of a pool leads — a base between 1⁄1.3 and
//! 1⁄0.7, an exponent of at most 99 — every intermediate value fits into 128 bits and every product into 256, so this does
//! with native integers and one wide division where a product needs it. Truncation is that of the contract: towards zero,
//! which is why signs are kept apart from magnitudes.
//!
//! * ln: the argument is divided by e^(2⁵), e^(2⁴), … e^(2⁻⁴) as often as it contains them, the rest goes through
//!   ln a = 2·(z + z³⁄3 + z⁵⁄5 + …), z = (a − 1)⁄(a + 1), with 20 decimals. Close to one the series is used alone, with 36.
//! * exp: the argument is split into 2⁵, 2⁴, … 2⁻² and a rest, the powers' exponentials are multiplied, and the rest goes
//!   through Taylor's series, with 20 decimals.

use alloy_primitives::U256;

const ONE_18: u128 = 1_000_000_000_000_000_000;
const ONE_20: u128 = 100_000_000_000_000_000_000;
const ONE_36: u128 = ONE_18 * ONE_18;

/// Where the logarithm is taken with 36 decimals, bounds excluded.
const LN_36_BOUNDS: (u128, u128) = (ONE_18 - ONE_18 / 10, ONE_18 + ONE_18 / 10);
/// The largest exponent of e, either sign, with 18 decimals. Below, the contract stops there too; above, it goes on to 130,
/// where no swap does.
const MAX_EXPONENT: u128 = 41 * ONE_18;

/// Powers of two and their exponentials, with 20 decimals; the contract's own digits, not all of them right.
const POWERS: [(u128, u128); 10] = [
    (3_200_000_000_000_000_000_000, 7_896_296_018_268_069_516_100_000_000_000_000),
    (1_600_000_000_000_000_000_000, 888_611_052_050_787_263_676_000_000),
    (800_000_000_000_000_000_000, 298_095_798_704_172_827_474_000),
    (400_000_000_000_000_000_000, 5_459_815_003_314_423_907_810),
    (200_000_000_000_000_000_000, 738_905_609_893_065_022_723),
    (100_000_000_000_000_000_000, 271_828_182_845_904_523_536),
    (50_000_000_000_000_000_000, 164_872_127_070_012_814_685),
    (25_000_000_000_000_000_000, 128_402_541_668_774_148_407),
    (12_500_000_000_000_000_000, 113_314_845_306_682_631_683),
    (6_250_000_000_000_000_000, 106_449_445_891_785_942_956),
];
/// How many of [`POWERS`] the exponential uses; the contract leaves the last two to the series.
const EXP_POWERS: usize = 8;

/// x^y, all three with 18 decimals. None where a value leaves 128 bits or the exponent of e ±41, which no swap does.
pub(crate) fn pow(x: u128, y: u128) -> Option<u128> {
    if y == 0 {
        return Some(ONE_18);
    }
    if x == 0 {
        return Some(0);
    }
    let (negative, exponent) = if LN_36_BOUNDS.0 < x && x < LN_36_BOUNDS.1 {
        let (negative, ln) = ln_36(x)?;
        // Two products of 18 decimals instead of one of 36, as in the contract, lest it overflow.
        let whole = (ln / ONE_18).checked_mul(y)?;
        let part = (ln % ONE_18).checked_mul(y)? / ONE_18;
        (negative, whole.checked_add(part)? / ONE_18)
    } else if x < ONE_18 {
        (true, ln_20(ONE_36 / x)?.checked_mul(y)? / ONE_18)
    } else {
        (false, ln_20(x)?.checked_mul(y)? / ONE_18)
    };
    if exponent > MAX_EXPONENT {
        return None;
    }
    let power = exp(exponent)?;
    if negative { ONE_36.checked_div(power) } else { Some(power) }
}

/// ln a, a ≥ 1, of 18 decimals.
fn ln_20(a: u128) -> Option<u128> {
    let mut a = a.checked_mul(100)?;
    let mut sum = 0_u128;
    for (x_n, a_n) in POWERS {
        if a >= a_n {
            a = mul_div(a, ONE_20, a_n)?;
            sum = sum.checked_add(x_n)?;
        }
    }
    let z = mul_div(a.checked_sub(ONE_20)?, ONE_20, a.checked_add(ONE_20)?)?;
    let series = artanh_series::<6>(z, ONE_20)?;
    Some(sum.checked_add(series.checked_mul(2)?)? / 100)
}

/// Whether ln x is negative, and its magnitude with 36 decimals, for an x of 18 decimals between 0.9 and 1.1.
fn ln_36(x: u128) -> Option<(bool, u128)> {
    let x = x.checked_mul(ONE_18)?;
    let z = mul_div(x.abs_diff(ONE_36), ONE_36, x.checked_add(ONE_36)?)?;
    Some((x < ONE_36, artanh_series::<8>(z, ONE_36)?.checked_mul(2)?))
}

/// z + z³⁄3 + z⁵⁄5 + …: so many terms of artanh z, for an odd function's magnitude, with the decimals of `one`.
fn artanh_series<const TERMS: u128>(z: u128, one: u128) -> Option<u128> {
    let square = mul_div(z, z, one)?;
    let (mut power, mut sum) = (z, z);
    for n in 1..TERMS {
        power = mul_div(power, square, one)?;
        sum = sum.checked_add(power / (2 * n + 1))?;
    }
    Some(sum)
}

/// e^x for an x of 18 decimals, 0 ≤ x ≤ 41.
fn exp(x: u128) -> Option<u128> {
    let mut x = x.checked_mul(100)?;
    let mut product = ONE_20;
    for (x_n, a_n) in POWERS.into_iter().take(EXP_POWERS) {
        if x >= x_n {
            x -= x_n;
            product = mul_div(product, a_n, ONE_20)?;
        }
    }
    let (mut term, mut sum) = (x, ONE_20.checked_add(x)?);
    for n in 2..=12 {
        term = mul_div(term, x, ONE_20)? / n;
        sum = sum.checked_add(term)?;
    }
    Some(mul_div(product, sum, ONE_20)? / 100)
}

/// ⌊a·b ÷ divisor⌋, the product being exact.
fn mul_div(a: u128, b: u128, divisor: u128) -> Option<u128> {
    if let Some(product) = a.checked_mul(b) {
        return product.checked_div(divisor);
    }
    let product = U256::from(a).wrapping_mul(U256::from(b));
    product.checked_div(U256::from(divisor))?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_agree_with_the_real_numbers() {
        for x in [0.7, 0.77, 0.899, 0.9, 0.95, 0.999, 1.0, 1.001, 1.05, 1.1, 1.101, 1.3, 1.43, 2.0, 40.0] {
            for y in [0.0101, 0.25, 0.5, 1.0, 1.5, 4.0, 9.0] {
                let power = pow((x * 1e18) as u128, (y * 1e18) as u128).unwrap() as f64 / 1e18;
                assert!((power / f64::powf(x, y) - 1.0).abs() < 1e-14, "{x}^{y} = {power}");
            }
        }
    }

    #[test]
    fn the_domain_ends_where_it_is_said_to() {
        assert_eq!(pow(0, 0), Some(ONE_18));
        assert_eq!(pow(0, 1), Some(0));
        assert_eq!(pow(ONE_18, u128::MAX), Some(ONE_18));
        assert!(pow(ONE_18 * 10 / 7, 99 * ONE_18).is_some());
        assert!(pow(ONE_18 * 10 / 13, 99 * ONE_18).is_some());
        assert_eq!(pow(2 * ONE_18, 60 * ONE_18), None);
        assert_eq!(pow(u128::MAX, ONE_18), None);
        assert_eq!(pow(2 * ONE_18, u128::MAX), None);
    }
}
