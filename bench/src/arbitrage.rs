//! Arbitrage that needs no order: what our own solver still earns on the pools that a route leaves behind.

use alloy_primitives::U256;
use ballast_adapters::{Exact, Venue};
use ballast_routing::{Budget, GasPrice, Problem, solve};
use ballast_solver::auction::{Auction, Drops};
use ballast_solver::batch::Liquidity;
use ballast_solver::config::Config;

use crate::opponents::{Route, Router, Task};

/// A search starts from an order: one of so many value units (thousandths of the native token), which no curve notices.
const PROBE: f64 = 20.0;

/// What free arbitrage earns after `route`, in value units of what is bought: the route is made on the exact pools, they are laid out
/// anew, and a probe's worth to our solver is compared with its worth on the best single path. The settlement is paid by the
/// order; swaps pay their own gas.
pub fn arbitrage_after(auction: &Auction, liquidity: &Liquidity, config: &Config, problem: &Problem, route: &Route) -> f64 {
    let mut after = auction.clone();
    let markets = liquidity.snapshot.markets();
    for (hop, input) in &route.flows {
        let (i, o) = (usize::from(hop.input), usize::from(hop.output));
        let unit = liquidity.units.get(markets.coins(hop.market)[i]).unwrap_or(f64::INFINITY);
        let atoms = input / unit;
        if atoms.is_finite() && (1.0..1e60).contains(&atoms) {
            // What the contract would not do leaves the pool as it was.
            let _ = after.pools[liquidity.pool(hop.market)].market.apply(i, o, Exact::Input(U256::from(atoms)));
        }
    }
    arbitrage(&Liquidity::new(&after, config, &mut Drops::default()), problem)
}

/// The same on pools as they are.
pub fn arbitrage(liquidity: &Liquidity, problem: &Problem) -> f64 {
    let (Some(&(from, _)), Some(wanted)) = (problem.endowment.first(), problem.wanted.first()) else { return 0.0 };
    let gas = GasPrice { fixed: 0.0, ..problem.gas };
    let probe = Problem { endowment: vec![(from, PROBE)], reserve: 0.0, gas, ..problem.clone() };
    let outcome = solve(&liquidity.snapshot, &probe, None, &[], &Budget::default());
    let snapshot = &liquidity.snapshot;
    let task = Task { snapshot, from, to: wanted.token, sold: PROBE, gas };
    let alone = Router::BestPath(4).route(&task).output;
    (outcome.certificate.value - alone).max(0.0)
}
