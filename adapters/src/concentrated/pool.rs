use std::sync::Arc;

use alloy_primitives::{Address, U256};
use ballast_wire as wire;

use super::step::{Remaining, swap_step};
use super::tick::{MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK, sqrt_price_at, tick_at};
use crate::{Exact, PoolError, SwapError, Swapped, Venue};

/// The pools' fee tiers, in hundredths of a basis point, and the tick spacings that the factories give them.
const TIERS: [(u32, i32); 5] = [(100, 1), (500, 10), (2_500, 50), (3_000, 60), (10_000, 200)];
/// Atoms of a fee's decimal in a hundredth of a basis point.
const ATOMS_PER_PIP: u64 = 1_000_000_000_000;
/// Ticks in a word of the contract's bitmap, as a shift: 256.
const WORD_SHIFT: u32 = 8;

/// An initialised tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The tick.
    pub index: i32,
    /// √price·2⁹⁶ at it, as the contract rounds it.
    pub sqrt_price: U256,
    /// What active liquidity gains when the price rises across it.
    pub net: i128,
    /// The active liquidity between it and the next one.
    pub above: u128,
}

/// A pool of positions over ranges of ticks, to the wei.
///
/// ```
/// use alloy_primitives::{Address, U256};
/// use ballast_adapters::{Exact, Venue, concentrated::ConcentratedPool};
///
/// let pool = serde_json::from_str(r#"{
///     "router": "0xe592427a0aece92de3edee1f18e0157c05861564",
///     "tokens": ["0x0000000000000000000000000000000000000001", "0x0000000000000000000000000000000000000002"],
///     "sqrtPrice": "79228162514264337593543950336",
///     "liquidity": "1000000000",
///     "tick": 0,
///     "liquidityNet": {"-60": "1000000000", "60": "-1000000000"},
///     "fee": "0.003"
/// }"#).unwrap();
/// let mut pool = ConcentratedPool::from_wire(Address::ZERO, &pool).unwrap();
/// assert_eq!(pool.amount_out(0, 1, U256::from(1000)), Ok(U256::from(996)));
/// pool.apply(0, 1, Exact::Input(U256::from(1000))).unwrap();
/// assert_eq!(pool.tick(), -1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcentratedPool {
    address: Address,
    router: Address,
    tokens: [Address; 2],
    fee_pips: u32,
    spacing: i32,
    /// Swaps move the price only: clones of a pool share the ticks.
    ticks: Arc<[Tick]>,
    at: Position,
}

/// Where the price is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    sqrt_price: U256,
    tick: i32,
    /// How many initialised ticks are at or below `tick`.
    below: usize,
}

impl ConcentratedPool {
    /// Reads a pool.
    ///
    /// # Errors
    /// When a field has a value that the contract cannot have: not two ascending tokens, a fee of no known tier, a tick
    /// that does not fit the price, initialised ticks off the spacing, or net liquidity that does not add up to the active
    /// liquidity at the current tick and to zero over all.
    pub fn from_wire(address: Address, pool: &wire::ConcentratedLiquidity) -> Result<Self, PoolError> {
        let &[token0, token1] = pool.tokens.as_slice() else {
            return Err(PoolError::TokenCount { found: pool.tokens.len(), expected: "two" });
        };
        if token0 == token1 {
            return Err(PoolError::DuplicateToken(token0));
        }
        if token0 > token1 {
            return Err(PoolError::Invalid { field: "tokens", reason: "not in ascending order" });
        }
        let (fee_pips, spacing) = tier(pool.fee)?;
        check_tick(pool.tick, pool.sqrt_price, spacing)?;
        let ticks = read_ticks(pool, spacing)?;
        let below = ticks.partition_point(|t| t.index <= pool.tick);
        let at = Position { sqrt_price: pool.sqrt_price, tick: pool.tick, below };
        let read = Self { address, router: pool.router, tokens: [token0, token1], fee_pips, spacing, ticks: ticks.into(), at };
        if U256::from(read.liquidity()) != pool.liquidity {
            return Err(invalid_net("does not add up to the active liquidity"));
        }
        Ok(read)
    }

    /// The pool's contract.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The contract that takes the input by an allowance.
    pub fn router(&self) -> Address {
        self.router
    }

