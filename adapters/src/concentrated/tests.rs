use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use ballast_wire as wire;
use proptest::prelude::*;

use super::ConcentratedPool;
use super::tick::{MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK, sqrt_price_at};
use crate::{Exact, PoolError, SwapError, Venue};

const TIERS: [(u32, i32); 5] = [(100, 1), (500, 10), (2_500, 50), (3_000, 60), (10_000, 200)];

fn pips(pips: u32) -> wire::Decimal {
    wire::Decimal::from_atoms(U256::from(pips) * U256::from(1_000_000_000_000u64))
}

fn nets<'a>(nets: impl IntoIterator<Item = &'a (i32, i128)>) -> BTreeMap<String, String> {
    nets.into_iter().map(|(tick, net)| (tick.to_string(), net.to_string())).collect()
}

/// 10⁹ of liquidity between the ticks −60 and 60, and the price at 1.
fn simple() -> wire::ConcentratedLiquidity {
    wire::ConcentratedLiquidity {
        router: Address::ZERO,
        tokens: vec![Address::repeat_byte(1), Address::repeat_byte(2)],
        sqrt_price: U256::ONE << 96,
        liquidity: U256::from(1_000_000_000),
        tick: 0,
        liquidity_net: nets(&[(-60, 1_000_000_000), (60, -1_000_000_000)]),
        fee: pips(3_000),
    }
}

fn read(pool: &wire::ConcentratedLiquidity) -> Result<ConcentratedPool, PoolError> {
    ConcentratedPool::from_wire(Address::ZERO, pool)
}

/// WBTC/WETH 0.3 % (0xCBCdF9626bC03E24f779434178A73a0B4bad62eD) at block 24407242 of Ethereum mainnet, and what the contract's
/// quoter answered there. Of the pool's 458 ticks those around the price are kept, with what lies further out gathered in
/// the outermost two. State and answers: degenbot's test fixtures (BowTiedDevil/degenbot, commit 1fb8d74b, MIT).
#[test]
fn quotes_are_those_of_mainnet() {
    let pool = read(&wire::ConcentratedLiquidity {
        sqrt_price: U256::from(45_586_356_773_108_504_879_089_041_748_871_691u128),
        tick: 265_269,
        liquidity: U256::from(77_835_804_873_159_631u128),
        liquidity_net: nets(&[
            (264_900, 75_195_299_808_712_934),
            (264_960, 1_380_939_922_106_377),
            (265_020, -67_257_505_082_909),
            (265_080, 2_652_833_227_399_492),
            (265_140, -49_763_457_874_392),
            (265_200, 803_267_653_803_831),
            (265_260, -2_079_514_775_905_702),
            (265_320, -321_023_649_446_831),
            (265_380, 32_034_539_956_899_984),
            (265_440, -485_957_033_311_542),
            (265_500, -1_383_966_320_459_811),
            (265_560, -1_660_751_908_496_395),
            (265_620, -34_536_036_262_481_464),
            (265_680, -71_482_609_655_863_572),
        ]),
        ..simple()
    })
    .unwrap();
    // Input, output, amount, answer. The larger ones cross ticks.
    for (input, output, amount, answer) in [
        (0, 1, 10u128, 2_979_566_701_607u128),
        (0, 1, 100, 32_775_233_695_879),
        (0, 1, 1_000, 330_069_775_534_086),
        (0, 1, 1_173_251, 387_251_266_762_569_072),
        (0, 1, 10_000_000, 3_300_454_534_179_071_210),
        (0, 1, 117_325_157, 38_692_231_040_214_625_132),
        (0, 1, 1_173_251_578, 384_000_742_343_399_199_826),
        (1, 0, 1_000_000_000_000_000, 3_011),
        (1, 0, 100_000_000_000_000_000, 301_150),
        (1, 0, 10_000_000_000_000_000_000, 30_108_414),
    ] {
        assert_eq!(pool.amount_out(input, output, U256::from(amount)), Ok(U256::from(answer)), "{amount} in, {input} → {output}");
    }
    for (input, output, amount, answer) in [
        (0, 1, 1_000_000_000u128, 2u128),
        (0, 1, 1_000_000_000_000_000, 3_031),
        (0, 1, 10_000_000_000_000_000_000, 30_303_392),
        (1, 0, 1, 332_059_144_303),
        (1, 0, 1_000, 332_059_146_754_884),
        (1, 0, 1_173_251, 389_592_102_021_977_811),
        (1, 0, 100_000_000, 33_230_479_187_715_228_560),
        (1, 0, 1_000_000_000, 334_489_453_215_405_945_542),
        (1, 0, 1_173_251_578, 392_870_579_619_488_734_312),
    ] {
        assert_eq!(pool.amount_in(input, output, U256::from(amount)), Ok(U256::from(answer)), "{amount} out, {input} → {output}");
    }
}

