use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, Uint};
use ballast_wire::{Decimal, WeightedProduct, WeightedReserve, WeightedVersion};
use proptest::prelude::*;

use super::WeightedPool;
use crate::{Exact, PoolError, SwapError, Venue};

const ONE: u64 = 1_000_000_000_000_000_000;
/// The pool's own token; those of [`wire`] are 1, 2, ….
const OWN: Address = Address::repeat_byte(0xff);

fn wire(version: WeightedVersion, fee: &str, coins: &[(u128, &str, &str)]) -> WeightedProduct {
    let tokens = coins.iter().zip(1..).map(|(&(balance, scaling_factor, weight), n)| {
        let (scaling_factor, weight) = (scaling_factor.parse().unwrap(), weight.parse().unwrap());
        (Address::with_last_byte(n), WeightedReserve { balance: U256::from(balance), scaling_factor, weight })
    });
    WeightedProduct { balancer_pool_id: B256::ZERO, tokens: tokens.collect(), fee: fee.parse().unwrap(), version }
}

fn pool(version: WeightedVersion, fee: &str, coins: &[(u128, &str, &str)]) -> Result<WeightedPool, PoolError> {
    WeightedPool::from_wire(OWN, &wire(version, fee, coins))
}

/// Swaps on Ethereum mainnet at block 24407242 as the Vault's `querySwap` answers them; recorded by BowTiedDevil/degenbot
/// (MIT), commit 1fb8d74b.
#[test]
fn answers_are_those_of_mainnet() {
    // 80 BAL 20 WETH, 0x5c6Ee304399DBdB9C8Ef030aB642B10820DB8F56: exponents 4 and 1⁄4.
    let (bal, weth) = ((29401141523139759968410400, "1", "0.8"), (605007002163317945954, "1", "0.2"));
    // 50 USDC 50 WETH, 0x96646936b91d6B9D7D0c47C496AfBF3D6ec7B6f8: six decimals, exponent 1.
    let (usdc, ether) = ((88868983841, "1000000000000", "0.5"), (42484865836432363093, "1", "0.5"));
    // 50 AURA 50 kaiAURA, 0x62E57e37E3185871c13a422A363293780D17305B: exponent 1 without logarithms.
    let (aura, kai) = ((62816080261597564972316, "1", "0.5"), (114799562283553693154351, "1", "0.5"));
    for (version, fee, coins, input, amount_in, amount_out) in [
        (WeightedVersion::V0, "0.01", [bal, weth], 0, 29401141523139756032, 2395821792851510),
        (WeightedVersion::V0, "0.01", [bal, weth], 0, 7350285380784939788664832, 355203694908849812592),
        (WeightedVersion::V0, "0.01", [bal, weth], 1, 60500700216331, 727677913614343872),
        (WeightedVersion::V0, "0.01", [bal, weth], 1, 151251750540829491200, 1581338286282635215558008),
        (WeightedVersion::V0, "0.003", [usdc, ether], 0, 8886, 4235148584961),
        (WeightedVersion::V0, "0.003", [usdc, ether], 1, 10621216459108089856, 17731114046),
        (WeightedVersion::V3Plus, "0.001", [aura, kai], 0, 6281608026159756, 11468475126312582),
        (WeightedVersion::V3Plus, "0.001", [aura, kai], 1, 28699890570888422096896_u128, 12553163468960985254976_u128),
    ] {
        let pool = pool(version, fee, &coins).unwrap();
        assert_eq!(pool.amount_out(input, 1 - input, U256::from(amount_in)), Ok(U256::from(amount_out)));
    }
}

#[test]
fn each_direction_knows_its_own_limit() {
    let even = pool(WeightedVersion::V0, "0", &[(1000, "1", "0.5"), (1000, "1", "0.5")]).unwrap();
    let ask = |amount: u64| (even.amount_out(0, 1, U256::from(amount)), even.amount_in(0, 1, U256::from(amount)));
    assert_eq!(ask(300), (Ok(U256::from(230)), Ok(U256::from(429))));
    assert_eq!(ask(301), (Err(SwapError::ExceedsCap), Err(SwapError::ExceedsCap)));
    // The fee does not count towards the limit on the input.
    let dear = pool(WeightedVersion::V0, "0.5", &[(1000, "1", "0.5"), (1000, "1", "0.5")]).unwrap();
    assert!(dear.amount_out(0, 1, U256::from(600)).is_ok());
    assert_eq!(dear.amount_out(0, 1, U256::from(602)), Err(SwapError::ExceedsCap));
}

