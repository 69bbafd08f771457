//! Batches: the small ones that show one thing each, what every solution keeps, and brute force where it can be had.

mod brute;
mod check;

use alloy_primitives::U256;
use ballast_fixtures::{Case, OrderConfig, UniverseConfig, case, orders, tiny_batch, universe};
use ballast_solver::auction::Auction;
use ballast_solver::batch::Welfare;
use ballast_solver::config::Config;
use ballast_wire::{self as wire, Solution};

use crate::support::{ether, solve, swaps, through_json};
use brute::Brute;
use check::{Filled, check};

fn solved(request: &wire::Auction) -> (Auction, Vec<Solution>) {
    let (auction, report) = solve(request, &Config::default());
    let solutions = through_json(&report);
    (auction, solutions)
}

/// Solves, checks every solution, and answers with the best one's fills.
fn best(name: &str, request: &wire::Auction) -> Vec<Filled> {
    let (auction, solutions) = solved(request);
    let checked: Vec<Vec<Filled>> =
        solutions.iter().map(|s| check(&format!("{name}, solution {}", s.id), &auction, &Config::default(), s)).collect();
    checked.into_iter().next().unwrap_or_default()
}

#[test]
fn every_solution_of_a_generated_batch_keeps_what_it_must() {
    let mut count = 0;
    let mainnet = UniverseConfig::default().gas_price;
    let rollup = mainnet / 1_500;
    for (pools, seed, fill_or_kill, gas_price) in
        [(60, 1, 0.0, mainnet), (120, 2, 0.4, mainnet), (200, 3, 1.0, mainnet), (120, 4, 0.4, rollup)]
    {
        let mut request = universe(&UniverseConfig { gas_price, ..UniverseConfig::new(pools, seed) });
        orders(&mut request, &OrderConfig::batch(20, seed, fill_or_kill));
        let (auction, solutions) = solved(&request);
        for solution in &solutions {
            let name = format!("{pools} pools of seed {seed}, solution {}", solution.id);
            check(&name, &auction, &Config::default(), solution);
        }
        count += solutions.len();
    }
    assert!(count >= 20, "only {count} solutions of 80 orders");
}

/// Whole orders bring markets with them, and all together would take several times the gas that there is room for: a batch of those that are
/// worth most for theirs is found all the same.
#[test]
fn a_batch_is_found_where_there_is_little_room_for_gas() {
    for seed in 1..=3 {
        let mut request = universe(&UniverseConfig::new(150, seed));
        orders(&mut request, &OrderConfig::batch(40, seed, 0.5));
        let batch = |max_gas: u64| solve(&request, &Config { max_gas, ..Config::default() }).1.batch.expect("a batch").joint;
        let all = batch(Config::default().max_gas);
        let some = batch(all.gas / 3);
        assert!(some.gas <= all.gas / 3, "seed {seed}: {} of {}", some.gas, all.gas);
        let (worth, bound) = (some.welfare.realised, some.welfare.bound);
        assert!(worth > 0.6 * bound && worth < all.welfare.realised, "seed {seed}: {worth} of {bound}");
        assert!(all.welfare.realised <= all.welfare.bound, "seed {seed}: {:?}", all.welfare);
    }
}

#[test]
fn an_order_is_filled_up_to_where_the_margin_meets_its_limit() {
    let request = case(Case::InnerFill);
    let [filled] = &best("inner fill", &request)[..] else { panic!("not one fill") };
    let whole = f64::from(request.orders[0].as_ref().unwrap().sell_amount);
    let part = f64::from(filled.paid) / whole;
    assert!((0.29..0.32).contains(&part), "{part}");
}

#[test]
fn arbitrage_pays_for_an_order_that_alone_could_not() {
    let request = case(Case::Funded);
    assert_eq!(best("funded", &request).len(), 1);
    // It is the cycle that pays: with either of its pools left out nothing does.
    for left_out in ["1", "2"] {
        let mut request = request.clone();
        request.liquidity.retain(|pool| pool.as_ref().is_ok_and(|pool| pool.id != left_out));
        assert!(solved(&request).1.is_empty(), "filled without pool {left_out}");
    }
}

#[test]
fn equal_pools_get_equal_parts() {
    let (_, solutions) = solved(&case(Case::EqualPools));
    let inputs: Vec<f64> = swaps(&solutions[0]).map(|swap| f64::from(swap.input_amount.0)).collect();
    let [a, b] = inputs[..] else { panic!("not two swaps: {inputs:?}") };
    assert!((a / b - 1.0).abs() < 1e-9, "{a} and {b}");
}