#[test]
fn what_no_pool_can_be_is_refused_and_named() {
    let (one, two) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let refused = |change: fn(&mut wire::ConcentratedLiquidity)| {
        let mut pool = simple();
        change(&mut pool);
        read(&pool).unwrap_err()
    };
    assert_eq!(refused(|p| p.tokens.truncate(1)), PoolError::TokenCount { found: 1, expected: "two" });
    assert_eq!(refused(|p| p.tokens[1] = p.tokens[0]), PoolError::DuplicateToken(one));
    assert_eq!(refused(|p| p.liquidity_net.clear()), PoolError::NoLiquidity);
    for (change, message) in [
        ((|p| p.tokens.reverse()) as fn(&mut wire::ConcentratedLiquidity), "tokens: not in ascending order"),
        (|p| p.fee = pips(200), "fee: no tier with a known tick spacing"),
        (|p| p.fee = wire::Decimal::from_atoms(U256::MAX), "fee: no tier with a known tick spacing"),
        (|p| p.sqrt_price = U256::ZERO, "sqrtPrice: beyond the bounds"),
        (|p| p.sqrt_price = MIN_SQRT_PRICE - U256::ONE, "sqrtPrice: beyond the bounds"),
        (|p| p.sqrt_price = MAX_SQRT_PRICE, "sqrtPrice: beyond the bounds"),
        (|p| p.sqrt_price = U256::MAX, "sqrtPrice: beyond the bounds"),
        (|p| p.tick = 1, "tick: not that of the price"),
        (|p| p.tick = -2, "tick: not that of the price"),
        (|p| p.tick = i32::MIN, "tick: not that of the price"),
        (|p| p.liquidity += U256::ONE, "liquidityNet: does not add up to the active liquidity"),
        (|p| p.liquidity = U256::MAX, "liquidityNet: does not add up to the active liquidity"),
        (|p| p.liquidity_net = nets(&[(-60, 2_000_000_000), (60, -1_000_000_000)]), "liquidityNet: does not add up to zero"),
        (|p| p.liquidity_net = nets(&[(-60, -1), (60, 1)]), "liquidityNet: active liquidity leaves its 128 bits"),
        (|p| p.liquidity_net = nets(&[(-60, 1), (61, -1)]), "liquidityNet: a tick is off the spacing"),
        (|p| p.liquidity_net = nets(&[(-60, 1), (887_280, -1)]), "liquidityNet: a tick is beyond the bounds"),
        (|p| p.liquidity_net = nets(&[(i32::MIN, 1), (60, -1)]), "liquidityNet: a tick is beyond the bounds"),
        (|p| _ = p.liquidity_net.insert("+60".into(), "0".into()), "liquidityNet: a tick twice"),
        (|p| _ = p.liquidity_net.insert("x".into(), "0".into()), "liquidityNet: a tick is no number"),
        (|p| _ = p.liquidity_net.insert("0".into(), (1u128 << 127).to_string()), "liquidityNet: beyond 128 bits, or no number"),
    ] {
        assert_eq!(refused(change).to_string(), message);
    }
    assert!(two > one);
}