#[test]
fn swaps_that_cannot_be_are_errors() {
    let pool = pool(WeightedVersion::V3Plus, "0.003", &[(10_000, "1", "0.8"), (1_000_000, "1", "0.2")]).unwrap();
    let one = U256::ONE;
    for (input, output, amount_in, error) in [
        (0, 0, one, SwapError::UnknownPair),
        (0, 2, one, SwapError::UnknownPair),
        (usize::MAX, 0, one, SwapError::UnknownPair),
        (0, 1, U256::ZERO, SwapError::ZeroAmount),
        (1, 0, one, SwapError::ZeroAmount),
    ] {
        assert_eq!(pool.amount_out(input, output, amount_in), Err(error));
    }
    assert_eq!(pool.amount_in(0, 1, U256::ZERO), Err(SwapError::ZeroAmount));
    assert!(pool.amount_out(0, 1, U256::MAX).is_err() && pool.amount_in(0, 1, U256::MAX).is_err());
}

#[test]
fn the_vault_takes_no_more_than_it_can_count() {
    let full = pool(WeightedVersion::V0, "0", &[((1 << 112) - 1, "1", "0.5"), (1 << 80, "1", "0.5")]).unwrap();
    assert_eq!(full.amount_out(0, 1, U256::ONE << 100), Err(SwapError::Overflow));
    assert_eq!(full.amount_in(0, 1, U256::ONE << 70), Err(SwapError::Overflow));
    assert!(full.amount_out(1, 0, U256::ONE << 70).is_ok());
}

#[test]
fn descriptions_that_no_pool_has_are_refused() {
    let half = (1000, "1", "0.5");
    let refused = |coins: &[_]| pool(WeightedVersion::V0, "0.003", coins).unwrap_err();
    assert_eq!(refused(&[(1000, "1", "1")]), PoolError::TokenCount { found: 1, expected: "2 to 8" });
    assert_eq!(refused(&[(1000, "1", "0.111111111111111111"); 9]), PoolError::TokenCount { found: 9, expected: "2 to 8" });
    let weights = "the weights do not sum to one";
    assert_eq!(refused(&[half, (1000, "1", "0.4999")]).reason(), weights);
    assert_eq!(refused(&[half, (1000, "1", "0.5001")]).reason(), weights);
    assert_eq!(refused(&[(1000, "1", "0.991"), (1000, "1", "0.009")]).reason(), "not between 0.01 and 1");
    assert_eq!(refused(&[half, (1000, "1.5", "0.5")]).reason(), "not an integer");
    assert_eq!(refused(&[half, (1000, "0", "0.5")]).reason(), "zero");
    assert_eq!(refused(&[half, (1 << 112, "1", "0.5")]).reason(), "needs more than 112 bits");
    assert_eq!(pool(WeightedVersion::V0, "1", &[half, half]).unwrap_err().reason(), "not below one");
    let own = WeightedPool::from_wire(Address::with_last_byte(2), &wire(WeightedVersion::V0, "0", &[half, half]));
    assert_eq!(own.unwrap_err().reason(), "holds its own pool token");
}

/// As mainnet's 0x02dca886b5af3b6400254d9909af9fb4b320794e had them in September 2023: 656⁄65535 and 64880⁄65535.
#[test]
fn weights_of_sixteen_bits_need_not_sum_to_one() {
    let weights = [(1000, "1", "0.010009918364232853"), (1000, "1", "0.990005340657663844")];
    assert!(pool(WeightedVersion::V0, "0.01", &weights).is_ok());
    // 655⁄65535 is a weight of 1 % too.
    assert!(
        pool(WeightedVersion::V0, "0.01", &[(1000, "1", "0.009994659342336156"), (1000, "1", "0.990005340657663844")]).is_ok()
    );
}

