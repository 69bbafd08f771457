use alloy_primitives::{Address, U256};
use ballast_wire as wire;

use crate::{Exact, PoolError, SwapError, Swapped, Venue};

/// Balances are kept in 112 bits; the pair reverts beyond.
const MAX_RESERVE: u128 = (1 << 112) - 1;
/// The finest fee that is accepted. With d ≤ 10⁹ < 2³⁰ no product below exceeds 112 + 112 + 30 bits.
const MAX_DENOMINATOR: u64 = 1_000_000_000;

/// A pair with x·y = k, to the wei.
///
/// ```
/// use alloy_primitives::{Address, U256};
/// use ballast_adapters::{Venue, constant_product::ConstantProductPool};
///
/// let pool = serde_json::from_str(r#"{
///     "router": "0x7a250d5630b4cf539739df2c5dacb4c659f2488d",
///     "tokens": {
///         "0x0000000000000000000000000000000000000001": {"balance": "1000000"},
///         "0x0000000000000000000000000000000000000002": {"balance": "2000000"}
///     },
///     "fee": "0.003"
/// }"#).unwrap();
/// let pair = ConstantProductPool::from_wire(Address::ZERO, &pool).unwrap();
/// assert_eq!(pair.amount_out(0, 1, U256::from(1000)), Ok(U256::from(1992)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstantProductPool {
    address: Address,
    router: Address,
    tokens: [Address; 2],
    reserves: [u128; 2],
    /// n/d, reduced: the part of the input that is swapped.
    kept: (u64, u64),
}

impl ConstantProductPool {
    /// Reads a pair.
    ///
    /// # Errors
    /// When there are not two tokens, a reserve is zero or beyond 112 bits, or the fee is one or more or finer than 10⁻⁹.
    pub fn from_wire(address: Address, pool: &wire::ConstantProduct) -> Result<Self, PoolError> {
        let mut entries = pool.tokens.iter();
        let (Some((&token0, reserve0)), Some((&token1, reserve1)), None) = (entries.next(), entries.next(), entries.next())
        else {
            return Err(PoolError::TokenCount { found: pool.tokens.len(), expected: "two" });
        };
        Ok(Self {
            address,
            router: pool.router,
            tokens: [token0, token1],
            reserves: [reserve(token0, reserve0)?, reserve(token1, reserve1)?],
            kept: kept(pool.fee)?,
        })
    }

    /// The pair's contract.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The contract that takes the input by an allowance.
    pub fn router(&self) -> Address {
        self.router
    }

    /// The reserves, in the order of [`Venue::tokens`]; atoms.
    pub fn reserves(&self) -> [u128; 2] {
        self.reserves
    }

    /// The part of the input that is swapped, as a reduced fraction: 1 − fee.
    pub fn kept(&self) -> (u64, u64) {
        self.kept
    }

    /// The reserves of the input and of the output.
    fn oriented(&self, input: usize, output: usize) -> Result<(u128, u128), SwapError> {
        let [reserve0, reserve1] = self.reserves;
        match (input, output) {
            (0, 1) => Ok((reserve0, reserve1)),
            (1, 0) => Ok((reserve1, reserve0)),
            _ => Err(SwapError::UnknownPair),
        }
    }

    /// The reserves after a swap, in the same orientation.
    fn after((x, y): (u128, u128), swapped: Swapped) -> Result<(u128, u128), SwapError> {
        let amount_in = u128::try_from(swapped.amount_in).map_err(|_| SwapError::Overflow)?;
        let amount_out = u128::try_from(swapped.amount_out).map_err(|_| SwapError::InsufficientLiquidity)?;
        let x = x.checked_add(amount_in).filter(|&x| x <= MAX_RESERVE).ok_or(SwapError::Overflow)?;
        let y = y.checked_sub(amount_out).filter(|&y| y > 0).ok_or(SwapError::InsufficientLiquidity)?;
        Ok((x, y))
    }

    /// Both amounts of a swap, and the oriented reserves afterwards.
    fn swap(&self, input: usize, output: usize, exact: Exact) -> Result<(Swapped, (u128, u128)), SwapError> {
        let reserves = self.oriented(input, output)?;
        let (x, y) = (U256::from(reserves.0), U256::from(reserves.1));
        let (n, d) = (U256::from(self.kept.0), U256::from(self.kept.1));
        let swapped = match exact {
            Exact::Input(amount_in) => {
                if amount_in.is_zero() {
                    return Err(SwapError::ZeroAmount);
                }
                if amount_in > U256::from(MAX_RESERVE) {
                    return Err(SwapError::Overflow);
                }
                let kept = amount_in * n;
                let amount_out = kept * y / (x * d + kept);
                if amount_out.is_zero() {
                    return Err(SwapError::ZeroAmount);
                }
                Swapped { amount_in, amount_out }
            }
            Exact::Output(amount_out) => {
                if amount_out.is_zero() {
                    return Err(SwapError::ZeroAmount);
                }
                if amount_out >= y {
                    return Err(SwapError::InsufficientLiquidity);
                }
                let amount_in = x * amount_out * d / ((y - amount_out) * n) + U256::ONE;
                Swapped { amount_in, amount_out }
            }
        };
        Ok((swapped, Self::after(reserves, swapped)?))
    }
}

