//! Brute force on instances small enough for it: coarse splits over all simple paths, by the venues' own arithmetic.

use alloy_primitives::U256;
use ballast_adapters::Venue;
use ballast_fixtures::tiny;
use ballast_solver::auction::{Auction, Order};
use ballast_solver::config::Config;
use ballast_solver::engine::{Answer, Filled};
use ballast_wire::Side;

use crate::support::solve;

/// An order is split into so many parts.
const PARTS: usize = 20;

/// A swap: the auction's pool, its coin in, its coin out.
type Step = (usize, usize, usize);

/// All paths of up to three pools between two tokens that meet no token twice.
fn paths(auction: &Auction, at: u32, goal: u32, seen: &mut Vec<u32>, path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    if at == goal {
        found.push(path.clone());
        return;
    }
    if path.len() == 3 {
        return;
    }
    seen.push(at);
    for (index, pool) in auction.pools.iter().enumerate() {
        let Some(input) = pool.coin(at) else { continue };
        if path.iter().any(|step| step.0 == index) {
            continue;
        }
        for (output, &to) in pool.coins.iter().enumerate() {
            if !seen.contains(&to) {
                path.push((index, input, output));
                paths(auction, to, goal, seen, path, found);
                path.pop();
            }
        }
    }
    seen.pop();
}

/// What a path pays for `amount`, or charges for it.
fn through(auction: &Auction, path: &[Step], side: Side, amount: U256) -> Option<U256> {
    let mut amount = amount;
    match side {
        Side::Sell => {
            for &(pool, input, output) in path {
                amount = auction.pools[pool].market.amount_out(input, output, amount).ok()?;
            }
        }
        Side::Buy => {
            for &(pool, input, output) in path.iter().rev() {
                amount = auction.pools[pool].market.amount_in(input, output, amount).ok()?;
            }
        }
    }
    Some(amount)
}

fn disjoint(a: &[Step], b: &[Step]) -> bool {
    a.iter().all(|s| b.iter().all(|t| s.0 != t.0))
}

/// Value units of an atom: every token of a tiny auction has a reference price.
fn unit(auction: &Auction, token: u32) -> f64 {
    f64::from(auction.token(token).reference_price.unwrap()) * 1e-33
}

/// The worth of a fill above its limit, in value units of the token that the surplus is paid in.
fn surplus(auction: &Auction, order: &Order, paid: f64, got: f64) -> f64 {
    let rate = f64::from(order.buy_amount) / f64::from(order.sell_amount);
    match order.side {
        Side::Sell => (got - paid * rate) * unit(auction, order.buy),
        Side::Buy => (got / rate - paid) * unit(auction, order.sell),
    }
}

/// The best of all splits into twentieths over up to three paths that share no pool, at the gas of all pools; zero if none pays.
fn brute(auction: &Auction, order: &Order) -> f64 {
    let gas: u64 = 106_391 + auction.pools.iter().map(|pool| pool.gas).sum::<u64>();
    let wei = auction.gas_price * U256::from(gas) * U256::from(10).pow(U256::from(18));
    let fee = wei.div_ceil(auction.token(order.sell).reference_price.unwrap());
    let whole = match order.side {
        Side::Sell => order.sell_amount - fee,
        Side::Buy => order.buy_amount,
    };
    let mut found = Vec::new();
    paths(auction, order.sell, order.buy, &mut Vec::new(), &mut Vec::new(), &mut found);
    // Rounded up, so that the parts of a buy order are enough; a sell order's are then an atom too many at the most.
    let part = |k: usize| (whole * U256::from(k)).div_ceil(U256::from(PARTS));
    let curves: Vec<Vec<f64>> = found
        .iter()
        .map(|path| {
            let at = |k| match k {
                0 => 0.0,
                _ => through(auction, path, order.side, part(k)).map_or(f64::NAN, f64::from),
            };
            (0..=PARTS).map(at).collect()
        })
        .collect();
    let mut best: f64 = 0.0;
    let mut weigh = |parts: &[(usize, usize)]| {
        let taken: usize = parts.iter().map(|p| p.1).sum();
        if taken == 0 || (!order.partial && taken != PARTS) {
            return;
        }
        let exact = f64::from(whole) * taken as f64 / PARTS as f64;
        let other: f64 = parts.iter().map(|&(path, k)| curves[path][k]).sum();
        let (paid, got) = match order.side {
            Side::Sell => (exact + f64::from(fee), other),
            Side::Buy => (other + f64::from(fee), exact),
        };
        // A sum that is not a number is that of a path that cannot carry its part.
        if paid <= f64::from(order.sell_amount) * (1.0 + 1e-12) {
            best = best.max(surplus(auction, order, paid, got));
        }
    };
    for a in 0..found.len() {
        for i in 0..=PARTS {
            weigh(&[(a, i)]);
        }
        for b in (a + 1..found.len()).filter(|&b| disjoint(&found[a], &found[b])) {
            for i in 1..PARTS {
                for j in 1..=PARTS - i {
                    weigh(&[(a, i), (b, j)]);
                }
            }
            for c in (b + 1..found.len()).filter(|&c| disjoint(&found[a], &found[c]) && disjoint(&found[b], &found[c])) {
                for i in 1..PARTS {
                    for j in 1..PARTS - i {
                        for k in 1..=PARTS - i - j {
                            weigh(&[(a, i), (b, j), (c, k)]);
                        }
                    }
                }
            }
        }
    }
    best
}

fn achieved(auction: &Auction, order: &Order, found: &Filled) -> f64 {
    let [fill] = found.verified.fills() else { panic!("not one fill") };
    surplus(auction, order, f64::from(fill.paid), f64::from(fill.got))
}

/// How many orders were filled, and how many were worth filling.
fn check(seeds: std::ops::Range<u64>) -> [usize; 2] {
    let mut counts = [0; 2];
    for seed in seeds {
        let (auction, report) = solve(&tiny(seed), &Config::default());
        for (index, (answer, _)) in report.answers.iter().enumerate() {
            let order = &auction.orders[index];
            let best = brute(&auction, order);
            let size = match order.side {
                Side::Sell => f64::from(order.buy_amount) * unit(&auction, order.buy),
                Side::Buy => f64::from(order.sell_amount) * unit(&auction, order.sell),
            };
            counts[1] += usize::from(best > 0.0);
            let Answer::Filled(found) = answer else {
                assert!(best <= 1e-8 * size, "seed {seed}, order {index}: {answer:?} where {best} of {size} is to be had");
                continue;
            };
            counts[0] += 1;
            let ours = achieved(&auction, order, found);
            assert!(ours >= best - 1e-8 * size, "seed {seed}, order {index}: {ours} where {best} of {size} is to be had");
            let bound = ours + found.gaps.total;
            assert!(best <= bound + 1e-9 * size, "seed {seed}, order {index}: {best} beyond the bound of {bound}");
        }
    }
    counts
}

#[test]
fn no_coarse_split_is_better_and_none_beats_the_bound() {
    let [filled, worthy] = check(0..60);
    assert!(filled >= worthy && worthy >= 40, "{filled} filled of {worthy} worth filling");
}
