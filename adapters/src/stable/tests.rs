use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, Uint};
use ballast_wire::{Decimal, ScaledReserve, Stable};
use proptest::prelude::*;

use super::StablePool;
use super::invariant::{Arithmetic, invariant};
use crate::{Exact, PoolError, SwapError, Venue};

/// The pool's own token; those of [`wire`] are 1, 2, ….
const OWN: Address = Address::repeat_byte(0xff);

fn wire(listed: bool, amp: &str, fee: &str, coins: &[(u128, &str)]) -> Stable {
    let reserve =
        |balance: u128, factor: &str| ScaledReserve { balance: U256::from(balance), scaling_factor: factor.parse().unwrap() };
    let coins = coins.iter().zip(1..).map(|(&(balance, factor), n)| (Address::with_last_byte(n), reserve(balance, factor)));
    Stable {
        balancer_pool_id: B256::ZERO,
        tokens: coins.chain(listed.then(|| (OWN, reserve(2596148429267393795453923395287065, "1")))).collect(),
        amplification_parameter: amp.parse().unwrap(),
        fee: fee.parse().unwrap(),
    }
}

fn pool(listed: bool, amp: &str, fee: &str, coins: &[(u128, &str)]) -> Result<StablePool, PoolError> {
    StablePool::from_wire(OWN, &wire(listed, amp, fee, coins))
}

/// Swaps on Ethereum mainnet at block 24407242 as the Vault's `querySwap` answers them; recorded by BowTiedDevil/degenbot
/// (MIT), commit 1fb8d74b.
#[test]
fn answers_are_those_of_mainnet() {
    // The meta-stable pool of wstETH and WETH, 0x32296969Ef14EB0c6d29669C550D4a0449130230.
    let lido = pool(false, "50", "0.0004", &[(83498638933194391, "1.226470562881593452"), (101943423934693947, "1")]).unwrap();
    // The composable pool of bb-a-TUSD and bb-a-USD, 0x53BC3cBa3832ebeCBFa002c12023F8ab1AA3a3a0, far off its centre.
    let tusd =
        pool(true, "600", "0.0003", &[(9932226138436149651, "1"), (10067534331245782107, "0.000366332019912307")]).unwrap();
    for (pool, input, amount_in, amount_out) in [
        (&lido, 0, 8349863893_u64, 10235851125_u64),
        (&lido, 0, 20874659733298596, 25456346087288893),
        (&lido, 1, 25485855983673488, 20666198671105459),
        (&tusd, 0, 993222613843, 5128707063198),
        (&tusd, 0, 2483056534609037312, 6089350423018016297),
        (&tusd, 1, 1006753433124, 194850256524),
        (&tusd, 1, 2516883582811445760, 402989104440194654),
    ] {
        assert_eq!(pool.amount_out(input, 1 - input, U256::from(amount_in)), Ok(U256::from(amount_out)));
    }
}

#[test]
fn the_own_token_is_set_aside_and_tells_the_arithmetic() {
    let coins = [(9932226138436149651, "1"), (10067534331245782107, "0.000366332019912307")];
    let (listed, unlisted) = (pool(true, "600", "0.0003", &coins).unwrap(), pool(false, "600", "0.0003", &coins).unwrap());
    assert_eq!(listed.tokens(), [1, 2].map(Address::with_last_byte));
    assert_eq!(listed.tokens(), unlisted.tokens());
    let amount = U256::from(1006753433124_u64);
    assert_eq!(listed.amount_out(1, 0, amount), Ok(U256::from(194850256524_u64)));
    assert_eq!(unlisted.amount_out(1, 0, amount), Ok(U256::from(194850256478_u64)));
}

