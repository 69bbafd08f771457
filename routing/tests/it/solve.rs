use ballast_routing::curve::{Curve, Product};
use ballast_routing::{
    Budget, Ceiling, GasPrice, Height, Markets, Outcome, Problem, Search, Snapshot, Status, Wanted, clearing_prices, solve,
};

use crate::instances::{Instance, instance};

/// Worth of an outcome by the curves alone, and the worst shortage of a token.
fn replay(instance: &Instance, outcome: &Outcome) -> (f64, f64) {
    let markets = instance.snapshot.markets();
    let problem = &instance.problem;
    let mut left = vec![0.0; markets.tokens()];
    for &(token, amount) in &problem.endowment {
        left[token as usize] += amount;
    }
    left[problem.gas.token as usize] -= outcome.certificate.gas * problem.gas.price;
    for flow in &outcome.flows {
        for (&token, z) in markets.coins(flow.market).iter().zip(&flow.trade) {
            left[token as usize] += z;
        }
    }
    for (limit, fill) in problem.limits.iter().zip(&outcome.fills) {
        assert!(*fill >= 0.0 && *fill <= limit.cap * (1.0 + 1e-12));
        left[limit.take as usize] -= fill;
        left[limit.give as usize] += limit.rate * fill;
    }
    // What rounding leaves short is charged at its price.
    let free = |t: usize| problem.wanted.iter().any(|w| w.token as usize == t && w.free);
    let short = (0..left.len()).filter(|&t| !free(t)).map(|t| -left[t]).fold(0.0, f64::max);
    let charged: f64 = (0..left.len()).filter(|&t| !free(t)).map(|t| left[t].min(0.0) * outcome.prices[t]).sum();
    (problem.wanted.iter().map(|w| w.weight * left[w.token as usize]).sum::<f64>() + charged, short)
}

fn scale(instance: &Instance) -> f64 {
    let problem = &instance.problem;
    problem.endowment.iter().map(|e| e.1.abs()).sum::<f64>() + problem.limits.iter().map(|l| l.cap * l.rate).sum::<f64>()
}

#[test]
fn no_value_exceeds_its_bound_and_gaps_are_small() {
    let mut gaps = Vec::new();
    let mut unconverged = 0;
    let mut traded = 0;
    let count = 10_000;
    for seed in 0..count {
        let instance = instance(seed, 2 + (seed % 9) as usize, 1 + (seed % 23) as usize);
        let outcome = solve(&instance.snapshot, &instance.problem, None, &[], &Budget::default());
        if outcome.status == Status::Idle {
            continue;
        }
        traded += 1;
        let (value, short) = replay(&instance, &outcome);
        let size = scale(&instance);
        let certificate = outcome.certificate;
        let paid = certificate.gas * instance.problem.gas.price;
        assert!(short <= 1e-5 * (size + paid), "seed {seed}: short by {short} of {size}");
        assert!((value - certificate.value).abs() <= 1e-9 * size.max(value.abs()), "seed {seed}: {value} {certificate:?}");
        // A thousandth of a basis point of the order: what doubles lose on pools a million times its size.
        let slack = 1e-7 * size;
        assert!(certificate.bound + slack >= value, "seed {seed}: value {value} above its bound {certificate:?}");
        assert!(certificate.bound_kept + slack >= value, "seed {seed}: value {value} above its bound {certificate:?}");
        let gap = 1e4 * certificate.convex_gap() / size;
        gaps.push(gap);
        // What did not converge says so.
        unconverged += u32::from(outcome.status != Status::Optimal);
        assert!(gap <= 1.0 || outcome.status != Status::Optimal, "seed {seed}: {gap} bps and {:?}", outcome.status);
    }
    gaps.sort_by(f64::total_cmp);
    let at = |q: f64| gaps[((gaps.len() - 1) as f64 * q) as usize];
    println!(
        "{count} instances, {traded} traded, {unconverged} unconverged; convex gap bps: median {:.1e} p90 {:.1e} p99 {:.1e} worst {:.1e}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
    assert!(at(0.9) <= 1e-4 && at(0.99) <= 1e-3, "p90 {}, p99 {}", at(0.9), at(0.99));
    // Cycles a million times the order among them.
    assert!(unconverged <= traded / 500, "{unconverged} of {traded} unconverged");
}

#[test]
fn nothing_exceeds_the_ceiling() {
    let mut near = 0;
    let mut traded = 0;
    for seed in 0..2_000 {
        let instance = instance(seed, 2 + (seed % 9) as usize, 1 + (seed % 23) as usize);
        let Instance { snapshot, problem } = &instance;
        let outcome = solve(snapshot, problem, None, &[], &Budget::default());
        if outcome.status == Status::Idle {
            continue;
        }
        let size = scale(&instance);
        let (value, slack) = (outcome.certificate.value, 1e-7 * size);
        let clearing = clearing_prices(snapshot, problem.gas.token, problem.gas.price, None, &Budget::default());
        let ones = vec![1.0; snapshot.markets().tokens()];
        for prices in [&clearing, &ones] {
            let Height { all: most, own } = Ceiling::new(snapshot, prices).of(problem, f64::NEG_INFINITY);
            assert!(own <= most);
            assert!(most + slack >= value, "seed {seed}: {value} above {most}");
            let enough = 0.5 * (most + value);
            assert!(Ceiling::new(snapshot, prices).of(problem, enough).all + slack >= value, "seed {seed}");
        }
        traded += 1;
        near += u32::from(Ceiling::new(snapshot, &clearing).of(problem, f64::NEG_INFINITY).all <= value + 0.01 * size);
    }
    assert!(traded > 1_000 && near > traded / 4, "{near} of {traded} within a hundredth");
}

#[test]
fn a_detour_too_small_for_any_path_is_found_at_once() {
    let mut markets = Markets::new(3);
    let pool = |reserves| Curve::Product(Product::new(reserves, 0.001).unwrap());
    markets.add(&[0, 1], pool([1e7, 1e7]), 60e3).unwrap();
    // Three per cent better for the first unit, and dry for a part of the order that any path is looked for with.
    markets.add(&[0, 2], pool([3e3, 3e3]), 60e3).unwrap();
    markets.add(&[2, 1], pool([3e3, 3.1e3]), 60e3).unwrap();
    let problem = Problem {
        endowment: vec![(0, 1e5)],
        wanted: vec![Wanted { token: 1, weight: 1.0, free: true }],
        gas: GasPrice { token: 0, price: 1e-6, fixed: 1e5 },
        ..Problem::default()
    };
    let snapshot = Snapshot::new(markets);
    let budget = Budget::default();
    let outcome = Search::new(&snapshot, &problem, None, &[], &budget).first();
    assert_eq!(outcome.flows.len(), 3, "{outcome:?}");
    assert!(outcome.certificate.bound - outcome.certificate.value < 1e-4, "{:?}", outcome.certificate);
}
