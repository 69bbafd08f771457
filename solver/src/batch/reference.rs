//! What the best single path would pay: no pair of a batch gets a worse price, fees counted.

use std::sync::{Mutex, PoisonError};

use alloy_primitives::U256;
use ballast_adapters::Venue;
use ballast_routing::{Ceiling, GasPrice, Path, Paths, Problem, Wanted};
use rustc_hash::FxHashMap;

use super::Liquidity;
use super::compile::value;
use super::joint::Pair;
use super::plan::fee;
use crate::auction::Auction;
use crate::config::Config;

/// Longest paths that are compared with.
const HOPS: usize = 3;

/// Amounts that differ by no more than this part go the same way.
const SAME: f64 = 1e-9;

/// An amount and the best path for it, if there is one.
type Best = (f64, Option<Path>);

/// Best single paths of the given liquidity, each looked for once.
pub(super) struct Reference<'a> {
    auction: &'a Auction,
    liquidity: &'a Liquidity,
    config: &'a Config,
    known: Mutex<FxHashMap<Pair, Vec<Best>>>,
    /// What no routing can exceed, where that is known.
    ceiling: Option<&'a Ceiling<'a>>,
}

impl<'a> Reference<'a> {
    pub fn new(auction: &'a Auction, liquidity: &'a Liquidity, config: &'a Config) -> Self {
        Self { auction, liquidity, config, known: Mutex::default(), ceiling: None }
    }

    /// Atoms of the second token of a pair that `paid` atoms of the first would buy along the best single path, for as many `orders`, in a
    /// settlement of their own that they pay the gas of; `None` where no path leads there or the gas is more than what is paid.
    pub fn alone(&self, pair: Pair, paid: U256, orders: usize) -> Option<U256> {
        let Self { auction, liquidity, config, .. } = *self;
        let [sell, _] = pair;
        let path = self.path(pair, value(liquidity, sell, paid)?)?;
        let further = config.trade_gas.checked_mul(orders.saturating_sub(1) as u64)?;
        let gas = config.settlement_gas.checked_add(further)?.checked_add(path.gas as u64)?;
        let stake = paid.checked_sub(fee(auction, liquidity, sell, gas)?)?;
        path.hops.iter().try_fold(stake, |amount, hop| {
            let market = &auction.pools[liquidity.pool(hop.market)].market;
            market.amount_out(usize::from(hop.input), usize::from(hop.output), amount).ok()
        })
    }

    /// The same where it is known what no routing can exceed.
    pub fn below(self, ceiling: Option<&'a Ceiling<'a>>) -> Self {
        Self { ceiling, ..self }
    }

    /// Units of the second token that no path buys more of for `paid` units of the first, for one order by itself; no closer than it takes to see
    /// that they are less than `enough`.
    pub fn most(&self, [sell, buy]: Pair, paid: f64, enough: f64) -> f64 {
        let Some(ceiling) = self.ceiling else { return f64::INFINITY };
        let problem = Problem {
            endowment: vec![(sell, paid)],
            wanted: vec![Wanted { token: buy, weight: 1.0, free: true }],
            gas: GasPrice { token: sell, price: self.liquidity.gas_price, fixed: self.config.settlement_gas as f64 },
            ..Problem::default()
        };
        ceiling.of(&problem, enough).own
    }

    fn path(&self, pair: Pair, amount: f64) -> Option<Path> {
        // What a thread that panicked leaves is whole: each is added at once.
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &&Best| (known.0 - amount).abs() <= SAME * amount;
        if let Some((_, path)) = lock().get(&pair).and_then(|known| known.iter().find(same)) {
            return path.clone();
        }
        let (markets, hops) = (self.liquidity.snapshot.markets(), self.liquidity.snapshot.hops());
        let [sell, buy] = pair;
        let path = Paths::new(markets, hops, (sell, buy), HOPS).best(amount, self.liquidity.gas_price, |_| Some(0.0));
        lock().entry(pair).or_default().push((amount, path.clone()));
        path
    }
}