#[test]
fn descriptions_that_no_pool_has_are_refused() {
    let coin = (1_000_000_000_000_000_000_000, "1");
    let refused = |listed, amp, coins: &[_]| pool(listed, amp, "0.0004", coins).unwrap_err();
    assert_eq!(refused(false, "100", &[coin]), PoolError::TokenCount { found: 1, expected: "2 to 5 besides the pool's own" });
    assert_eq!(refused(true, "100", &[coin]), PoolError::TokenCount { found: 1, expected: "2 to 5 besides the pool's own" });
    assert_eq!(refused(true, "100", &[coin; 6]), PoolError::TokenCount { found: 6, expected: "2 to 5 besides the pool's own" });
    for amp in ["0", "0.999", "5000.001", "100.0001"] {
        assert_eq!(refused(false, amp, &[coin; 2]).reason(), "not between 1 and 5000 with three places", "{amp}");
    }
    assert_eq!(refused(false, "100", &[coin, (0, "1")]), PoolError::ZeroReserve(Address::with_last_byte(2)));
    assert_eq!(refused(false, "100", &[coin, (1, "0.5")]), PoolError::ZeroReserve(Address::with_last_byte(2)));
    assert_eq!(refused(false, "100", &[coin, (1 << 112, "1")]).reason(), "needs more than 112 bits");
    assert_eq!(refused(false, "100", &[coin, (1, "1")]).reason(), "the invariant cannot be computed");
    assert_eq!(pool(false, "100", "1", &[coin; 2]).unwrap_err().reason(), "not below one");
    assert!(pool(true, "1", "0.0004", &[coin; 5]).is_ok() && pool(false, "5000", "0", &[coin; 2]).is_ok());
    assert!(pool(false, "123.456", "0", &[coin; 2]).is_ok());
}

#[test]
fn swaps_that_cannot_be_are_errors() {
    let coin = (1_000_000_000_000_000_000_000, "1");
    let pool = pool(true, "100", "0.0004", &[coin; 3]).unwrap();
    let whole = U256::from(coin.0);
    for (input, output, exact, error) in [
        (0, 0, Exact::Input(whole), SwapError::UnknownPair),
        (0, 3, Exact::Input(whole), SwapError::UnknownPair),
        (0, 1, Exact::Input(U256::ZERO), SwapError::ZeroAmount),
        (0, 1, Exact::Input(U256::ONE), SwapError::ZeroAmount),
        (0, 1, Exact::Input(U256::ONE << 112), SwapError::Overflow),
        (0, 1, Exact::Input(U256::MAX), SwapError::Overflow),
        (0, 1, Exact::Output(U256::ZERO), SwapError::ZeroAmount),
        (0, 1, Exact::Output(whole), SwapError::InsufficientLiquidity),
        (0, 1, Exact::Output(whole + U256::ONE), SwapError::InsufficientLiquidity),
        (0, 1, Exact::Output(U256::MAX), SwapError::InsufficientLiquidity),
    ] {
        let mut after = pool.clone();
        assert_eq!(after.apply(input, output, exact), Err(error), "{input} → {output}, {exact:?}");
        assert_eq!(after, pool);
    }
    // There is no limit of 30 % here.
    assert!(pool.amount_out(0, 1, whole * U256::from(3)).is_ok() && pool.amount_in(0, 1, whole - U256::from(1_000_000)).is_ok());
}

/// Balances within a factor of 16 of each other, about the tenth of a cent to a hundred billion dollars.
fn coins() -> impl Strategy<Value = Vec<U256>> {
    (52..92_u32, prop::collection::vec((0..4_u32, any::<u128>()), 2..=5)).prop_map(|(bits, coins)| {
        coins.into_iter().map(|(more, noise)| U256::from((1 << (bits + more)) | (noise & ((1 << (bits + more)) - 1)))).collect()
    })
}

fn fee() -> impl Strategy<Value = Decimal> {
    (12..57_u32, any::<u64>())
        .prop_map(|(bits, noise)| Decimal::from_atoms(U256::from((1 << bits) | (noise & ((1 << bits) - 1)))))
}

fn amp() -> impl Strategy<Value = U256> {
    (10..22_u32, any::<u32>()).prop_map(|(bits, noise)| U256::from((1 << bits) | (noise & ((1 << bits) - 1))))
}

