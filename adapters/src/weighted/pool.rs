use alloy_primitives::{Address, B256, U256};
use ballast_wire as wire;
use ballast_wire::{Decimal, WeightedVersion};

use crate::fixed_point::{self, Fee, Holding, ONE, mul_down, mul_up};
use crate::{Exact, PoolError, SwapError, Swapped, Venue};

/// The most coins that a weighted pool registers.
const MAX_COINS: usize = 8;
/// By how much a weight may miss what was meant, 1⁄65535: bootstrapping pools keep weights in 16 bits, and those that come back
/// need not sum to one. Swaps use ratios of weights only, and the contract does not look at the sum of these either.
const WEIGHT_TOLERANCE: u64 = 1_000_000_000_000_000_000 / 65_535 + 1;
/// The least weight of a coin, 1 %. It bounds exponents by 100, so that no power leaves [`fixed_point::pow`].
const MIN_WEIGHT: U256 = U256::from_limbs([10_000_000_000_000_000 - WEIGHT_TOLERANCE, 0, 0, 0]);
/// The part of a balance that one swap may add to it or take of it: 3⁄10, after the fee.
const MAX_RATIO: (U256, U256) = (U256::from_limbs([3, 0, 0, 0]), U256::from_limbs([10, 0, 0, 0]));
/// What the contract takes for the relative error of a power: 10⁻¹⁴.
const POWER_ERROR: U256 = U256::from_limbs([10_000, 0, 0, 0]);
const TWO: U256 = U256::from_limbs([2_000_000_000_000_000_000, 0, 0, 0]);
const FOUR: U256 = U256::from_limbs([4_000_000_000_000_000_000, 0, 0, 0]);

/// A Balancer V2 weighted pool, to the wei.
///
/// A swap given its input may add 30 % to the input's balance, less the fee; one given its output may take 30 % of the output's.
/// Each direction knows its own limit only: what [`Venue::amount_out`] pays can be more than [`Venue::amount_in`] is able to buy,
/// and can cost more than the input it was quoted for, by some 10⁻¹⁴ of a balance. A plan that is quoted one way and executed the
/// other has to ask both.
///
/// Coins of which the pool holds nothing are left out of [`Venue::tokens`]: the contract either reverts on them or pays nothing,
/// or gives away the other coin for nothing. The other coins do not notice, since a swap looks at two balances only.
///
/// ```
/// use ballast_adapters::weighted::WeightedPool;
/// use ballast_adapters::{SwapError, Venue};
/// use ballast_wire::{WeightedProduct, WeightedReserve, WeightedVersion};
///
/// // Of 80 BAL 20 WETH, 0x5c6Ee304399DBdB9C8Ef030aB642B10820DB8F56, with its balances of block 24407242.
/// let reserve = |balance: &str, weight: &str| WeightedReserve {
///     balance: balance.parse().unwrap(),
///     scaling_factor: "1".parse().unwrap(),
///     weight: weight.parse().unwrap(),
/// };
/// let [bal, weth] = [[1; 20].into(), [2; 20].into()];
/// let wire = WeightedProduct {
///     balancer_pool_id: Default::default(),
///     tokens: [(bal, reserve("29401141523139759968410400", "0.8")), (weth, reserve("605007002163317945954", "0.2"))].into(),
///     fee: "0.01".parse().unwrap(),
///     version: WeightedVersion::V0,
/// };
/// let pool = WeightedPool::from_wire([3; 20].into(), &wire).unwrap();
///
/// assert_eq!(pool.amount_out(1, 0, "60500700216331".parse().unwrap()), Ok("727677913614343872".parse().unwrap()));
/// assert_eq!(pool.amount_out(1, 0, "605007002163317945954".parse().unwrap()), Err(SwapError::ExceedsCap));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedPool {
    pub(super) pool_id: B256,
    tokens: Vec<Address>,
    coins: Vec<Coin>,
    fee: Fee,
    version: WeightedVersion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Coin {
    holding: Holding,
    /// Of 18 decimals.
    weight: U256,
}