#[test]
fn dead_coins_are_left_out() {
    let (dead, live) = ((0, "1", "0.25"), (1000, "1", "0.25"));
    let pool = |coins: &[_]| pool(WeightedVersion::V0, "0", coins);
    let three = pool(&[live, dead, live, live]).unwrap();
    assert_eq!(three.tokens(), [1, 3, 4].map(Address::with_last_byte));
    assert_eq!(three.amount_out(0, 1, U256::from(100)), Ok(U256::from(90)));
    assert_eq!(pool(&[dead, dead, live, dead]), Err(PoolError::ZeroReserve(Address::with_last_byte(4))));
    assert_eq!(pool(&[dead; 4]), Err(PoolError::NoLiquidity));
}

fn version() -> impl Strategy<Value = WeightedVersion> {
    prop_oneof![Just(WeightedVersion::V0), Just(WeightedVersion::V3Plus)]
}

/// A number of `low` to `high` bits, each length as likely as another.
fn sized(low: u32, high: u32) -> impl Strategy<Value = u128> {
    (low..high, any::<u128>()).prop_map(|(bits, noise)| (1 << bits) | (noise & ((1 << bits) - 1)))
}

fn fee() -> impl Strategy<Value = Decimal> {
    (12..57_u32, any::<u64>())
        .prop_map(|(bits, noise)| Decimal::from_atoms(U256::from((1 << bits) | (noise & ((1 << bits) - 1)))))
}

/// A pool of two coins whose weights are `parts` of ten, with `decimals` each.
fn of_two(version: WeightedVersion, fee: Decimal, balances: [u128; 2], decimals: [u32; 2], part: u64) -> WeightedPool {
    let weights = [part, 10 - part].map(|p| U256::from(p) * U256::from(ONE / 10));
    let tokens = (0..2).map(|k| {
        let scaling_factor = Decimal::from_atoms(U256::from(10).pow(U256::from(36 - decimals[k])));
        let weight = Decimal::from_atoms(weights[k]);
        (Address::with_last_byte(k as u8 + 1), WeightedReserve { balance: U256::from(balances[k]), scaling_factor, weight })
    });
    WeightedPool::from_wire(OWN, &WeightedProduct { balancer_pool_id: B256::ZERO, tokens: tokens.collect(), fee, version })
        .unwrap()
}

/// (∏ xᵢ^wᵢ)¹⁰ for weights in tenths, exactly.
fn product(pool: &WeightedPool) -> Uint<1152, 18> {
    let mut product = Uint::from(1);
    for k in 0..2 {
        let tenths: u64 = (pool.weight(k).unwrap().atoms() / U256::from(ONE / 10)).to();
        product *= Uint::<1152, 18>::from(pool.balance(k).unwrap()).pow(Uint::from(tenths));
    }
    product
}