impl Venue for ConstantProductPool {
    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    fn amount_out(&self, input: usize, output: usize, amount_in: U256) -> Result<U256, SwapError> {
        self.swap(input, output, Exact::Input(amount_in)).map(|(swapped, _)| swapped.amount_out)
    }

    fn amount_in(&self, input: usize, output: usize, amount_out: U256) -> Result<U256, SwapError> {
        self.swap(input, output, Exact::Output(amount_out)).map(|(swapped, _)| swapped.amount_in)
    }

    fn apply(&mut self, input: usize, output: usize, exact: Exact) -> Result<Swapped, SwapError> {
        let (swapped, (x, y)) = self.swap(input, output, exact)?;
        self.reserves = if input == 0 { [x, y] } else { [y, x] };
        Ok(swapped)
    }
}

/// A reserve that a pair can have.
fn reserve(token: Address, reserve: &wire::Reserve) -> Result<u128, PoolError> {
    if reserve.balance.is_zero() {
        return Err(PoolError::ZeroReserve(token));
    }
    let invalid = PoolError::Invalid { field: "tokens.balance", reason: "beyond 112 bits" };
    u128::try_from(reserve.balance).ok().filter(|&balance| balance <= MAX_RESERVE).ok_or(invalid)
}

/// 1 − fee as a reduced fraction.
fn kept(fee: wire::Decimal) -> Result<(u64, u64), PoolError> {
    const ONE: u64 = 1_000_000_000_000_000_000;
    let invalid = |reason| PoolError::Invalid { field: "fee", reason };
    let fee = u64::try_from(fee.atoms()).ok().filter(|&fee| fee < ONE).ok_or(invalid("not below one"))?;
    let divisor = gcd(ONE - fee, ONE);
    let (n, d) = ((ONE - fee) / divisor, ONE / divisor);
    if d > MAX_DENOMINATOR { Err(invalid("finer than a billionth")) } else { Ok((n, d)) }
}