/// Right at a tick to which the price came down, the contract says the tick below, and has its liquidity switched.
#[test]
fn a_price_that_came_down_to_a_tick_is_below_it() {
    let pool = |tick, sqrt_price, liquidity: u64| {
        read(&wire::ConcentratedLiquidity { tick, sqrt_price, liquidity: U256::from(liquidity), ..simple() })
    };
    let (lower, upper) = (sqrt_price_at(-60).unwrap(), sqrt_price_at(60).unwrap());
    assert_eq!(pool(-61, lower, 0).unwrap().ticks_below(), 0);
    assert_eq!(pool(-60, lower, 1_000_000_000).unwrap().ticks_below(), 1);
    assert_eq!(pool(59, upper, 1_000_000_000).unwrap().ticks_below(), 1);
    assert_eq!(pool(60, upper, 0).unwrap().ticks_below(), 2);
    // Not at a multiple of the spacing, where no swap stops; and not exactly at the tick.
    assert!(pool(0, sqrt_price_at(1).unwrap(), 1_000_000_000).is_err());
    assert!(pool(-61, lower + U256::ONE, 0).is_err());
}

#[test]
fn swaps_that_reach_a_tick_end_on_the_contracts_side_of_it() {
    let mut pool = read(&simple()).unwrap();
    let all = (0..40).rev().fold(U256::ZERO, |sum, bit| {
        let more: U256 = sum + (U256::ONE << bit);
        if pool.amount_out(0, 1, more).is_ok() { more } else { sum }
    });
    assert_eq!(pool.apply(0, 1, Exact::Input(all + U256::ONE)), Err(SwapError::InsufficientLiquidity));
    pool.apply(0, 1, Exact::Input(all)).unwrap();
    assert_eq!((pool.tick(), pool.liquidity(), pool.ticks_below()), (-61, 0, 0));
    assert_eq!(pool.sqrt_price(), sqrt_price_at(-60).unwrap());
    // Nothing is left in this direction, and everything in the other.
    assert_eq!(pool.amount_out(0, 1, U256::from(1_000)), Err(SwapError::InsufficientLiquidity));
    assert_eq!(pool.amount_in(0, 1, U256::ONE), Err(SwapError::InsufficientLiquidity));
    pool.apply(1, 0, Exact::Output(U256::from(1_000))).unwrap();
    assert_eq!((pool.tick(), pool.liquidity(), pool.ticks_below()), (-60, 1_000_000_000, 1));
}

#[test]
fn errors_are_named() {
    let pool = read(&simple()).unwrap();
    for (input, output, exact, error) in [
        (0, 0, Exact::Input(U256::ONE), SwapError::UnknownPair),
        (1, 2, Exact::Output(U256::ONE), SwapError::UnknownPair),
        (0, 1, Exact::Input(U256::ZERO), SwapError::ZeroAmount),
        (0, 1, Exact::Input(U256::ONE), SwapError::ZeroAmount),
        (0, 1, Exact::Output(U256::ZERO), SwapError::ZeroAmount),
        (0, 1, Exact::Input(U256::MAX), SwapError::Overflow),
        (0, 1, Exact::Output(U256::ONE << 255), SwapError::Overflow),
        (0, 1, Exact::Input(U256::MAX >> 1), SwapError::InsufficientLiquidity),
        (1, 0, Exact::Output(U256::MAX >> 1), SwapError::InsufficientLiquidity),
    ] {
        assert_eq!(pool.clone().apply(input, output, exact), Err(error), "{input} → {output}, {exact:?}");
    }
}