proptest! {
    #[test]
    fn reading_never_panics(
        address in 0..12_u8,
        coins in prop::collection::btree_map(0..12_u8, any::<([u64; 4], [u64; 4], [u64; 4])>(), 0..10),
        fee in any::<[u64; 4]>(), version in version(), shift in 0..256_usize,
    ) {
        let number = |limbs| U256::from_limbs(limbs) >> shift;
        let tokens: BTreeMap<_, _> = coins.into_iter().map(|(token, (balance, factor, weight))| {
            let (scaling_factor, weight) = (Decimal::from_atoms(number(factor)), Decimal::from_atoms(number(weight)));
            (Address::with_last_byte(token), WeightedReserve { balance: number(balance), scaling_factor, weight })
        }).collect();
        let wire = WeightedProduct { balancer_pool_id: B256::ZERO, tokens, fee: Decimal::from_atoms(number(fee)), version };
        let _ = WeightedPool::from_wire(Address::with_last_byte(address), &wire);
    }

    #[test]
    fn swapping_never_panics_and_an_error_changes_nothing(
        version in version(), fee in fee(), x in sized(0, 112), y in sized(0, 112), factor in sized(0, 68), part in 1..10_u64,
        amount in any::<[u64; 4]>(), shift in 0..256_usize, given_in in any::<bool>(),
    ) {
        let mut wire = wire(version, "0", &[(x, "1", "0.5"), (y, "1", "0.5")]);
        wire.fee = fee;
        for (reserve, weight) in wire.tokens.values_mut().zip([part, 10 - part]) {
            reserve.scaling_factor = Decimal::from_atoms(U256::from(factor) * U256::from(ONE));
            reserve.weight = Decimal::from_atoms(U256::from(weight * (ONE / 10)));
        }
        let Ok(before) = WeightedPool::from_wire(OWN, &wire) else { return Ok(()) };
        let amount = U256::from_limbs(amount) >> shift;
        let mut after = before.clone();
        let swapped = after.apply(0, 1, if given_in { Exact::Input(amount) } else { Exact::Output(amount) });
        match swapped {
            Err(_) => prop_assert_eq!(after, before),
            Ok(swapped) => {
                prop_assert_eq!(after.balance(0).unwrap(), U256::from(x) + swapped.amount_in);
                prop_assert_eq!(after.balance(1).unwrap(), U256::from(y) - swapped.amount_out);
            }
        }
    }

    #[test]
    fn the_invariant_never_falls(
        version in version(), fee in fee(), x in sized(10, 111), y in sized(10, 111), decimals in any::<[bool; 2]>(),
        part in 1..10_u64, amount in sized(0, 112), given_in in any::<bool>(),
    ) {
        let before = of_two(version, fee, [x, y], decimals.map(|d| if d { 18 } else { 6 }), part);
        let mut after = before.clone();
        let limited = U256::from(amount % if given_in { x } else { y });
        if after.apply(0, 1, if given_in { Exact::Input(limited) } else { Exact::Output(limited) }).is_ok() {
            prop_assert!(product(&after) >= product(&before));
        }
    }

    /// Logarithms are right to about the last of 18 places, so that a larger swap may fare worse by that much of a balance.
    #[test]
    fn quotes_are_monotone_to_the_last_place(
        version in version(), fee in fee(), x in sized(10, 111), y in sized(10, 111), part in 1..10_u64,
        amount in sized(0, 112), more in sized(0, 40),
    ) {
        let pool = of_two(version, fee, [x, y], [18, 18], part);
        let last_place = |balance: u128| U256::from(balance / 100_000_000_000_000_000);
        let less = U256::from(amount % x);
        if let (Ok(a), Ok(b)) = (pool.amount_out(0, 1, less), pool.amount_out(0, 1, less + U256::from(more))) {
            prop_assert!(a <= b + last_place(y));
        }
        let less = U256::from(amount % y);
        if let (Ok(a), Ok(b)) = (pool.amount_in(0, 1, less), pool.amount_in(0, 1, less + U256::from(more))) {
            prop_assert!(a <= b + last_place(x) * U256::from(part.max(10 - part)));
        }
    }

    /// Both directions add 10⁻¹⁴ to a power, each in the pool's favour but not at the same place: what an input is said to buy
    /// may cost more than that input, by this much of the balance.
    #[test]
    fn both_directions_agree_but_for_the_error_of_a_power(
        version in version(), fee in fee(), x in sized(10, 111), y in sized(10, 111), part in 1..10_u64, amount in sized(0, 112),
    ) {
        let pool = of_two(version, fee, [x, y], [18, 18], part);
        let amount = U256::from(amount % x);
        if let Ok(paid) = pool.amount_out(0, 1, amount) && let Ok(cost) = pool.amount_in(0, 1, paid) {
            // 2·10⁻¹⁴·(1 + w_o⁄w_i), and the fee on it.
            let power_error = U256::from(x / 4_000_000_000_000) / U256::from(part);
            prop_assert!(cost <= amount + power_error + U256::from(2), "{amount} buys {paid}, which costs {cost}");
        }
    }

    #[test]
    fn there_and_back_never_pays(
        version in version(), fee in fee(), x in sized(10, 111), y in sized(10, 111), part in 1..10_u64, amount in sized(0, 112),
    ) {
        let mut pool = of_two(version, fee, [x, y], [18, 18], part);
        let amount = U256::from(amount % x);
        if let Ok(there) = pool.apply(0, 1, Exact::Input(amount))
            && let Ok(back) = pool.apply(1, 0, Exact::Input(there.amount_out))
        {
            prop_assert!(back.amount_out <= amount);
        }
    }
}
