//! The kernels that every solve is made of, one by one, on a generated universe of 2,000 pools with one order of $100k.
//!
//! `cargo bench -p ballast-bench`, with a part of a name to run only what has it, such as `-- newton`.

#![allow(clippy::unwrap_used, reason = "a bench without its universe has nothing to measure")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use alloy_primitives::U256;
use ballast_adapters::{Exact, Face, Market, Venue};
use ballast_fixtures::{Limits, OrderConfig, Size, UniverseConfig, demo_document, document, orders, universe};
use ballast_routing::curve::{Curve, PerCoin, Response};
use ballast_routing::{Budget, MarketId, Markets, Outcome, Problem, Search, Snapshot, clearing_prices, flows_at, solve};
use ballast_solver::auction::{Auction, Drops};
use ballast_solver::batch::compile::compile;
use ballast_solver::batch::plan::{Plan, plan};
use ballast_solver::batch::{Bid, Liquidity};
use ballast_solver::config::Config;
use ballast_solver::settlement::verify;
use ballast_wire as wire;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

/// The part of what moves a pool by 2 % that is swapped.
const PART: f64 = 0.1;
/// How far prices are from a pool's own when it is asked to respond: beyond nearly all fees.
const OFF: f64 = 1.02;

static CASE: LazyLock<Case> = LazyLock::new(Case::new);

fn main() {
    divan::main();
}

/// An auction with one order on its way to a solution.
struct Case {
    text: String,
    auction: Auction,
    config: Config,
    liquidity: Liquidity,
    problem: Problem,
    outcome: Outcome,
    plan: Plan,
    solution: wire::Solution,
    /// The same problem as an offer that may be taken in part.
    partial: Problem,
}

impl Case {
    fn new() -> Self {
        let mut request = universe(&UniverseConfig::new(2_000, 1));
        let limits = Limits { mean_bps: -5_000.0, deviation_bps: 0.0, far_share: 0.0 };
        let size = Size::LogNormal { median_usd: 1e5, sigma: 0.0 };
        let drawn =
            OrderConfig { size, buy_share: 0.0, partial_share: 0.0, market_share: 0.0, limits, ..OrderConfig::new(20, 1) };
        orders(&mut request, &drawn);
        let (text, config) = (document(&request).unwrap(), Config::default());
        let auction = Auction::new(&request, |_| true);
        let liquidity = Liquidity::new(&auction, &config, &mut Drops::default());
        // The first that can be executed as it is.
        let done = auction.orders.iter().enumerate().find_map(|(index, order)| {
            let problem = compile(order, &liquidity, &config).ok()?.problem;
            let outcome = solve(&liquidity.snapshot, &problem, None, &[], &Budget::default());
            let plan = plan(&auction, &liquidity, order, &outcome, &config).ok()?;
            let solution = Bid::single(index as u64, &auction, order, &plan)?.solution;
            verify(&auction, &config, solution.clone()).ok()?;
            let mut order = order.clone();
            order.partial = true;
            let partial = compile(&order, &liquidity, &config).ok()?.problem;
            Some((index, problem, outcome, plan, solution, partial))
        });
        let (index, problem, outcome, plan, solution, partial) = done.unwrap();
        let mut auction = auction;
        auction.orders.swap(0, index);
        Self { text, auction, config, liquidity, problem, outcome, plan, solution, partial }
    }

    fn market(&self, id: MarketId) -> &Market {
        &self.auction.pools[self.liquidity.pool(id)].market
    }

    /// Markets of a venue, of two coins or of more.
    fn of(&self, venue: &str, many: bool) -> impl Iterator<Item = MarketId> {
        let markets = self.liquidity.snapshot.markets();
        (0..markets.len() as MarketId).filter(move |&id| {
            self.auction.pools[self.liquidity.pool(id)].kind() == venue && (markets.coins(id).len() > 2) == many
        })
    }

    fn curve(&self, id: MarketId) -> &Curve {
        self.liquidity.snapshot.markets().curve(id)
    }

    /// The markets after a swap on the deepest of them that moves its price by a percent, in the same units.
    fn moved(&self) -> Snapshot {
        let markets = self.liquidity.snapshot.markets();
        let unit = |id: MarketId, k: usize| self.liquidity.units.get(markets.coins(id)[k]).unwrap();
        let depth = |id: MarketId| self.market(id).quotes()[0].depth;
        let deepest =
            (0..markets.len() as MarketId).max_by(|&a, &b| (depth(a) * unit(a, 0)).total_cmp(&(depth(b) * unit(b, 0)))).unwrap();
        let mut pool = self.market(deepest).clone();
        pool.apply(0, 1, Exact::Input(U256::from(depth(deepest) * 0.5))).unwrap();
        let units: PerCoin<f64> = (0..markets.coins(deepest).len()).map(|k| unit(deepest, k)).collect();
        let mut after = Markets::new(markets.tokens());
        for id in 0..markets.len() as MarketId {
            let curve = if id == deepest { pool.curve(&units).unwrap() } else { markets.curve(id).clone() };
            after.add(markets.coins(id), curve, markets.gas(id)).unwrap();
        }
        Snapshot::new(after)
    }
}

/// Venues of the universe with pools of two coins, or of more.
fn venues(many: bool) -> BTreeSet<&'static str> {
    let case = &*CASE;
    case.auction.pools.iter().map(|pool| pool.kind()).filter(|kind| case.of(kind, many).next().is_some()).collect()
}

mod curve {
    use super::*;

