//! Generated pools with orders of given sizes, read and laid out.

use std::collections::BTreeMap;

use alloy_primitives::U256;
use ballast_fixtures::{Limits, OrderConfig, Prices, Size, Statistics, UniverseConfig, orders, statistics, universe};
use ballast_solver::auction::{Auction, Drops, Order};
use ballast_solver::batch::Liquidity;
use ballast_solver::config::Config;
use ballast_wire as wire;

use crate::clock::{Took, timed};

/// Orders drawn for each one wanted: small tokens have no pools for large orders, and such draws are passed over.
const DRAWS: usize = 40;
/// Limits at half of the fair price: what is measured is the routing, not whether the order is in the money.
const LIMITS: Limits = Limits { mean_bps: -5_000.0, deviation_bps: 0.0, far_share: 0.0 };
/// The part of its nominal size below which a drawn order does not count as being of that size.
const FULL: f64 = 0.99;

/// What is to be generated.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Pools of the universe.
    pub pools: usize,
    /// Of pools and orders.
    pub seed: u64,
    /// Orders of each size.
    pub orders: usize,
    /// Sizes in dollars.
    pub usd: &'a [f64],
    /// The share with an exact buy amount.
    pub buy_share: f64,
    /// The share that may be filled partly.
    pub partial_share: f64,
    /// The share of pools that arbitrage has not reached.
    pub stale_share: f64,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        let stale_share = UniverseConfig::default().stale_share;
        Self { pools: 500, seed: 1, orders: 0, usd: &[], buy_share: 0.0, partial_share: 0.0, stale_share }
    }
}

/// An auction, read and laid out.
#[derive(Debug)]
pub struct Scenario {
    /// What it is made of.
    pub statistics: Statistics,
    /// Pools and orders, exact.
    pub auction: Auction,
    /// The markets.
    pub liquidity: Liquidity,
    /// Dollars of each order.
    pub usd: Vec<f64>,
    /// Time to read the pools from the wire's structs, without JSON.
    pub read: Took,
    /// Time to lay the curves out.
    pub lay_out: Took,
}

/// An order sells at most a twentieth of what the pools of either of its tokens hold; sizes with fewer such pairs have fewer
/// orders.
pub fn scenario(asked: &Asked, config: &Config) -> Scenario {
    let mut auction =
        universe(&UniverseConfig { stale_share: asked.stale_share, ..UniverseConfig::new(asked.pools, asked.seed) });
    let prices = Prices::of(&auction);
    let mut chosen: Vec<wire::Order> = Vec::new();
    let mut sizes: BTreeMap<wire::OrderUid, f64> = BTreeMap::new();
    for (&usd, salt) in asked.usd.iter().zip(1..) {
        auction.orders.clear();
        let drawn = OrderConfig {
            size: Size::LogNormal { median_usd: usd, sigma: 0.0 },
            buy_share: asked.buy_share,
            partial_share: asked.partial_share,
            market_share: 0.0,
            limits: LIMITS,
            ..OrderConfig::new(DRAWS * asked.orders, 1_000 * asked.seed + salt)
        };
        orders(&mut auction, &drawn);
        let worth =
            |token, amount: &U256| prices.wei_per_atom(token).unwrap_or_default() * f64::from(*amount) / prices.wei_per_dollar();
        let full = |order: &wire::Order| {
            worth(order.sell_token, &order.sell_amount).max(worth(order.buy_token, &order.buy_amount)) >= FULL * usd
        };
        for order in auction.orders.drain(..).flatten().filter(full).take(asked.orders) {
            sizes.insert(order.uid, usd);
            chosen.push(order);
        }
    }
    auction.orders = chosen.into_iter().map(Ok).collect();
    let mut scenario = laid_out(&auction, config, |_| {});
    let usd = |order: &Order| sizes.get(&order.uid).copied().unwrap_or_default();
    scenario.usd = scenario.auction.orders.iter().map(usd).collect();
    scenario
}

/// A batch of orders that meet each other; `fill_or_kill` is the share that is filled whole or not at all.
pub fn batch(pools: &UniverseConfig, count: usize, fill_or_kill: f64, config: &Config) -> Scenario {
    let mut auction = universe(pools);
    orders(&mut auction, &OrderConfig::batch(count, pools.seed, fill_or_kill));
    laid_out(&auction, config, |_| {})
}

/// An auction as it is.
pub fn read(text: &[u8], config: &Config) -> Result<Scenario, wire::RequestError> {
    Ok(laid_out(&wire::Auction::from_json(text)?, config, |_| {}))
}

/// Reads an auction, and lays out what `change` makes of it.
fn laid_out(request: &wire::Auction, config: &Config, change: impl FnOnce(&mut Auction)) -> Scenario {
    let (mut auction, read) = timed(|| Auction::new(request, |_| true));
    change(&mut auction);
    let (liquidity, lay_out) = timed(|| Liquidity::new(&auction, config, &mut Drops::default()));
    let usd = vec![f64::NAN; auction.orders.len()];
    Scenario { statistics: statistics(request), auction, liquidity, usd, read, lay_out }
}

/// The sales of an auction as fill-or-kill orders without a limit that matters, and how many orders were left out: other routers know
/// neither exact buy amounts, nor parts, nor limits.
pub fn given(text: &[u8], config: &Config) -> Result<(Scenario, usize), wire::RequestError> {
    let request = wire::Auction::from_json(text)?;
    let scenario = laid_out(&request, config, |auction| {
        auction.orders.retain(|order| order.side == wire::Side::Sell && order.sell != order.buy);
        for order in &mut auction.orders {
            (order.partial, order.buy_amount) = (false, U256::ONE);
        }
    });
    let left_out = request.orders.len() - scenario.auction.orders.len();
    Ok((scenario, left_out))
}

/// A universe in one line.
pub fn describe(statistics: &Statistics, name: &str) -> String {
    let part = |count: usize| 100.0 * count as f64 / statistics.pools.max(1) as f64;
    let kinds: Vec<String> = statistics.kinds.iter().map(|(kind, count)| format!("{kind} {:.1} %", part(*count))).collect();
    let large: usize = statistics.coins.range(3..).map(|(_, count)| count).sum();
    format!(
        "{name}: {} pools ({}), {:.1} % with 3–{} coins, {} tokens, {} initialised ticks",
        statistics.pools,
        kinds.join(", "),
        part(large),
        statistics.coins.keys().max().copied().unwrap_or_default(),
        statistics.pooled_tokens,
        statistics.all_ticks,
    )
}
