use ballast_routing::{Budget, solve};
use ballast_solver::batch::compile::compile;
use ballast_solver::config::Config;

use super::*;
use crate::scenario::{Asked, scenario};

/// No router gets more than the bound, or pays out more than its pools would.
#[test]
fn no_router_exceeds_the_bound() {
    let config = Config::default();
    for seed in [1, 2, 3] {
        let asked = Asked { pools: 120, seed, orders: 3, usd: &[2_000.0, 50_000.0], ..Asked::default() };
        let scenario = scenario(&asked, &config);
        let snapshot = &scenario.liquidity.snapshot;
        for order in &scenario.auction.orders {
            let problem = compile(order, &scenario.liquidity, &config).unwrap().problem;
            let outcome = solve(snapshot, &problem, None, &[], &Budget::default());
            let task = Task { snapshot, from: order.sell, to: order.buy, sold: problem.endowment[0].1, gas: problem.gas };
            for router in ROUTERS {
                let output = router.route(&task).output;
                let bound = outcome.certificate.bound;
                assert!(output <= bound * (1.0 + 1e-9), "seed {seed}, {}: {output} above {bound}", router.name());
            }
        }
    }
}

/// A greedy of one part is a best path, but for the gas that it looks at.
#[test]
fn one_chunk_is_a_path() {
    let config = Config::default();
    let asked = Asked { pools: 120, seed: 7, orders: 5, usd: &[5_000.0], ..Asked::default() };
    let scenario = scenario(&asked, &config);
    let snapshot = &scenario.liquidity.snapshot;
    assert!(!scenario.auction.orders.is_empty());
    for order in &scenario.auction.orders {
        let problem = compile(order, &scenario.liquidity, &config).unwrap().problem;
        let task = Task { snapshot, from: order.sell, to: order.buy, sold: problem.endowment[0].1, gas: problem.gas };
        let (path, greedy) = (Router::BestPath(3).route(&task), Router::Greedy(1).route(&task));
        assert!(greedy.output >= path.output * (1.0 - 1e-6), "{} below {}", greedy.output, path.output);
    }
}