/// The greatest common divisor of two numbers of which one is not zero.
fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pool(reserves: [u128; 2], fee: &str) -> Result<ConstantProductPool, PoolError> {
        raw(&[U256::from(reserves[0]), U256::from(reserves[1])], fee.parse().unwrap())
    }

    fn raw(reserves: &[U256], fee: wire::Decimal) -> Result<ConstantProductPool, PoolError> {
        let tokens = reserves.iter().zip(1..).map(|(&balance, n)| (Address::repeat_byte(n), wire::Reserve { balance })).collect();
        ConstantProductPool::from_wire(Address::ZERO, &wire::ConstantProduct { router: Address::ZERO, tokens, fee })
    }

    #[test]
    fn fees_become_the_fractions_of_the_forks() {
        for (fee, kept) in [
            ("0.003", (997, 1000)),
            ("0.0025", (399, 400)),
            ("0", (1, 1)),
            ("0.01", (99, 100)),
            ("0.000000001", (999_999_999, 1_000_000_000)),
        ] {
            assert_eq!(pool([1, 1], fee).unwrap().kept(), kept, "{fee}");
        }
    }

    #[test]
    fn what_no_pair_can_be_is_refused_and_named() {
        let fee = "0.003".parse().unwrap();
        let one = U256::ONE;
        assert_eq!(raw(&[one], fee), Err(PoolError::TokenCount { found: 1, expected: "two" }));
        assert_eq!(raw(&[one; 3], fee), Err(PoolError::TokenCount { found: 3, expected: "two" }));
        assert_eq!(raw(&[one, U256::ZERO], fee), Err(PoolError::ZeroReserve(Address::repeat_byte(2))));
        let beyond = raw(&[U256::ONE << 112, one], fee).unwrap_err();
        assert_eq!(beyond.to_string(), "tokens.balance: beyond 112 bits");
        assert_eq!(pool([1, 1], "1").unwrap_err().to_string(), "fee: not below one");
        assert_eq!(pool([1, 1], "0.0000000001").unwrap_err().to_string(), "fee: finer than a billionth");
    }

    #[test]
    fn the_ends_of_the_curve_are_errors() {
        let mut pair = pool([MAX_RESERVE, 1000], "0.003").unwrap();
        let before = pair.clone();
        for (input, output, exact, error) in [
            (0, 0, Exact::Input(U256::ONE), SwapError::UnknownPair),
            (0, 2, Exact::Input(U256::ONE), SwapError::UnknownPair),
            (0, 1, Exact::Input(U256::ZERO), SwapError::ZeroAmount),
            (0, 1, Exact::Input(U256::ONE), SwapError::ZeroAmount),
            (0, 1, Exact::Output(U256::ZERO), SwapError::ZeroAmount),
            (0, 1, Exact::Input(U256::from(MAX_RESERVE)), SwapError::Overflow),
            (0, 1, Exact::Input(U256::MAX), SwapError::Overflow),
            (0, 1, Exact::Output(U256::ONE), SwapError::Overflow),
            (0, 1, Exact::Output(U256::from(1000)), SwapError::InsufficientLiquidity),
            (0, 1, Exact::Output(U256::MAX), SwapError::InsufficientLiquidity),
        ] {
            assert_eq!(pair.apply(input, output, exact), Err(error), "{input} → {output}, {exact:?}");
            assert_eq!(pair, before);
        }
    }

    fn reserves() -> impl Strategy<Value = u128> {
        (0..112u32, any::<u128>()).prop_map(|(bits, noise)| (1 << bits) | (noise & ((1 << bits) - 1)))
    }

    fn fee() -> impl Strategy<Value = wire::Decimal> {
        prop_oneof![Just(3_000_000u64), 0..1_000_000_000u64]
            .prop_map(|billionths| wire::Decimal::from_atoms(U256::from(billionths) * U256::from(1_000_000_000)))
    }

    proptest! {
        #[test]
        fn reading_never_panics(reserves in prop::collection::vec(any::<[u64; 4]>(), 0..4), fee in any::<[u64; 4]>()) {
            let reserves: Vec<_> = reserves.into_iter().map(U256::from_limbs).collect();
            let _ = raw(&reserves, wire::Decimal::from_atoms(U256::from_limbs(fee)));
        }

        #[test]
        fn swapping_never_panics(x in reserves(), y in reserves(), fee in fee(), amount in any::<[u64; 4]>(), shift in 0..256usize) {
            let pair = raw(&[U256::from(x), U256::from(y)], fee).unwrap();
            let amount = U256::from_limbs(amount) >> shift;
            for exact in [Exact::Input(amount), Exact::Output(amount)] {
                let _ = pair.clone().apply(0, 1, exact);
            }
        }

        /// The pair's own check, with the fee left in, and the formula's own optimality: one more would fail it.
        #[test]
        fn the_pair_accepts_what_is_computed_and_not_one_more(
            x in reserves(), y in reserves(), fee in fee(), amount in reserves(), given_in in any::<bool>(), down in any::<bool>(),
        ) {
            let before = raw(&[U256::from(x), U256::from(y)], fee).unwrap();
            let (input, output) = if down { (0, 1) } else { (1, 0) };
            let amount = U256::from(amount);
            let exact = if given_in { Exact::Input(amount) } else { Exact::Output(amount) };
            let mut after = before.clone();
            let Ok(swapped) = after.apply(input, output, exact) else { return Ok(()) };
            let (n, d) = (U256::from(before.kept.0), U256::from(before.kept.1));
            let wide = |v: u128| U256::from(v);
            let (x0, y0) = (wide(before.reserves[input]), wide(before.reserves[output]));
            let y1 = wide(after.reserves[output]);
            // (x·d + in·n)·(y − out) ≥ x·y·d, in 512 bits
            let left = |y1: U256| (x0 * d + swapped.amount_in * n).widening_mul::<256, 4, 512, 8>(y1);
            let right = (x0 * d).widening_mul::<256, 4, 512, 8>(y0);
            prop_assert!(left(y1) >= right);
            if given_in {
                prop_assert!(left(y1 - U256::ONE) < right);
            }
            prop_assert_eq!(after.reserves[input], before.reserves[input] + swapped.amount_in.to::<u128>());
        }

        #[test]
        fn quotes_are_monotone(x in reserves(), y in reserves(), fee in fee(), amount in reserves(), more in reserves()) {
            let pair = raw(&[U256::from(x), U256::from(y)], fee).unwrap();
            let (less, more) = (U256::from(amount), U256::from(amount) + U256::from(more));
            if let (Ok(a), Ok(b)) = (pair.amount_out(0, 1, less), pair.amount_out(0, 1, more)) {
                prop_assert!(a <= b);
            }
            if let (Ok(a), Ok(b)) = (pair.amount_in(0, 1, less), pair.amount_in(0, 1, more)) {
                prop_assert!(a <= b);
            }
        }

        /// What is quoted for an output buys at least that output; and an input is never quoted dearer than itself plus the
        /// contract's `+ 1`.
        #[test]
        fn both_directions_agree(x in reserves(), y in reserves(), fee in fee(), amount in reserves()) {
            let pair = raw(&[U256::from(x), U256::from(y)], fee).unwrap();
            let amount = U256::from(amount);
            if let Ok(out) = pair.amount_out(0, 1, amount) && let Ok(cost) = pair.amount_in(0, 1, out) {
                prop_assert!(cost <= amount + U256::ONE);
            }
            if let Ok(cost) = pair.amount_in(0, 1, amount) {
                prop_assert!(pair.amount_out(0, 1, cost).unwrap() >= amount);
            }
        }

        #[test]
        fn there_and_back_never_pays(x in reserves(), y in reserves(), fee in fee(), amount in reserves()) {
            let mut pair = raw(&[U256::from(x), U256::from(y)], fee).unwrap();
            let amount = U256::from(amount);
            if let Ok(there) = pair.apply(0, 1, Exact::Input(amount)) && let Ok(back) = pair.apply(1, 0, Exact::Input(there.amount_out)) {
                prop_assert!(back.amount_out <= amount);
            }
        }
    }
}