fn of(listed: bool, amp: U256, fee: Decimal, balances: &[U256]) -> Result<StablePool, PoolError> {
    let mut wire = wire(listed, "1", "0", &vec![(1, "1"); balances.len()]);
    for (reserve, balance) in wire.tokens.values_mut().zip(balances) {
        reserve.balance = *balance;
    }
    wire.amplification_parameter = Decimal::from_atoms(amp * U256::from(1_000_000_000_000_000_u64));
    wire.fee = fee;
    StablePool::from_wire(OWN, &wire)
}

fn balances(pool: &StablePool) -> Vec<U256> {
    (0..pool.tokens().len()).map(|k| pool.balance(k).unwrap()).collect()
}

type Wide = Uint<1024, 16>;

/// Whether D is at most the real invariant: A·n·Σx + D − A·n·D − Dⁿ⁺¹ ⁄ (nⁿ·Πx) ≥ 0, exactly.
fn at_most_the_invariant(d: U256, amp: U256, balances: &[U256]) -> bool {
    let n = Wide::from(balances.len());
    let (d, amp_n) = (Wide::from(d), Wide::from(amp) * n);
    let sum: Wide = balances.iter().map(|&b| Wide::from(b)).sum();
    let product: Wide = balances.iter().map(|&b| Wide::from(b) * n).product();
    let thousand = Wide::from(1000);
    (amp_n * sum + thousand * d) * product >= amp_n * d * product + thousand * d.pow(n + Wide::from(1))
}

