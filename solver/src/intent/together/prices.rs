//! Prices at which everybody can trade at once, before anybody's order is written.
//!
//! What all vaults sell and buy together is netted, and the markets, the traders' orders among them, are asked at which prices they would
//! take what is left of it ([`ballast_routing::trading_prices`]). What cheapest leads onto a landing depends on the prices, so that is asked
//! again from what the vaults want then.

use ballast_routing::{Batch, Budget, Extent, GasPrice, Snapshot, Token, trading_prices};
use ballast_wire::intent::Asset;
use rustc_hash::FxHashMap;

use crate::auction::Auction;
use crate::batch::Liquidity;
use crate::batch::joint::leg;
use crate::config::Config;
use crate::intent::Task;
use crate::intent::portfolio::{Holding, Portfolio};

/// Gas that an order pays for: its own trade, and its part of the swaps.
const ORDER_GAS: f64 = 2e5;

/// Prices of all tokens, and what they were found on.
pub(super) struct Prices<'a> {
    auction: &'a Auction,
    liquidity: &'a Liquidity,
    /// The pools, and the traders' orders as markets.
    snapshot: Snapshot,
    /// Value units of each token's.
    pub units: Vec<f64>,
}

impl<'a> Prices<'a> {
    /// Those of the market as it is.
    pub fn new(auction: &'a Auction, liquidity: &'a Liquidity, config: &Config, stop: &(dyn Fn() -> bool + Sync)) -> Self {
        let legs = auction.orders.iter().filter_map(|order| leg(order, liquidity, config, Extent::Part));
        let gas = GasPrice { token: liquidity.numeraire(), price: liquidity.gas_price, fixed: 0.0 };
        let with_orders = Batch::new(&liquidity.snapshot, legs.collect(), &[], gas);
        let snapshot = with_orders.map_or_else(|_| liquidity.snapshot.clone(), |batch| batch.snapshot().clone());
        Self { auction, liquidity, snapshot, units: liquidity.clearing_prices(stop) }
    }

    /// Those that there are once each of these has traded from what it holds to what it wants.
    pub fn once<'t>(&mut self, trades: impl Iterator<Item = (&'t Task<'t>, &'t Portfolio)>, stop: &(dyn Fn() -> bool + Sync)) {
        let mut net: FxHashMap<Token, f64> = FxHashMap::default();
        for (task, wanted) in trades {
            let held = &task.portfolio.holdings;
            for ((asset, before), after) in task.intent.assets.iter().zip(held).zip(&wanted.holdings) {
                let Some(token) = self.auction.index.get(&asset.token).copied() else { continue };
                // Nobody prices what no market trades.
                let Some(unit) = self.liquidity.units.get(token).filter(|_| self.liquidity.snapshot.is_traded(token)) else {
                    continue;
                };
                *net.entry(token).or_default() += unit * (f64::from(before.balance) - f64::from(after.balance));
            }
        }
        let mut sold: Vec<(Token, f64)> = net.into_iter().filter(|(_, units)| *units != 0.0).collect();
        sold.sort_by_key(|(token, _)| *token);
        let Some(anchor) = self.snapshot.hub() else { return };
        let budget = Budget::until(u64::MAX, stop);
        let units = trading_prices(&self.snapshot, &sold, anchor, self.liquidity.gas_price, &self.units, &budget);
        if units.iter().all(|price| price.is_finite() && *price > 0.0) {
            self.units = units;
        }
    }

    /// What an order is to pay for gas, in an intent's numeraire: nothing where no market says what that is worth.
    pub fn gas(&self, task: &Task<'_>) -> f64 {
        let assets = task.intent.assets.iter().zip(&task.portfolio.holdings);
        let scale = |(asset, holding): (&Asset, &Holding)| {
            let token = *self.auction.index.get(&asset.token)?;
            Some(self.liquidity.units.get(token)? / holding.atom()).filter(|x| x.is_finite() && *x > 0.0)
        };
        assets.into_iter().find_map(scale).map_or(0.0, |scale| ORDER_GAS * self.liquidity.gas_price / scale)
    }

    /// Each asset's price as a multiple of its oracle's, to a factor that is the same for all. `None` where no market says.
    pub fn multiples(&self, task: &Task<'_>) -> Vec<Option<f64>> {
        let assets = task.intent.assets.iter().zip(&task.portfolio.holdings);
        let multiple = |(asset, holding): (&Asset, &Holding)| {
            let token = *self.auction.index.get(&asset.token)?;
            let unit = self.liquidity.units.get(token).filter(|_| self.liquidity.snapshot.is_traded(token))?;
            Some(unit * self.units.get(token as usize)? / holding.atom()).filter(|x| x.is_finite() && *x > 0.0)
        };
        assets.map(multiple).collect()
    }
}
