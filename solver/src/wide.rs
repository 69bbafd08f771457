//! Products and ratios of amounts without overflow.

use alloy_primitives::{U256, U512};

fn product(a: U256, b: U256) -> U512 {
    a.widening_mul(b)
}

fn narrow(x: U512) -> Option<U256> {
    let [a, b, c, d, rest @ ..] = x.into_limbs();
    (rest == [0; 4]).then(|| U256::from_limbs([a, b, c, d]))
}

fn widen(x: U256) -> U512 {
    let [a, b, c, d] = x.into_limbs();
    U512::from_limbs([a, b, c, d, 0, 0, 0, 0])
}

/// Whether a·b ≥ c·d.
pub(crate) fn at_least(a: U256, b: U256, c: U256, d: U256) -> bool {
    product(a, b) >= product(c, d)
}

/// ⌊a·b/c⌋; `None` if c is zero or the result exceeds 256 bits.
pub(crate) fn mul_div(a: U256, b: U256, c: U256) -> Option<U256> {
    product(a, b).checked_div(widen(c)).and_then(narrow)
}

/// ⌈a·b/c⌉; `None` if c is zero or the result exceeds 256 bits.
pub(crate) fn mul_div_up(a: U256, b: U256, c: U256) -> Option<U256> {
    if c.is_zero() {
        return None;
    }
    narrow(product(a, b).div_ceil(widen(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_beyond_256_bits_come_back() {
        assert_eq!(mul_div(U256::MAX, U256::MAX, U256::MAX), Some(U256::MAX));
        assert_eq!(mul_div_up(U256::MAX, U256::from(2), U256::from(4)), Some((U256::MAX >> 1) + U256::ONE));
        assert_eq!(mul_div(U256::MAX, U256::from(2), U256::ONE), None);
        assert_eq!(mul_div(U256::ONE, U256::ONE, U256::ZERO), None);
        assert!(at_least(U256::MAX, U256::MAX, U256::MAX, U256::MAX));
        assert!(!at_least(U256::MAX, U256::MAX - U256::ONE, U256::MAX, U256::MAX));
    }
}