    /// An exact swap. That of a foreign order is one product and one quotient: nothing to measure.
    #[divan::bench(args = venues(false).into_iter().filter(|venue| *venue != "limitOrder"))]
    fn amount_out(bencher: Bencher, venue: &str) {
        let call = |id: MarketId| {
            let market = CASE.market(id);
            let atoms = market.quotes()[0].depth * PART;
            let amount = (1.0..1e60).contains(&atoms).then(|| U256::from(atoms))?;
            market.amount_out(0, 1, amount).ok().map(|_| (market, amount))
        };
        let calls: Vec<_> = CASE.of(venue, false).filter_map(call).collect();
        let mut next = calls.iter().cycle();
        bencher.bench_local(move || next.next().map(|(market, amount)| market.amount_out(0, 1, black_box(*amount))));
    }

    /// A pair's answer to a price, with its slope.
    #[divan::bench(args = venues(false))]
    fn pair_response(bencher: Bencher, venue: &str) {
        let curves: Vec<(&Curve, f64)> =
            CASE.of(venue, false).map(|id| CASE.curve(id)).map(|curve| (curve, curve.rate(0, 1) / OFF)).collect();
        let mut next = curves.iter().cycle();
        bencher.bench_local(move || next.next().map(|(curve, m)| curve.respond_pair(0, 1, black_box(*m), 1e-5)));
    }

    /// The answer of pools of 3–8 coins to prices of all of them, with the Hessian.
    #[divan::bench(args = venues(true))]
    fn whole_response(bencher: Bencher, venue: &str) {
        // A pool's own prices, but for its first coin, which is cheap.
        let prices = |curve: &Curve| -> PerCoin<f64> {
            let own = |k: usize| (curve.rate(k, 0) / curve.rate(0, k)).sqrt();
            (0..curve.coins()).map(|k| if k == 0 { 1.0 / OFF } else { own(k) }).collect()
        };
        let curves: Vec<_> = CASE.of(venue, true).map(|id| CASE.curve(id)).map(|curve| (curve, prices(curve))).collect();
        let mut next = curves.iter().cycle();
        let mut response = Response::default();
        bencher.bench_local(move || {
            if let Some((curve, nu)) = next.next() {
                curve.respond(black_box(nu), u8::MAX >> (8 - nu.len()), &mut response);
                black_box(&response);
            }
        });
    }
}

mod newton {
    use super::*;

    /// Clearing prices of all pools, every token starting at its reference price.
    #[divan::bench]
    fn prices_cold(bencher: Bencher) {
        let (snapshot, gas_price) = (&CASE.liquidity.snapshot, CASE.liquidity.gas_price);
        let anchor = snapshot.hub().unwrap();
        bencher.bench_local(|| clearing_prices(snapshot, anchor, gas_price, None, &Budget::default()));
    }

    /// The same after the deepest pool moved by a percent, from the prices before.
    #[divan::bench]
    fn prices_warm(bencher: Bencher) {
        let (snapshot, gas_price) = (&CASE.liquidity.snapshot, CASE.liquidity.gas_price);
        let anchor = snapshot.hub().unwrap();
        let before = clearing_prices(snapshot, anchor, gas_price, None, &Budget::default());
        let moved = CASE.moved();
        bencher.bench_local(|| clearing_prices(&moved, anchor, gas_price, Some(black_box(&before)), &Budget::default()));
    }
}

mod order {
    use super::*;

    /// The linear programme on the pools chosen, at four widths of its chords.
    #[divan::bench]
    fn programme(bencher: Bencher) {
        let coins = |trade: &[f64]| (0..trade.len()).filter(|&k| trade[k] != 0.0).fold(0_u8, |mask, k| mask | (1 << k));
        let choice: Vec<(MarketId, u8)> = CASE.outcome.flows.iter().map(|f| (f.market, coins(&f.trade))).collect();
        bencher.bench_local(|| flows_at(&CASE.liquidity.snapshot, &CASE.problem, black_box(&choice), &CASE.outcome.prices));
    }

    /// From nothing to the first flows: a fill-or-kill sale.
    #[divan::bench]
    fn first(bencher: Bencher) {
        bencher.bench_local(|| {
            let budget = Budget::default();
            Search::new(&CASE.liquidity.snapshot, black_box(&CASE.problem), None, &[], &budget).first()
        });
    }

    /// The same for an offer that may be taken in part.
    #[divan::bench]
    fn first_partial(bencher: Bencher) {
        bencher.bench_local(|| {
            let budget = Budget::default();
            Search::new(&CASE.liquidity.snapshot, black_box(&CASE.partial), None, &[], &budget).first()
        });
    }

    /// Flows into exact swaps in order.
    #[divan::bench(name = "plan")]
    fn planned(bencher: Bencher) {
        let order = &CASE.auction.orders[0];
        bencher.bench_local(|| plan(&CASE.auction, &CASE.liquidity, order, black_box(&CASE.outcome), &CASE.config));
    }

    /// The independent check of the solution.
    #[divan::bench(name = "verify")]
    fn verified(bencher: Bencher) {
        assert!(!CASE.plan.swaps.is_empty(), "nothing to verify");
        bencher
            .with_inputs(|| CASE.solution.clone())
            .bench_local_values(|solution| verify(&CASE.auction, &CASE.config, black_box(solution)));
    }
}

mod parse {
    use super::*;

    fn parse(bencher: Bencher, text: &str) {
        bencher.counter(BytesCount::of_str(text)).bench_local(|| wire::Auction::from_json(black_box(text.as_bytes())));
    }

    /// The demo: 62 pools, 13 orders.
    #[divan::bench]
    fn demo(bencher: Bencher) {
        parse(bencher, &demo_document().unwrap());
    }

    /// 2,000 pools.
    #[divan::bench]
    fn generated(bencher: Bencher) {
        parse(bencher, &CASE.text);
    }
}