    /// The fee, in hundredths of a basis point: a millionth of the input.
    pub fn fee_pips(&self) -> u32 {
        self.fee_pips
    }

    /// √(token 1 per token 0)·2⁹⁶.
    pub fn sqrt_price(&self) -> U256 {
        self.at.sqrt_price
    }

    /// The current tick.
    pub fn tick(&self) -> i32 {
        self.at.tick
    }

    /// The active liquidity.
    pub fn liquidity(&self) -> u128 {
        self.active(self.at.below)
    }

    /// The initialised ticks, ascending.
    pub fn ticks(&self) -> &[Tick] {
        &self.ticks
    }

    /// How many of [`Self::ticks`] are at or below the current tick: the range that is active lies between the last of them
    /// and the next.
    pub fn ticks_below(&self) -> usize {
        self.at.below
    }

    /// The active liquidity above the first `below` initialised ticks.
    fn active(&self, below: usize) -> u128 {
        below.checked_sub(1).and_then(|i| self.ticks.get(i)).map_or(0, |t| t.above)
    }

    /// The next initialised tick in a direction; `down` counts the one at the current tick.
    fn next_tick(&self, down: bool, below: usize) -> Option<&Tick> {
        if down { below.checked_sub(1).and_then(|i| self.ticks.get(i)) } else { self.ticks.get(below) }
    }

    /// Where the contract stops for a word of its bitmap, going from `tick`.
    fn word_end(&self, down: bool, tick: i32) -> i32 {
        let compressed = tick.div_euclid(self.spacing);
        if down {
            ((compressed >> WORD_SHIFT) << WORD_SHIFT) * self.spacing
        } else {
            ((compressed + 1) | ((1 << WORD_SHIFT) - 1)) * self.spacing
        }
    }

    /// `UniswapV3Pool.swap` with the price limit that the router sets when it is given none. The tick of the result is `None`
    /// where it would have to be computed from the price, which a quote does without.
    fn swap(&self, input: usize, output: usize, exact: Exact) -> Result<(Swapped, End), SwapError> {
        let down = match (input, output) {
            (0, 1) => true,
            (1, 0) => false,
            _ => return Err(SwapError::UnknownPair),
        };
        let (Exact::Input(mut left) | Exact::Output(mut left)) = exact;
        if left.is_zero() {
            return Err(SwapError::ZeroAmount);
        }
        // The contract takes a signed amount.
        if left.bit(255) {
            return Err(SwapError::Overflow);
        }
        let limit = if down { MIN_SQRT_PRICE + U256::ONE } else { MAX_SQRT_PRICE - U256::ONE };
        let Position { mut sqrt_price, tick, mut below } = self.at;
        let mut tick = Some(tick);
        let mut liquidity = self.active(below);
        let (mut amount_in, mut amount_out) = (U256::ZERO, U256::ZERO);
        while !left.is_zero() {
            let from = tick.filter(|_| !reached(down, &sqrt_price, &limit)).ok_or(SwapError::InsufficientLiquidity)?;
            let next = self.next_tick(down, below).ok_or(SwapError::InsufficientLiquidity)?;
            let end = self.word_end(down, from);
            let initialised = liquidity == 0 || if down { next.index >= end } else { next.index <= end };
            let (stop, stop_price) = if initialised {
                (next.index, next.sqrt_price)
            } else {
                (end, sqrt_price_at(end).ok_or(SwapError::InsufficientLiquidity)?)
            };
            let target = if reached(down, &stop_price, &limit) { limit } else { stop_price };
            let start = sqrt_price;
            if liquidity == 0 {
                // Nothing moves on the way, so nothing is rounded at the words' ends that are skipped.
                sqrt_price = target;
            } else {
                let remaining = match exact {
                    Exact::Input(_) => Remaining::Input(left),
                    Exact::Output(_) => Remaining::Output(left),
                };
                let step = swap_step(down, start, target, liquidity, remaining, self.fee_pips)?;
                let taken = step.amount_in.checked_add(step.fee).ok_or(SwapError::Overflow)?;
                amount_in = amount_in.checked_add(taken).ok_or(SwapError::Overflow)?;
                amount_out = amount_out.checked_add(step.amount_out).ok_or(SwapError::Overflow)?;
                left = left
                    .checked_sub(if matches!(exact, Exact::Input(_)) { taken } else { step.amount_out })
                    .ok_or(SwapError::Overflow)?;
                sqrt_price = step.sqrt_price;
            }
            if sqrt_price == stop_price {
                if initialised {
                    below = if down { below.saturating_sub(1) } else { below + 1 };
                    liquidity = self.active(below);
                }
                tick = Some(if down { stop - 1 } else { stop });
            } else if sqrt_price != start {
                tick = None;
            }
        }
        if amount_in.bit(255) || amount_out.bit(255) {
            return Err(SwapError::Overflow);
        }
        if amount_out.is_zero() {
            return Err(SwapError::ZeroAmount);
        }
        Ok((Swapped { amount_in, amount_out }, End { sqrt_price, tick, below }))
    }
}

