//! What the best single path would pay: no pair of a batch gets a worse price, fees counted.

use alloy_primitives::U256;
use ballast_adapters::Venue;
use ballast_routing::Paths;

use super::Liquidity;
use super::compile::value;
use super::joint::Pair;
use super::plan::fee;
use crate::auction::Auction;
use crate::config::Config;

/// Longest paths that are compared with.
const HOPS: usize = 3;

/// Atoms of the second token of a pair that `paid` atoms of the first would buy along the best single path of the given liquidity, for
/// as many `orders`, in a settlement of their own that they pay the gas of; `None` where no path leads there or the gas is more than what is paid.
pub(super) fn alone(
    auction: &Auction,
    liquidity: &Liquidity,
    config: &Config,
    pair: Pair,
    paid: U256,
    orders: usize,
) -> Option<U256> {
    let [sell, buy] = pair;
    let (markets, hops) = (liquidity.snapshot.markets(), liquidity.snapshot.hops());
    let amount = value(liquidity, sell, paid)?;
    let path = Paths::new(markets, hops, (sell, buy), HOPS).best(amount, liquidity.gas_price, |_| Some(0.0))?;
    let further = config.trade_gas.checked_mul(orders.saturating_sub(1) as u64)?;
    let gas = config.settlement_gas.checked_add(further)?.checked_add(path.gas as u64)?;
    let stake = paid.checked_sub(fee(auction, liquidity, sell, gas)?)?;
    path.hops.iter().try_fold(stake, |amount, hop| {
        let market = &auction.pools[liquidity.pool(hop.market)].market;
        market.amount_out(usize::from(hop.input), usize::from(hop.output), amount).ok()
    })
}