impl WeightedPool {
    /// Takes a pool as the auction describes it. `address` is the pool's own token.
    ///
    /// # Errors
    /// When the contract could not be in this state, or fewer than two coins are there to be swapped.
    pub fn from_wire(address: Address, pool: &wire::WeightedProduct) -> Result<Self, PoolError> {
        if !(2..=MAX_COINS).contains(&pool.tokens.len()) {
            return Err(PoolError::TokenCount { found: pool.tokens.len(), expected: "2 to 8" });
        }
        if pool.tokens.contains_key(&address) {
            return Err(PoolError::Invalid { field: "tokens", reason: "holds its own pool token" });
        }
        let fee = Fee::from_wire(pool.fee)?;
        let (mut tokens, mut coins) = (Vec::new(), Vec::new());
        let (mut sum, mut tolerance, mut dead) = (U256::ZERO, U256::ZERO, None);
        for (&token, reserve) in &pool.tokens {
            let weight = reserve.weight.atoms();
            if !(MIN_WEIGHT..ONE).contains(&weight) {
                return Err(PoolError::Invalid { field: "tokens.weight", reason: "not between 0.01 and 1" });
            }
            // No overflow: at most eight terms, each below one.
            sum = sum.wrapping_add(weight);
            tolerance = tolerance.wrapping_add(U256::from(WEIGHT_TOLERANCE));
            if !reserve.scaling_factor.atoms().wrapping_rem(ONE).is_zero() {
                return Err(PoolError::Invalid { field: "tokens.scalingFactor", reason: "not an integer" });
            }
            let holding = Holding::from_wire(reserve.balance, reserve.scaling_factor)?;
            if reserve.balance.is_zero() {
                dead = Some(token);
                continue;
            }
            tokens.push(token);
            coins.push(Coin { holding, weight });
        }
        if sum.abs_diff(ONE) > tolerance {
            return Err(PoolError::Invalid { field: "tokens.weight", reason: "the weights do not sum to one" });
        }
        match (coins.len(), dead) {
            (0, _) => Err(PoolError::NoLiquidity),
            (1, Some(token)) => Err(PoolError::ZeroReserve(token)),
            _ => Ok(Self { pool_id: pool.balancer_pool_id, tokens, coins, fee, version: pool.version }),
        }
    }

    /// The part of an input that the pool keeps.
    pub fn fee(&self) -> Decimal {
        self.fee.decimal()
    }

    /// Which contract's arithmetic it follows.
    pub fn version(&self) -> WeightedVersion {
        self.version
    }

    /// What the pool holds of a coin, in atoms; `coin` indexes [`Venue::tokens`].
    pub fn balance(&self, coin: usize) -> Option<U256> {
        self.coins.get(coin).map(|c| c.holding.balance())
    }

    /// What an atom of a coin is multiplied by before the arithmetic of 18 decimals; `coin` indexes [`Venue::tokens`].
    pub fn scaling_factor(&self, coin: usize) -> Option<Decimal> {
        self.coins.get(coin).map(|c| c.holding.factor())
    }

    /// A coin's exponent; `coin` indexes [`Venue::tokens`].
    pub fn weight(&self, coin: usize) -> Option<Decimal> {
        self.coins.get(coin).map(|c| Decimal::from_atoms(c.weight))
    }

    fn pair(&self, input: usize, output: usize) -> Result<(&Coin, &Coin), SwapError> {
        match (self.coins.get(input), self.coins.get(output)) {
            (Some(i), Some(o)) if input != output => Ok((i, o)),
            _ => Err(SwapError::UnknownPair),
        }
    }

