use alloy_primitives::{Address, B256, U256};
use arrayvec::ArrayVec;
use ballast_wire as wire;
use ballast_wire::Decimal;

use super::invariant::{self, Arithmetic};
use crate::fixed_point::{Fee, Holding};
use crate::{Exact, PoolError, SwapError, Swapped, Venue};

/// The most coins that a stable pool swaps.
const MAX_COINS: usize = 5;
/// What the contract's smallest step of A is, 10⁻³, in units of 10⁻¹⁸.
const AMP_STEP: U256 = U256::from_limbs([1_000_000_000_000_000, 0, 0, 0]);
/// The range of A, of precision 1000.
const AMP_RANGE: (U256, U256) = (U256::from_limbs([1_000, 0, 0, 0]), U256::from_limbs([5_000_000, 0, 0, 0]));

/// A Balancer V2 stable pool, to the wei where its arithmetic is known (see the [module](super)), cautious where it is not.
///
/// Coins are in the order of their addresses, which is the contract's and decides how its loops round.
///
/// The two directions are up to a few thousand units of 10⁻¹⁸ apart: what [`Venue::amount_out`] pays for an input may cost a
/// little more than that input when [`Venue::amount_in`] is asked.
///
/// ```
/// use ballast_adapters::stable::StablePool;
/// use ballast_adapters::{Exact, Venue};
/// use ballast_wire::{ScaledReserve, Stable};
///
/// // A thousand of each of two dollars, of 18 and of 6 decimals; A = 200, 0.04 %.
/// let reserve = |balance: &str, factor: &str| ScaledReserve {
///     balance: balance.parse().unwrap(),
///     scaling_factor: factor.parse().unwrap(),
/// };
/// let [dai, usdc] = [[1; 20].into(), [2; 20].into()];
/// let wire = Stable {
///     balancer_pool_id: Default::default(),
///     tokens: [(dai, reserve("1000000000000000000000", "1")), (usdc, reserve("1000000000", "1000000000000"))].into(),
///     amplification_parameter: "200".parse().unwrap(),
///     fee: "0.0004".parse().unwrap(),
/// };
/// let mut pool = StablePool::from_wire([3; 20].into(), &wire).unwrap();
///
/// // 100 dollars buy 99.91 of the other kind.
/// let swapped = pool.apply(1, 0, Exact::Input("100000000".parse().unwrap())).unwrap();
/// assert_eq!(swapped.amount_out.to_string(), "99909817331365188621");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StablePool {
    pub(super) pool_id: B256,
    tokens: Vec<Address>,
    /// At most [`MAX_COINS`].
    holdings: Vec<Holding>,
    /// A, of precision 1000.
    amp: U256,
    fee: Fee,
    /// The arithmetics that the contract may have.
    candidates: &'static [Arithmetic],
    /// What each candidate makes of the scaled balances, equal ones once. They depend on the state only, so they are computed
    /// once a swap instead of once a quote.
    invariants: Invariants,
}

type Invariants = Result<ArrayVec<U256, 2>, SwapError>;

impl StablePool {
    /// Takes a pool as the auction describes it. `address` is the pool's own token, which is set aside if it is listed.
    ///
    /// # Errors
    /// When the contract could not be in this state, or could not swap in it.
    pub fn from_wire(address: Address, pool: &wire::Stable) -> Result<Self, PoolError> {
        let composable = pool.tokens.contains_key(&address);
        let found = pool.tokens.len() - usize::from(composable);
        if !(2..=MAX_COINS).contains(&found) {
            return Err(PoolError::TokenCount { found, expected: "2 to 5 besides the pool's own" });
        }
        let fee = Fee::from_wire(pool.fee)?;
        let (amp, beyond) = pool.amplification_parameter.atoms().div_rem(AMP_STEP);
        if !beyond.is_zero() || !(AMP_RANGE.0..=AMP_RANGE.1).contains(&amp) {
            return Err(PoolError::Invalid {
                field: "amplificationParameter",
                reason: "not between 1 and 5000 with three places",
            });
        }
        let (mut tokens, mut holdings) = (Vec::new(), Vec::new());
        for (&token, reserve) in pool.tokens.iter().filter(|(token, _)| **token != address) {
            let holding = Holding::from_wire(reserve.balance, reserve.scaling_factor)?;
            // One coin that is used up stops the contract for all of them.
            if holding.scaled().is_zero() {
                return Err(PoolError::ZeroReserve(token));
            }
            tokens.push(token);
            holdings.push(holding);
        }
        let candidates: &[_] = if composable { &[Arithmetic::Later] } else { &[Arithmetic::First, Arithmetic::Later] };
        let invariants = invariants(candidates, amp, &holdings);
        if invariants.is_err() {
            return Err(PoolError::Invalid { field: "tokens.balance", reason: "the invariant cannot be computed" });
        }
        Ok(Self { pool_id: pool.balancer_pool_id, tokens, holdings, amp, fee, candidates, invariants })
    }