/// The price sits at the ends of the range: nothing panics there, and the way back is open.
#[test]
fn the_bounds_can_be_reached() {
    let full = nets(&[(MIN_TICK, 1_000), (MAX_TICK, -1_000)]);
    for (sqrt_price, tick) in [(MIN_SQRT_PRICE + U256::ONE, MIN_TICK), (MAX_SQRT_PRICE - U256::ONE, MAX_TICK - 1)] {
        let wire = wire::ConcentratedLiquidity {
            sqrt_price,
            tick,
            liquidity: U256::from(1_000),
            liquidity_net: full.clone(),
            fee: pips(100),
            ..simple()
        };
        let pool = read(&wire).unwrap();
        let (out, back) = if tick == MIN_TICK { (0, 1) } else { (1, 0) };
        assert_eq!(pool.amount_out(out, back, U256::from(1u64 << 40)), Err(SwapError::InsufficientLiquidity));
        assert!(pool.amount_in(back, out, U256::ONE).is_ok());
    }
}

/// Positions around a tick, some of them far away, and a price among them.
fn pools() -> impl Strategy<Value = wire::ConcentratedLiquidity> {
    let position = (-300..300i32, 1..200i32, 0..100u32, any::<u64>());
    let tier = prop::sample::select(&TIERS[..]);
    (tier, -300_000..300_000i32, prop::collection::vec(position, 1..12), any::<u32>()).prop_map(
        |((fee, spacing), tick, positions, part)| {
            let mut net = BTreeMap::<i32, i128>::new();
            for (from, width, bits, noise) in positions {
                let lower = (tick.div_euclid(spacing) + from).clamp(MIN_TICK / spacing, MAX_TICK / spacing - width) * spacing;
                let liquidity = ((i128::from(noise) << 36) >> (100 - bits)) + 1;
                *net.entry(lower).or_default() += liquidity;
                *net.entry(lower + width * spacing).or_default() -= liquidity;
            }
            let active: i128 = net.range(..=tick).map(|(_, net)| net).sum();
            let (low, high) = (sqrt_price_at(tick).unwrap(), sqrt_price_at(tick + 1).unwrap());
            wire::ConcentratedLiquidity {
                sqrt_price: low + (high - low) * U256::from(part) / U256::from(1u64 << 32),
                tick,
                liquidity: U256::try_from(active).unwrap(),
                liquidity_net: net.iter().map(|(t, net)| (t.to_string(), net.to_string())).collect(),
                fee: pips(fee),
                ..simple()
            }
        },
    )
}

fn amount() -> impl Strategy<Value = U256> {
    (0..110usize, any::<[u64; 4]>()).prop_map(|(bits, noise)| (U256::from_limbs(noise) >> (255 - bits)) + U256::ONE)
}

