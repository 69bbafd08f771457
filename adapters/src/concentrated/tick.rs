//! Ticks and square roots of prices.

use alloy_primitives::U256;

/// The lowest tick.
pub(super) const MIN_TICK: i32 = -887_272;
/// The highest tick.
pub(super) const MAX_TICK: i32 = 887_272;
/// √price at [`MIN_TICK`].
pub(super) const MIN_SQRT_PRICE: U256 = U256::from_limbs([4_295_128_739, 0, 0, 0]);
/// √price at [`MAX_TICK`], which a pool never reaches.
pub(super) const MAX_SQRT_PRICE: U256 =
    U256::from_limbs([6_743_328_256_752_651_558, 17_280_870_778_742_802_505, 4_294_805_859, 0]);

/// 1.0001^(−2^i / 2) in units of 2⁻¹²⁸.
const POWERS: [u128; 20] = [
    0xfffcb933bd6fad37aa2d162d1a594001,
    0xfff97272373d413259a46990580e213a,
    0xfff2e50f5f656932ef12357cf3c7fdcc,
    0xffe5caca7e10e4e61c3624eaa0941cd0,
    0xffcb9843d60f6159c9db58835c926644,
    0xff973b41fa98c081472e6896dfb254c0,
    0xff2ea16466c96a3843ec78b326b52861,
    0xfe5dee046a99a2a811c461f1969c3053,
    0xfcbe86c7900a88aedcffc83b479aa3a4,
    0xf987a7253ac413176f2b074cf7815e54,
    0xf3392b0822b70005940c7a398e4b70f3,
    0xe7159475a2c29b7443b29c7fa6e889d9,
    0xd097f3bdfd2022b8845ad8f792aa5825,
    0xa9f746462d870fdf8a65dc1f90e061e5,
    0x70d869a156d2a1b890bb3df62baf32f7,
    0x31be135f97d08fd981231505542fcfa6,
    0x9aa508b5b7a84e1c677de54f3e99bc9,
    0x5d6af8dedb81196699c329225ee604,
    0x2216e584f5fa1ea926041bedfe98,
    0x48a170391f7dc42444e8fa2,
];

/// √(1.0001^tick)·2⁹⁶ as `TickMath.getSqrtRatioAtTick` rounds it; `None` beyond the bounds.
pub(super) fn sqrt_price_at(tick: i32) -> Option<U256> {
    if !(MIN_TICK..=MAX_TICK).contains(&tick) {
        return None;
    }
    let bits = tick.unsigned_abs();
    // The empty product is 2¹²⁸, one more than 128 bits hold.
    let ratio = POWERS.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, &power)| power).reduce(high_product);
    let ratio = match ratio {
        None => return Some(U256::ONE << 96),
        Some(ratio) if tick > 0 => U256::MAX.checked_div(U256::from(ratio))?,
        Some(ratio) => U256::from(ratio),
    };
    let fraction = ratio.as_limbs()[0] & u64::from(u32::MAX);
    Some((ratio >> 32) + U256::from(u8::from(fraction != 0)))
}

/// ⌊a·b / 2¹²⁸⌋
fn high_product(a: u128, b: u128) -> u128 {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    // Neither sum overflows: (2⁶⁴ − 1)² + 2·(2⁶⁴ − 1) = 2¹²⁸ − 1.
    let middle = a1 * b0 + ((a0 * b0) >> 64);
    let carry = a0 * b1 + (middle & LOW);
    a1 * b1 + (middle >> 64) + (carry >> 64)
}

/// The greatest tick whose √price is at most `sqrt_price`, which is what `TickMath.getTickAtSqrtRatio` computes; `None` beyond
/// the bounds.
pub(super) fn tick_at(sqrt_price: U256) -> Option<i32> {
    if !(MIN_SQRT_PRICE..MAX_SQRT_PRICE).contains(&sqrt_price) {
        return None;
    }
    // ln(1.0001) = 9.9995…e-5, and the double's own error is below 1e-9 ticks: the guess is right or one off, and the
    // exact comparison decides. So the result does not depend on how a platform rounds logarithms.
    const TICKS_PER_E: f64 = 20_000.999_950_000_83;
    const Q96: f64 = 79_228_162_514_264_337_593_543_950_336.0;
    let guess = ((f64::from(sqrt_price) / Q96).ln() * TICKS_PER_E).floor() as i32;
    let mut tick = guess.clamp(MIN_TICK, MAX_TICK - 1);
    while sqrt_price_at(tick)? > sqrt_price {
        tick -= 1;
    }
    while sqrt_price_at(tick + 1)? <= sqrt_price {
        tick += 1;
    }
    Some(tick)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uniswap_v3_math::tick_math;

    #[test]
    fn bounds_are_the_contracts() {
        assert_eq!(sqrt_price_at(MIN_TICK), Some(MIN_SQRT_PRICE));
        assert_eq!(sqrt_price_at(MAX_TICK), Some(MAX_SQRT_PRICE));
        assert_eq!(sqrt_price_at(0), Some(U256::ONE << 96));
        assert_eq!((sqrt_price_at(MIN_TICK - 1), sqrt_price_at(MAX_TICK + 1)), (None, None));
        assert_eq!((sqrt_price_at(i32::MIN), sqrt_price_at(i32::MAX)), (None, None));
        assert_eq!((tick_at(MIN_SQRT_PRICE - U256::ONE), tick_at(MAX_SQRT_PRICE)), (None, None));
        assert_eq!(tick_at(MIN_SQRT_PRICE), Some(MIN_TICK));
        assert_eq!(tick_at(MAX_SQRT_PRICE - U256::ONE), Some(MAX_TICK - 1));
    }

    /// Every tick there is, and the prices right below and at it, against the contract's own algorithm in another's hand.
    #[test]
    fn ticks_and_prices_are_inverse() {
        for tick in MIN_TICK..MAX_TICK {
            let price = sqrt_price_at(tick).unwrap();
            assert_eq!(price, tick_math::get_sqrt_ratio_at_tick(tick).unwrap(), "{tick}");
            assert_eq!(tick_at(price), Some(tick));
            if tick > MIN_TICK {
                assert_eq!(tick_at(price - U256::ONE), Some(tick - 1));
            }
        }
    }

    proptest! {
        #[test]
        fn ticks_of_any_price_are_the_contracts(limbs in any::<[u64; 3]>(), shift in 0..160usize) {
            let price = (U256::from_limbs([limbs[0], limbs[1], limbs[2] & 0xffff_ffff, 0])) >> shift;
            prop_assert_eq!(tick_at(price), tick_math::get_tick_at_sqrt_ratio(price).ok());
        }
    }
}