/// Where a swap ends.
struct End {
    sqrt_price: U256,
    /// `None` when the price lies between two stops.
    tick: Option<i32>,
    below: usize,
}

impl Venue for ConcentratedPool {
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
        let (swapped, End { sqrt_price, tick, below }) = self.swap(input, output, exact)?;
        let tick = tick.or_else(|| tick_at(sqrt_price)).ok_or(SwapError::Overflow)?;
        self.at = Position { sqrt_price, tick, below };
        Ok(swapped)
    }
}

/// Whether a price is at the limit, or beyond it.
fn reached(down: bool, sqrt_price: &U256, limit: &U256) -> bool {
    if down { sqrt_price <= limit } else { sqrt_price >= limit }
}

/// The fee in hundredths of a basis point, and the tick spacing that goes with it.
fn tier(fee: wire::Decimal) -> Result<(u32, i32), PoolError> {
    TIERS
        .into_iter()
        .find(|&(pips, _)| fee.atoms() == U256::from(u64::from(pips) * ATOMS_PER_PIP))
        .ok_or(PoolError::Invalid { field: "fee", reason: "no tier with a known tick spacing" })
}

/// Checks that a contract at `sqrt_price` can be at `tick`.
fn check_tick(tick: i32, sqrt_price: U256, spacing: i32) -> Result<(), PoolError> {
    let Some(exact) = tick_at(sqrt_price) else {
        return Err(PoolError::Invalid { field: "sqrtPrice", reason: "beyond the bounds" });
    };
    // A swap that came down to a stop and ended right there counts as below it.
    let came_down = tick == exact - 1 && exact % spacing == 0 && sqrt_price_at(exact) == Some(sqrt_price);
    if tick == exact || came_down { Ok(()) } else { Err(PoolError::Invalid { field: "tick", reason: "not that of the price" }) }
}

/// The initialised ticks, ascending, with the active liquidity above each.
fn read_ticks(pool: &wire::ConcentratedLiquidity, spacing: i32) -> Result<Vec<Tick>, PoolError> {
    let mut nets = Vec::with_capacity(pool.liquidity_net.len());
    for (index, net) in &pool.liquidity_net {
        let index: i32 = index.parse().map_err(|_| invalid_net("a tick is no number"))?;
        let net: i128 = net.parse().map_err(|_| invalid_net("beyond 128 bits, or no number"))?;
        if !(MIN_TICK..=MAX_TICK).contains(&index) {
            return Err(invalid_net("a tick is beyond the bounds"));
        }
        if index % spacing != 0 {
            return Err(invalid_net("a tick is off the spacing"));
        }
        nets.push((index, net));
    }
    nets.sort_unstable_by_key(|&(index, _)| index);
    if nets.is_empty() {
        return Err(PoolError::NoLiquidity);
    }
    let mut ticks: Vec<Tick> = Vec::with_capacity(nets.len());
    let mut above = 0u128;
    for (index, net) in nets {
        // The same tick in two spellings.
        if ticks.last().is_some_and(|last| last.index == index) {
            return Err(invalid_net("a tick twice"));
        }
        above = above.checked_add_signed(net).ok_or(invalid_net("active liquidity leaves its 128 bits"))?;
        let sqrt_price = sqrt_price_at(index).ok_or(invalid_net("a tick is beyond the bounds"))?;
        ticks.push(Tick { index, sqrt_price, net, above });
    }
    if above != 0 {
        return Err(invalid_net("does not add up to zero"));
    }
    Ok(ticks)
}

fn invalid_net(reason: &'static str) -> PoolError {
    PoolError::Invalid { field: "liquidityNet", reason }
}
