//! What a devnet is to hold: tokens, pools and orders, drawn from a seed.

use std::collections::BTreeSet;

use alloy_primitives::U256;
use ballast_wire::Side;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The wrapped native token's place among the tokens.
pub(super) const WETH: usize = 0;
const USDC: usize = 1;
const DAI: usize = 2;
const USDT: usize = 3;
const WBTC: usize = 4;
/// The token that takes a fee on transfer.
pub(super) const TAX: usize = 5;
/// Tokens that every devnet has.
const KNOWN: usize = 6;

/// A token; amounts of it are drawn in dollars.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) symbol: String,
    pub(super) decimals: u8,
    /// Dollars of a whole token.
    pub(super) usd: f64,
    /// What a transfer loses, in basis points.
    pub(super) transfer_fee_bps: u64,
}

impl Token {
    fn new(symbol: impl Into<String>, decimals: u8, usd: f64) -> Self {
        Self { symbol: symbol.into(), decimals, usd, transfer_fee_bps: 0 }
    }

    /// Atoms of a dollar.
    pub(super) fn atoms_per_usd(&self) -> f64 {
        f64::from(10_u32).powi(i32::from(self.decimals)) / self.usd
    }

    /// Atoms worth so many dollars.
    pub(super) fn atoms(&self, usd: f64) -> U256 {
        U256::from(usd * self.atoms_per_usd())
    }
}

/// A pool to be made; tokens by their place, values in dollars.
#[derive(Debug, Clone)]
pub(super) enum Pool {
    /// On one of the two exchanges of pairs.
    Pair { exchange: usize, tokens: [usize; 2], side_usd: f64, skew: f64 },
    /// A pool with positions over ranges of ticks: (half width in ticks, dollars of each token).
    Concentrated { tokens: [usize; 2], fee: u32, skew: f64, positions: Vec<(i32, f64)> },
    /// Weights in percent.
    Weighted { tokens: Vec<(usize, u64)>, usd: f64, fee_bps: u64 },
    /// A composable stable pool.
    Stable { tokens: Vec<usize>, amplification: u64, side_usd: f64 },
}

/// An order to be signed.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// Which of the traders.
    pub(super) trader: usize,
    pub(super) sell: usize,
    pub(super) buy: usize,
    pub(super) side: Side,
    pub(super) partial: bool,
    pub(super) usd: f64,
    /// How far the limit is below the market, as a part.
    pub(super) slack: f64,
}

/// All of it.
#[derive(Debug, Clone)]
pub(super) struct Universe {
    pub(super) tokens: Vec<Token>,
    pub(super) pools: Vec<Pool>,
    pub(super) orders: Vec<Order>,
}

impl Universe {
    /// Draws a universe: the same for the same numbers.
    pub(super) fn new(pools: usize, orders: usize, traders: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut tokens = vec![
            Token::new("WETH", 18, 2_500.0),
            Token::new("USDC", 6, 1.0),
            Token::new("DAI", 18, 1.0),
            Token::new("USDT", 6, 1.0),
            Token::new("WBTC", 8, 60_000.0),
            Token { transfer_fee_bps: 100, ..Token::new("TAX", 18, 2.0) },
        ];
        for n in 0..pools.saturating_sub(known_pools().len()).div_ceil(6) {
            let decimals = [6, 8, 18, 18][rng.random_range(0..4)];
            tokens.push(Token::new(format!("T{n:03}"), decimals, log_uniform(&mut rng, 0.05, 500.0)));
        }
        let pools = draw_pools(&mut rng, pools, tokens.len());
        let orders = draw_orders(&mut rng, orders, traders, tokens.len());
        Self { tokens, pools, orders }
    }
}

/// What the smallest devnet has: every venue, and every known token.
fn known_pools() -> Vec<Pool> {
    let pair = |exchange, tokens, side_usd, skew| Pool::Pair { exchange, tokens, side_usd, skew };
    let ladder = |usd: f64| vec![(20_000, usd), (4_000, usd), (2_000, usd), (1_000, usd), (400, usd), (200, usd)];
    let concentrated = |tokens, fee, skew| Pool::Concentrated { tokens, fee, skew, positions: ladder(400_000.0) };
    vec![
        pair(0, [WETH, USDC], 2_000_000.0, 1.001),
        pair(1, [WETH, USDC], 1_000_000.0, 0.998),
        concentrated([WETH, USDC], 500, 1.0),
        concentrated([WETH, DAI], 3_000, 0.9995),
        concentrated([WBTC, WETH], 3_000, 1.0),
        Pool::Stable { tokens: vec![USDC, DAI, USDT], amplification: 200, side_usd: 3_000_000.0 },
        Pool::Weighted { tokens: vec![(WETH, 40), (WBTC, 40), (USDC, 20)], usd: 4_000_000.0, fee_bps: 20 },
        Pool::Weighted { tokens: vec![(DAI, 20), (WETH, 80)], usd: 3_000_000.0, fee_bps: 30 },
        pair(0, [WETH, USDT], 1_500_000.0, 1.002),
        pair(1, [TAX, WETH], 500_000.0, 1.0),
    ]
}