proptest! {
    #[test]
    fn reading_never_panics(
        address in 0..8_u8, coins in prop::collection::btree_map(0..8_u8, any::<([u64; 4], [u64; 4])>(), 0..8),
        amp in any::<[u64; 4]>(), fee in any::<[u64; 4]>(), shift in 0..256_usize,
    ) {
        let number = |limbs| U256::from_limbs(limbs) >> shift;
        let tokens: BTreeMap<_, _> = coins.into_iter().map(|(token, (balance, factor))| {
            let scaling_factor = Decimal::from_atoms(number(factor));
            (Address::with_last_byte(token), ScaledReserve { balance: number(balance), scaling_factor })
        }).collect();
        let (amplification_parameter, fee) = (Decimal::from_atoms(number(amp)), Decimal::from_atoms(number(fee)));
        let wire = Stable { balancer_pool_id: B256::ZERO, tokens, amplification_parameter, fee };
        let _ = StablePool::from_wire(Address::with_last_byte(address), &wire);
    }

    #[test]
    fn swapping_never_panics_and_an_error_changes_nothing(
        listed in any::<bool>(), amp in amp(), fee in fee(), amount in any::<[u64; 4]>(), shift in 0..256_usize,
        given_in in any::<bool>(), factors in prop::collection::vec((0..128_usize, any::<u128>(), 0..112_usize), 2..=5),
    ) {
        let mut wire = wire(listed, "1", "0", &vec![(1, "1"); factors.len()]);
        for (reserve, &(factor, noise, balance)) in wire.tokens.values_mut().zip(&factors) {
            reserve.scaling_factor = Decimal::from_atoms(U256::ONE.max(U256::from(noise) >> (127 - factor)));
            reserve.balance = U256::ONE.max(U256::from(noise) >> (127 - balance));
        }
        wire.amplification_parameter = Decimal::from_atoms(amp * U256::from(1_000_000_000_000_000_u64));
        wire.fee = fee;
        let Ok(before) = StablePool::from_wire(OWN, &wire) else { return Ok(()) };
        let amount = U256::from_limbs(amount) >> shift;
        let mut after = before.clone();
        match after.apply(0, 1, if given_in { Exact::Input(amount) } else { Exact::Output(amount) }) {
            Err(_) => prop_assert_eq!(after, before),
            Ok(swapped) => {
                prop_assert_eq!(after.balance(0).unwrap(), before.balance(0).unwrap() + swapped.amount_in);
                prop_assert_eq!(after.balance(1).unwrap(), before.balance(1).unwrap() - swapped.amount_out);
            }
        }
    }

    /// Both arithmetics are within a few units of the real invariant, which is found by its own inequality. The first divides
    /// by the invariant what the later divides by the balances, and loses more where these differ.
    #[test]
    fn invariants_are_those_of_the_definition(amp in amp(), balances in coins()) {
        for (arithmetic, few) in [(Arithmetic::First, 100), (Arithmetic::Later, 2)] {
            let Ok(d) = invariant(arithmetic, amp, &balances) else { continue };
            let few = U256::from(few);
            prop_assert!(at_most_the_invariant(d - few, amp, &balances), "{arithmetic:?}");
            prop_assert!(!at_most_the_invariant(d + few, amp, &balances), "{arithmetic:?}");
        }
    }

    /// A swap's invariant may be one or two units below the real one; so much may a swap take from it at the most.
    #[test]
    fn the_invariant_never_falls(
        listed in any::<bool>(), amp in amp(), fee in fee(), coins in coins(), amount in any::<u128>(), shift in 0..128_usize,
        given_in in any::<bool>(),
    ) {
        let Ok(mut pool) = of(listed, amp, fee, &coins) else { return Ok(()) };
        let before = invariant(Arithmetic::Later, amp, &coins).unwrap();
        let amount = U256::from(amount >> shift);
        if pool.apply(0, 1, if given_in { Exact::Input(amount) } else { Exact::Output(amount) }).is_ok() {
            prop_assert!(at_most_the_invariant(before - U256::from(2), amp, &balances(&pool)));
        }
    }

    #[test]
    fn quotes_are_monotone(
        listed in any::<bool>(), amp in amp(), fee in fee(), coins in coins(), amount in any::<u128>(), shift in 32..128_usize,
        more in any::<u32>(),
    ) {
        let Ok(pool) = of(listed, amp, fee, &coins) else { return Ok(()) };
        let less = U256::from(amount >> shift);
        let more = less + U256::from(more);
        if let (Ok(a), Ok(b)) = (pool.amount_out(0, 1, less), pool.amount_out(0, 1, more)) {
            prop_assert!(a <= b);
        }
        if let (Ok(a), Ok(b)) = (pool.amount_in(0, 1, less), pool.amount_in(0, 1, more)) {
            prop_assert!(a <= b);
        }
    }

    /// One division by A·n is made at the amplification's precision and multiplied by 1000 afterwards, so that the two directions
    /// walk on curves that are some thousand units apart: what an input is said to buy may cost more than that input.
    #[test]
    fn both_directions_agree_but_for_some_thousand_units(
        listed in any::<bool>(), amp in amp(), fee in fee(), coins in coins(), amount in any::<u128>(), shift in 32..128_usize,
    ) {
        let Ok(pool) = of(listed, amp, fee, &coins) else { return Ok(()) };
        let amount = U256::from(amount >> shift).min(coins[0]);
        if let Ok(paid) = pool.amount_out(0, 1, amount) && let Ok(cost) = pool.amount_in(0, 1, paid) {
            let rate = amount / paid + U256::ONE;
            prop_assert!(cost <= amount + U256::from(4000) * rate, "{amount} buys {paid}, which costs {cost}");
        }
    }

    #[test]
    fn caution_pays_no_more_and_costs_no_less(
        amp in amp(), fee in fee(), coins in coins(), amount in any::<u128>(), shift in 32..128_usize,
    ) {
        let (Ok(later), Ok(either)) = (of(true, amp, fee, &coins), of(false, amp, fee, &coins)) else { return Ok(()) };
        let amount = U256::from(amount >> shift);
        if let Ok(paid) = either.amount_out(0, 1, amount) {
            prop_assert!(later.amount_out(0, 1, amount).is_ok_and(|more| more >= paid));
        }
        if let Ok(cost) = either.amount_in(0, 1, amount) {
            prop_assert!(later.amount_in(0, 1, amount).is_ok_and(|less| less <= cost));
        }
    }
}