    /// The part of an input that the pool keeps.
    pub fn fee(&self) -> Decimal {
        self.fee.decimal()
    }

    /// The amplification parameter A, as the auction has it.
    pub fn amplification(&self) -> Decimal {
        // No overflow: A is at most 5000.
        Decimal::from_atoms(self.amp.wrapping_mul(AMP_STEP))
    }

    /// What the pool holds of a coin, in atoms; `coin` indexes [`Venue::tokens`].
    pub fn balance(&self, coin: usize) -> Option<U256> {
        self.holdings.get(coin).map(Holding::balance)
    }

    /// What an atom of a coin is multiplied by before the arithmetic of 18 decimals; `coin` indexes [`Venue::tokens`].
    pub fn scaling_factor(&self, coin: usize) -> Option<Decimal> {
        self.holdings.get(coin).map(Holding::factor)
    }

    fn pair(&self, input: usize, output: usize) -> Result<(&Holding, &Holding), SwapError> {
        match (self.holdings.get(input), self.holdings.get(output)) {
            (Some(i), Some(o)) if input != output => Ok((i, o)),
            _ => Err(SwapError::UnknownPair),
        }
    }

    /// The scaled balance of `of` that keeps the invariant when the scaled balance of `changed` becomes `balance`: the largest
    /// among the candidates, which pays least and costs most.
    fn balance_after(&self, changed: usize, balance: U256, of: usize) -> Result<U256, SwapError> {
        let mut balances = scaled(&self.holdings);
        *balances.get_mut(changed).ok_or(SwapError::UnknownPair)? = balance;
        let mut largest = U256::ZERO;
        for &invariant in self.invariants.as_ref().map_err(|e| *e)? {
            largest = largest.max(invariant::balance(self.amp, &balances, invariant, of)?);
        }
        Ok(largest)
    }
}

fn scaled(holdings: &[Holding]) -> ArrayVec<U256, MAX_COINS> {
    holdings.iter().map(Holding::scaled).collect()
}

fn invariants(candidates: &[Arithmetic], amp: U256, holdings: &[Holding]) -> Invariants {
    let balances = scaled(holdings);
    let mut found = ArrayVec::new();
    for &arithmetic in candidates {
        let invariant = invariant::invariant(arithmetic, amp, &balances)?;
        if !found.contains(&invariant) {
            found.push(invariant);
        }
    }
    Ok(found)
}

impl Venue for StablePool {
    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    fn amount_out(&self, input: usize, output: usize, amount_in: U256) -> Result<U256, SwapError> {
        let (i, o) = self.pair(input, output)?;
        if amount_in.is_zero() {
            return Err(SwapError::ZeroAmount);
        }
        i.check_plus(amount_in)?;
        let amount = i.scale(self.fee.subtract(amount_in)?)?;
        let balance = i.scaled().checked_add(amount).ok_or(SwapError::Overflow)?;
        let left = self.balance_after(input, balance, output)?;
        // Less one against the error of the iteration; it takes the whole of the smallest swaps.
        let paid = o.scaled().checked_sub(left).and_then(|p| p.checked_sub(U256::ONE)).ok_or(SwapError::ZeroAmount)?;
        let paid = o.atoms_down(paid)?;
        if paid.is_zero() {
            return Err(SwapError::ZeroAmount);
        }
        o.check_minus(paid)?;
        Ok(paid)
    }

    fn amount_in(&self, input: usize, output: usize, amount_out: U256) -> Result<U256, SwapError> {
        let (i, o) = self.pair(input, output)?;
        if amount_out.is_zero() {
            return Err(SwapError::ZeroAmount);
        }
        o.check_minus(amount_out)?;
        let balance = o.scaled().checked_sub(o.scale(amount_out)?).ok_or(SwapError::InsufficientLiquidity)?;
        let grown = self.balance_after(output, balance, input)?;
        let cost = grown.checked_sub(i.scaled()).and_then(|c| c.checked_add(U256::ONE)).ok_or(SwapError::Overflow)?;
        let cost = self.fee.add(i.atoms_up(cost)?)?;
        i.check_plus(cost)?;
        Ok(cost)
    }

    fn apply(&mut self, input: usize, output: usize, exact: Exact) -> Result<Swapped, SwapError> {
        let swapped = match exact {
            Exact::Input(amount_in) => Swapped { amount_in, amount_out: self.amount_out(input, output, amount_in)? },
            Exact::Output(amount_out) => Swapped { amount_in: self.amount_in(input, output, amount_out)?, amount_out },
        };
        let (i, o) = self.pair(input, output)?;
        let (after_input, after_output) = (i.plus(swapped.amount_in)?, o.minus(swapped.amount_out)?);
        if let Some(holding) = self.holdings.get_mut(input) {
            *holding = after_input;
        }
        if let Some(holding) = self.holdings.get_mut(output) {
            *holding = after_output;
        }
        self.invariants = invariants(self.candidates, self.amp, &self.holdings);
        Ok(swapped)
    }
}