#[test]
fn orders_meet_where_no_pool_is() {
    // The smaller one whole, the larger one to two thirds.
    let opposite = best("opposite", &case(Case::Opposite));
    assert_eq!(opposite.len(), 2);
    let ring = best("ring", &case(Case::Ring));
    assert_eq!(ring.len(), 3);
    let request = case(Case::MatchOnly);
    let matched = best("match only", &request);
    assert_eq!(matched.len(), 2);
    // All that lies between the limits, but for the gas of two trades.
    let Config { settlement_gas, trade_gas, .. } = Config::default();
    let gas = ether(request.effective_gas_price * U256::from(settlement_gas + trade_gas));
    assert!(ether(matched.iter().map(|fill| fill.score).sum::<U256>()) > 0.998 * (3.125 * 0.004 - gas));
}

/// An order that is the first alone, without what it could be matched with.
#[test]
fn no_route_reaches_the_limits_that_only_a_match_can() {
    let request = case(Case::MatchOnly);
    for k in 0..request.orders.len() {
        let mut alone = request.clone();
        alone.orders = vec![request.orders[k].clone()];
        assert!(solved(&alone).1.is_empty(), "order {k} is filled alone");
    }
}

/// Every order alone: no better fill is found than the one that was answered.
#[test]
fn brute_force_finds_nothing_better_for_an_order_alone() {
    let (mut filled, mut worth) = (0, 0);
    for seed in 0..40 {
        let request = tiny_batch(seed);
        for k in 0..request.orders.len() {
            let mut alone = request.clone();
            alone.orders = vec![request.orders[k].clone()];
            let (auction, solutions) = solved(&alone);
            let ours = solutions.first().map_or(0.0, |solution| {
                let fills = check(&format!("seed {seed}, order {k}"), &auction, &Config::default(), solution);
                ether(fills.iter().map(|fill| fill.score).sum::<U256>())
            });
            let best = Brute::new(&alone, &auction).best(&[0]);
            let order = &auction.orders[0];
            let size = ether(order.sell_amount) * f64::from(auction.token(order.sell).reference_price.unwrap()) * 1e-18;
            filled += usize::from(ours > 0.0);
            worth += usize::from(best > 1e-9 * size);
            // A hundredth of a basis point.
            assert!(best <= ours + 1e-6 * size, "seed {seed}, order {k} of {size}: {best} is to be had, and not {ours}");
        }
    }
    assert!(filled >= 20 && worth >= 20, "{filled} filled, brute force fills {worth}");
}

/// Whole batches: nothing exceeds the bound, and one price a token costs next to nothing. (Pairs that are better off alone are not
/// filled in the batch, which brute force does not mind; so it is compared with the batch before that.)
#[test]
fn brute_force_finds_nothing_beyond_the_bound_of_a_batch() {
    let (mut seen, mut close) = (0, 0);
    for seed in 0..50 {
        let request = tiny_batch(seed);
        let (auction, report) = solve(&request, &Config::default());
        let Ok(batch) = &report.batch else { continue };
        let all: Vec<usize> = (0..auction.orders.len()).collect();
        let best = Brute::new(&request, &auction).best(&all);
        let welfare = batch.joint.welfare;
        assert!(best <= welfare.bound / 1e3 * (1.0 + 1e-6), "seed {seed}: {best} is to be had, and the bound is {welfare:?}");
        let Welfare { apart, bound, relaxed, whole, uniform, realised, .. } = welfare;
        assert!(relaxed.max(whole) <= apart && uniform.max(realised) <= bound && bound <= apart, "seed {seed}: {welfare:?}");
        seen += 1;
        close += usize::from(welfare.uniform / 1e3 >= 0.98 * best);
    }
    assert!(seen >= 10 && close * 10 >= seen * 8, "{close} of {seen} batches within 2 % of brute force");
}

/// What the search itself must find where the answer is known: two orders of $5,000 that fill each other, each with 20 basis points in
/// its limit, and one alone that nothing can fill.
#[test]
fn brute_force_finds_what_is_known() {
    let request = case(Case::MatchOnly);
    let auction = Auction::new(&request, |_| true);
    let brute = Brute::new(&request, &auction);
    let both = brute.best(&[0, 1]);
    assert!((both / (3.125 * 0.004) - 1.0).abs() < 1e-3, "{both}");
    assert_eq!(brute.best(&[0]), 0.0);
}