proptest! {
    #[test]
    fn reading_never_panics(
        tokens in prop::collection::vec(any::<u8>(), 0..4),
        numbers in any::<[[u64; 4]; 2]>(),
        shift in 0..256usize,
        tick in prop_oneof![any::<i32>(), MIN_TICK..MAX_TICK],
        nets in prop::collection::btree_map("-?[0-9]{1,12}|.*", "-?[0-9]{1,45}|.*", 0..6),
        fee in prop_oneof![any::<u64>(), prop::sample::select(vec![100u64, 500, 2_500, 3_000, 10_000]).prop_map(|pips| pips * 1_000_000_000_000)],
        priced in any::<bool>(),
    ) {
        let [sqrt_price, liquidity] = numbers.map(|limbs| U256::from_limbs(limbs) >> shift);
        let sqrt_price = if priced { sqrt_price_at(tick).unwrap_or(sqrt_price) } else { sqrt_price };
        let tokens = tokens.into_iter().map(Address::repeat_byte).collect();
        let fee = wire::Decimal::from_atoms(U256::from(fee));
        let _ = read(&wire::ConcentratedLiquidity { router: Address::ZERO, tokens, sqrt_price, liquidity, tick, liquidity_net: nets, fee });
    }

    #[test]
    fn swapping_never_panics_and_an_error_changes_nothing(wire in pools(), limbs in any::<[u64; 4]>(), shift in 0..256usize, input in 0..3usize) {
        let pool = read(&wire).unwrap();
        let amount = U256::from_limbs(limbs) >> shift;
        for exact in [Exact::Input(amount), Exact::Output(amount)] {
            let mut after = pool.clone();
            if after.apply(input, 1 - input.min(1), exact).is_err() {
                prop_assert_eq!(&after, &pool);
            }
        }
    }

    /// A state after a swap is one that could have been read.
    #[test]
    fn swaps_lead_to_valid_states(wire in pools(), amount in amount(), input in 0..2usize) {
        let mut pool = read(&wire).unwrap();
        if pool.apply(input, 1 - input, Exact::Input(amount)).is_err() {
            return Ok(());
        }
        let again = wire::ConcentratedLiquidity {
            sqrt_price: pool.sqrt_price(), tick: pool.tick(), liquidity: U256::from(pool.liquidity()), ..wire
        };
        prop_assert_eq!(read(&again).unwrap(), pool);
    }

    #[test]
    fn quotes_are_monotone(wire in pools(), a in amount(), b in amount(), input in 0..2usize) {
        let pool = read(&wire).unwrap();
        let (less, more) = (a.min(b), a.max(b));
        if let (Ok(a), Ok(b)) = (pool.amount_out(input, 1 - input, less), pool.amount_out(input, 1 - input, more)) {
            prop_assert!(a <= b);
        }
        if let (Ok(a), Ok(b)) = (pool.amount_in(input, 1 - input, less), pool.amount_in(input, 1 - input, more)) {
            prop_assert!(a <= b);
        }
    }

    /// What is quoted for an output buys it. And an output is not quoted dearer than an input that bought it, but for one
    /// case: if an output is all that there is up to a stop, given out goes to that stop, while given in may have bought
    /// the same whole atoms a little before it.
    #[test]
    fn both_directions_agree(wire in pools(), amount in amount(), input in 0..2usize) {
        let pool = read(&wire).unwrap();
        if let Ok(out) = pool.amount_out(input, 1 - input, amount) {
            let mut after = pool.clone();
            let cost = after.apply(input, 1 - input, Exact::Output(out)).unwrap().amount_in;
            let at_a_stop = [after.tick(), after.tick() + 1].into_iter().any(|tick| sqrt_price_at(tick) == Some(after.sqrt_price()));
            prop_assert!(cost <= amount || at_a_stop);
        }
        if let Ok(cost) = pool.amount_in(input, 1 - input, amount) {
            prop_assert!(pool.amount_out(input, 1 - input, cost).unwrap() >= amount);
        }
    }

    #[test]
    fn there_and_back_never_pays(wire in pools(), amount in amount(), input in 0..2usize, given_in in any::<bool>()) {
        let mut pool = read(&wire).unwrap();
        let exact = if given_in { Exact::Input(amount) } else { Exact::Output(amount) };
        if let Ok(there) = pool.apply(input, 1 - input, exact) && let Ok(back) = pool.apply(1 - input, input, Exact::Input(there.amount_out)) {
            prop_assert!(back.amount_out <= there.amount_in);
        }
    }

    /// In two parts a swap gets no more than at once: the curve is concave, and rounding is against the trader.
    #[test]
    fn splitting_never_pays(wire in pools(), a in amount(), b in amount(), input in 0..2usize) {
        let whole = read(&wire).unwrap();
        let mut parts = whole.clone();
        if let Ok(first) = parts.apply(input, 1 - input, Exact::Input(a))
            && let Ok(second) = parts.apply(input, 1 - input, Exact::Input(b))
            && let Ok(at_once) = whole.amount_out(input, 1 - input, a + b)
        {
            prop_assert!(first.amount_out + second.amount_out <= at_once);
        }
    }
}
