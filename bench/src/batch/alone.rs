//! Orders one by one: by the best single path, by our own router, and one after another on what is left.

use std::time::{Duration, Instant};

use ballast_routing::{Certificate, Flow, GasPrice, MarketId, Outcome, Status};
use ballast_solver::auction::Auction;
use ballast_solver::batch::compile::compile;
use ballast_solver::batch::plan::plan;
use ballast_solver::batch::{Bid, Liquidity};
use ballast_solver::config::Config;
use ballast_solver::engine::{Answer, answer};
use ballast_solver::settlement::{Verified, verify};
use ballast_wire::Side;

use super::Progress;
use super::settle::{Ground, Worth};
use crate::opponents::{Route, Router, Task};
use crate::scenario::Scenario;

/// Hops of a single path, at the most.
const HOPS: usize = 3;
/// Parts of an order that may be filled partly that are tried: halves, as the reference engine does.
const PARTS: [f64; 6] = [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125];

/// Where an order is solved: pools, the same laid out, prices to start from, and how long.
pub struct Place<'a> {
    auction: &'a Auction,
    liquidity: &'a Liquidity,
    config: &'a Config,
    warm: &'a [f64],
    limit: Duration,
}

/// Solves the order of this index by itself.
pub type Solve = fn(&Place, usize) -> Option<Verified>;

/// Every order by itself, the best score first.
pub fn each(scenario: &Scenario, config: &Config, limit: Duration, name: &'static str, by: Solve) -> Vec<Verified> {
    let (auction, liquidity) = (&scenario.auction, &scenario.liquidity);
    let warm = liquidity.clearing_prices(&|| false);
    let place = Place { auction, liquidity, config, warm: &warm, limit };
    let progress = Progress::new(auction.orders.len(), name);
    let solve = |index| {
        progress.step();
        by(&place, index)
    };
    let mut found: Vec<Verified> = (0..auction.orders.len()).filter_map(solve).collect();
    found.sort_by_key(|verified| std::cmp::Reverse(verified.score()));
    found
}

/// By our own router.
pub fn router(place: &Place, index: usize) -> Option<Verified> {
    let end = Instant::now() + place.limit;
    let stop = || Instant::now() >= end;
    match answer(place.auction, place.liquidity, place.config, index, Some(place.warm), &stop) {
        Answer::Filled(filled) => Some(filled.verified),
        Answer::Unfilled(_) => None,
    }
}

/// In the order of what was promised for each alone, every order by our router on the pools that those before it left.
pub fn greedy(scenario: &Scenario, config: &Config, limit: Duration, promised: &[Verified]) -> Worth {
    let mut ground = Ground::new(&scenario.auction, config);
    let warm = scenario.liquidity.clearing_prices(&|| false);
    let progress = Progress::new(promised.len(), "in sequence");
    for index in promised.iter().flat_map(|verified| verified.fills()).map(|fill| fill.order) {
        let auction = ground.auction();
        let liquidity = Liquidity::new(auction, config, &mut Default::default());
        let found = router(&Place { auction, liquidity: &liquidity, config, warm: &warm, limit }, index);
        if let Some(verified) = found {
            ground.settle(verified.solution());
        }
        progress.step();
    }
    ground.worth()
}

/// By the best single path, net of gas; of an order that may be filled partly the best of some parts.
pub fn best_path(place: &Place, index: usize) -> Option<Verified> {
    let order = place.auction.orders.get(index).filter(|order| order.sell != order.buy)?;
    let parts = if order.partial { PARTS.as_slice() } else { &PARTS[..1] };
    parts.iter().filter_map(|&part| part_by_path(place, index, part)).max_by_key(Verified::score)
}

fn part_by_path(place: &Place, index: usize, part: f64) -> Option<Verified> {
    let order = &place.auction.orders[index];
    let GasPrice { token, price, fixed } = compile(order, place.liquidity, place.config).ok()?.problem.gas;
    let value = |token, amount| place.liquidity.units.get(token).map(|unit| unit * f64::from(amount) * part);
    let (sold, bought) = (value(order.sell, order.sell_amount)?, value(order.buy, order.buy_amount)?);
    let task = Task {
        snapshot: &place.liquidity.snapshot,
        from: order.sell,
        to: order.buy,
        sold,
        gas: GasPrice { token, price, fixed },
    };
    let mut route = Router::BestPath(HOPS).route(&task);
    if order.side == Side::Buy {
        // What is sold is the most that may be: the path is chosen by it, and then taken for just what is bought.
        route = route.delivering(&task, bought)?;
    }
    if route.flows.is_empty() {
        return None;
    }
    let planned = plan(place.auction, place.liquidity, order, &outcome(&task, &route, bought), place.config).ok()?;
    let bid = Bid::single(index as u64, place.auction, order, &planned)?;
    verify(place.auction, place.config, bid.solution).ok()
}

/// A path in the terms of the optimiser. `bought` is what of a partial order's limit is taken.
fn outcome(task: &Task, route: &Route, bought: f64) -> Outcome {
    let markets = task.snapshot.markets();
    let flow = |market: MarketId, input: usize, output: usize, x: f64| {
        let mut trade: ballast_routing::curve::PerCoin<f64> = markets.coins(market).iter().map(|_| 0.0).collect();
        trade[input] = -x;
        trade[output] = markets.curve(market).output(input, output, x);
        Flow { market, trade }
    };
    let flows = route.flows.iter().map(|(hop, x)| flow(hop.market, hop.input.into(), hop.output.into(), *x)).collect();
    let certificate = Certificate { value: route.output, gas: 0.0, bound_kept: f64::INFINITY, bound: f64::INFINITY };
    Outcome { flows, fills: vec![bought], prices: vec![1.0; markets.tokens()], certificate, status: Status::Feasible }
}
