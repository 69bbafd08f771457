use super::*;

fn small() -> (Scenario, Config) {
    let config = Config::default();
    (batch(&UniverseConfig::new(200, 4), 25, 0.4, &config), config)
}

/// Settled, solutions are worth no more than they promised together, and an order is filled once.
#[test]
fn settled_in_turn_is_no_more_than_promised() {
    let (scenario, config) = small();
    let auction = &scenario.auction;
    for (name, by) in [("paths", alone::best_path as alone::Solve), ("router", alone::router)] {
        let found = alone::each(&scenario, &config, Duration::from_secs(60), name, by);
        let promised = Worth::sum(auction, found.iter());
        assert!(promised.filled > 2 && promised.filled == found.len(), "{name}: {promised:?}");
        let mut ground = Ground::new(auction, &config);
        found.iter().for_each(|verified| ground.settle(verified.solution()));
        let settled = ground.worth();
        assert!(settled.filled > 0 && settled.filled <= promised.filled, "{name}: {settled:?} of {promised:?}");
        assert!(
            settled.score <= promised.score && settled.net() <= promised.net() + 1e-12,
            "{name}: {settled:?} of {promised:?}"
        );
        found.iter().for_each(|verified| ground.settle(verified.solution()));
        assert_eq!(ground.worth().filled, settled.filled, "{name}");
    }
}

/// No path alone is better than what our router finds for the same order, by more than a thousandth of the order's surplus.
#[test]
fn no_single_path_beats_the_router() {
    let (scenario, config) = small();
    let limit = Duration::from_secs(60);
    let routed = alone::each(&scenario, &config, limit, "router", alone::router);
    for path in alone::each(&scenario, &config, limit, "paths", alone::best_path) {
        let order = path.fills()[0].order;
        let ours = routed.iter().find(|verified| verified.fills()[0].order == order).map(Verified::score).unwrap_or_default();
        assert!(f64::from(path.score()) <= 1.001 * f64::from(ours), "order {order}: {} by a path, {ours} by us", path.score());
    }
}

/// What of our bids is left when they are settled in turn is worth no less than what is left of single bids.
#[test]
fn our_bids_in_turn_are_worth_no_less_than_single_bids() {
    let config = Config::default();
    for seed in 4..7 {
        let scenario = batch(&UniverseConfig::new(200, seed), 25, 0.4, &config);
        let settled = |solutions: &mut dyn Iterator<Item = &ballast_wire::Solution>| {
            let mut ground = Ground::new(&scenario.auction, &config);
            solutions.for_each(|solution| ground.settle(solution));
            ground.worth()
        };
        let report = engine::run(&scenario.auction, &config, &|| false);
        // What a choice is worth is handed out, but for what one price a token costs and what pairs could have elsewhere.
        let Welfare { whole, realised, .. } = report.batch.as_ref().unwrap().joint.welfare;
        assert!(realised > 0.97 * whole, "seed {seed}: {realised} of {whole}");
        let ours = settled(&mut report.solutions().iter());
        for (name, by) in [("paths", alone::best_path as alone::Solve), ("router", alone::router)] {
            let found = alone::each(&scenario, &config, Duration::from_secs(60), name, by);
            let theirs = settled(&mut found.iter().map(Verified::solution));
            assert!(ours.net() >= theirs.net(), "seed {seed}, {name}: {theirs:?} against {ours:?}");
        }
    }
}