fn draw_pools(rng: &mut ChaCha8Rng, count: usize, tokens: usize) -> Vec<Pool> {
    let mut pools = known_pools();
    pools.truncate(count);
    let mut taken: BTreeSet<(u32, [usize; 2])> = pools.iter().filter_map(slot).collect();
    let mut next = 0;
    while pools.len() < count {
        // Each token in turn, so that none is without a pool.
        let token = KNOWN + next % (tokens - KNOWN);
        next += 1;
        let other = partner(rng, token, tokens);
        let pair = [token, other];
        let skew = 1.0 + rng.random_range(-0.004..0.004);
        let usd = log_uniform(rng, 30_000.0, 3_000_000.0);
        let pool = match rng.random_range(0..100) {
            0..45 => Pool::Pair { exchange: rng.random_range(0..2), tokens: pair, side_usd: usd, skew },
            45..75 => Pool::Concentrated {
                tokens: pair,
                fee: [500, 3_000, 10_000][rng.random_range(0..3)],
                skew,
                positions: (0..rng.random_range(4..12))
                    .map(|n| if n == 0 { (40_000, usd) } else { (log_uniform(rng, 200.0, 20_000.0) as i32, usd / 3.0) })
                    .collect(),
            },
            75..92 => weighted(rng, pair, tokens, usd),
            _ => Pool::Stable {
                tokens: [vec![USDC, DAI], vec![DAI, USDT], vec![USDC, USDT], vec![USDC, DAI, USDT]][rng.random_range(0..4)]
                    .clone(),
                amplification: [50, 100, 500, 1_000][rng.random_range(0..4)],
                side_usd: usd,
            },
        };
        if slot(&pool).is_none_or(|slot| taken.insert(slot)) {
            pools.push(pool);
        }
    }
    pools
}

/// A token of long standing more often than not.
fn partner(rng: &mut ChaCha8Rng, token: usize, tokens: usize) -> usize {
    if tokens == KNOWN + 1 || rng.random_bool(0.7) {
        return [WETH, WETH, USDC, DAI, WBTC][rng.random_range(0..5)];
    }
    let other = KNOWN + rng.random_range(0..tokens - KNOWN - 1);
    if other < token { other } else { other + 1 }
}

fn weighted(rng: &mut ChaCha8Rng, [token, other]: [usize; 2], tokens: usize, usd: f64) -> Pool {
    let mut coins = vec![(token, 50), (other, 50)];
    if rng.random_bool(0.5) {
        let third = partner(rng, token, tokens);
        if third != token && third != other {
            coins = vec![(token, 40), (other, 40), (third, 20)];
        }
    } else if rng.random_bool(0.5) {
        coins = vec![(token, 80), (other, 20)];
    }
    Pool::Weighted { tokens: coins, usd: 2.0 * usd, fee_bps: [10, 30, 100][rng.random_range(0..3)] }
}

/// Where a factory has room for one pool only.
fn slot(pool: &Pool) -> Option<(u32, [usize; 2])> {
    let sorted = |[a, b]: [usize; 2]| [a.min(b), a.max(b)];
    match pool {
        Pool::Pair { exchange, tokens, .. } => Some((*exchange as u32, sorted(*tokens))),
        Pool::Concentrated { tokens, fee, .. } => Some((*fee, sorted(*tokens))),
        Pool::Weighted { .. } | Pool::Stable { .. } => None,
    }
}

fn draw_orders(rng: &mut ChaCha8Rng, count: usize, traders: usize, tokens: usize) -> Vec<Order> {
    (0..count)
        .map(|n| {
            let (sell, buy) = draw_pair(rng, tokens);
            let order = Order {
                trader: n % traders,
                sell,
                buy,
                side: if n % 3 == 1 { Side::Buy } else { Side::Sell },
                partial: n % 4 == 2,
                usd: log_uniform(rng, 500.0, 50_000.0),
                slack: rng.random_range(0.02..0.05),
            };
            // What a transfer loses is missing in the settlement, however good the price is: simulation has to find it.
            if n == 3 { Order { sell: TAX, buy: WETH, usd: 2_000.0, slack: 0.1, ..order } } else { order }
        })
        .collect()
}

fn draw_pair(rng: &mut ChaCha8Rng, tokens: usize) -> (usize, usize) {
    let others: Vec<usize> = (0..tokens).filter(|&t| t != TAX).collect();
    let first = rng.random_range(0..others.len());
    let second = (first + rng.random_range(1..others.len())) % others.len();
    (others[first], others[second])
}

fn log_uniform(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    libm::exp(rng.random_range(libm::log(low)..libm::log(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_universe_has_the_pools_asked_for_and_every_kind() {
        for count in [10, 11, 200, 1_000] {
            let universe = Universe::new(count, 12, 5, 7);
            assert_eq!(universe.pools.len(), count);
            let kinds: BTreeSet<_> = universe.pools.iter().map(|p| format!("{:?}", std::mem::discriminant(p))).collect();
            assert_eq!(kinds.len(), 4);
        }
    }
}