    /// base^exponent, at least.
    fn power(&self, base: U256, exponent: U256) -> Result<U256, SwapError> {
        if self.version == WeightedVersion::V3Plus {
            if exponent == ONE {
                return Ok(base);
            }
            if exponent == TWO || exponent == FOUR {
                let square = mul_up(base, base)?;
                return if exponent == TWO { Ok(square) } else { mul_up(square, square) };
            }
        }
        let (base, exponent) = (u128::try_from(base), u128::try_from(exponent));
        let raw = base.ok().zip(exponent.ok()).and_then(|(b, e)| fixed_point::pow(b, e)).ok_or(SwapError::Overflow)?;
        let raw = U256::from(raw);
        let error = mul_up(raw, POWER_ERROR)?.checked_add(U256::ONE).ok_or(SwapError::Overflow)?;
        raw.checked_add(error).ok_or(SwapError::Overflow)
    }
}

/// Whether a swap may move `amount` of a balance, both scaled.
fn check_ratio(amount: U256, balance: U256) -> Result<(), SwapError> {
    // amount ≤ ⌊balance·3⁄10⌋, without the division. A product that overflows is far beyond.
    let (numerator, denominator) = MAX_RATIO;
    match (amount.checked_mul(denominator), balance.checked_mul(numerator)) {
        (Some(amount), Some(most)) if amount <= most => Ok(()),
        _ => Err(SwapError::ExceedsCap),
    }
}

impl Venue for WeightedPool {
    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    fn amount_out(&self, input: usize, output: usize, amount_in: U256) -> Result<U256, SwapError> {
        let (i, o) = self.pair(input, output)?;
        if amount_in.is_zero() {
            return Err(SwapError::ZeroAmount);
        }
        let amount = i.holding.scale(self.fee.subtract(amount_in)?)?;
        let balance = i.holding.scaled();
        check_ratio(amount, balance)?;

        let base = fixed_point::div_up(balance, balance.checked_add(amount).ok_or(SwapError::Overflow)?)?;
        let power = self.power(base, fixed_point::div_down(i.weight, o.weight)?)?;
        let paid = o.holding.atoms_down(mul_down(o.holding.scaled(), ONE.saturating_sub(power))?)?;
        if paid.is_zero() {
            return Err(SwapError::ZeroAmount);
        }
        i.holding.check_plus(amount_in)?;
        o.holding.check_minus(paid)?;
        Ok(paid)
    }

    fn amount_in(&self, input: usize, output: usize, amount_out: U256) -> Result<U256, SwapError> {
        let (i, o) = self.pair(input, output)?;
        if amount_out.is_zero() {
            return Err(SwapError::ZeroAmount);
        }
        let amount = o.holding.scale(amount_out)?;
        let balance = o.holding.scaled();
        check_ratio(amount, balance)?;

        let base = fixed_point::div_up(balance, balance.checked_sub(amount).ok_or(SwapError::InsufficientLiquidity)?)?;
        let power = self.power(base, fixed_point::div_up(o.weight, i.weight)?)?;
        let ratio = power.checked_sub(ONE).ok_or(SwapError::Overflow)?;
        let cost = self.fee.add(i.holding.atoms_up(mul_up(i.holding.scaled(), ratio)?)?)?;
        i.holding.check_plus(cost)?;
        o.holding.check_minus(amount_out)?;
        Ok(cost)
    }

    fn apply(&mut self, input: usize, output: usize, exact: Exact) -> Result<Swapped, SwapError> {
        let swapped = match exact {
            Exact::Input(amount_in) => Swapped { amount_in, amount_out: self.amount_out(input, output, amount_in)? },
            Exact::Output(amount_out) => Swapped { amount_in: self.amount_in(input, output, amount_out)?, amount_out },
        };
        let (i, o) = self.pair(input, output)?;
        let (after_input, after_output) = (i.holding.plus(swapped.amount_in)?, o.holding.minus(swapped.amount_out)?);
        if let Some(coin) = self.coins.get_mut(input) {
            coin.holding = after_input;
        }
        if let Some(coin) = self.coins.get_mut(output) {
            coin.holding = after_output;
        }
        Ok(swapped)
    }
}
