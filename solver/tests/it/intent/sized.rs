//! Sizing where it is not like on other days.

use alloy_primitives::U256;
use ballast_solver::intent::Verdict;
use ballast_solver::intent::portfolio::Portfolio;
use ballast_solver::intent::size::{Answer, Rebalance};
use ballast_wire::Bps;
use ballast_wire::intent::{Intent, Rule};

use super::bench::*;
use super::promised::Market;

#[track_caller]
fn rebalance(market: &Market, intent: &Intent, portfolio: &Portfolio) -> (ballast_solver::auction::Auction, Box<Rebalance>) {
    match market.solve(intent, portfolio).unwrap() {
        (auction, Answer::Rebalance(rebalance)) => (auction, rebalance),
        (_, Answer::Idle(idle)) => panic!("{idle}"),
    }
}

fn intent(market: &Market) -> Intent {
    let mut intent = market.bench.intent_of(&["0.25"; 4]);
    intent.assets.sort_by_key(|asset| asset.token);
    intent
}

/// A price that gaps between sizing and settling: what was sized for another price is refused, nothing is lost, and sized anew it settles.
#[test]
fn a_price_that_gaps_in_between_costs_nothing() {
    let mut market = Market::new();
    let (intent, before) = (intent(&market), market.portfolio());
    let (auction, stale) = rebalance(&market, &intent, &before);
    assert!(stale.foreseen.is_ok());
    let (coin, price) = (0, 0.9);
    market.bench.say(coin, price, NOW);
    let verdict = market.settle(&intent, &auction, &stale);
    assert!(matches!(verdict, Verdict::Refused(_)), "{verdict}");
    let mut now = market.portfolio();
    assert_eq!(now, before, "nothing has moved");
    let place = market.bench.place(coin);
    now.holdings[place].price = fixed(price);
    let mut intent = intent;
    // The pools still pay the old price: a gain for who sells there.
    intent.execution.allow_partial = true;
    let (auction, anew) = rebalance(&market, &intent, &now);
    let outcome = settled(market.settle(&intent, &auction, &anew));
    assert_eq!(outcome.weightsAfter, anew.foreseen.unwrap().end.weights);
}

/// 10⁸ value units and more: doubles keep an eye on the atoms, and what the pools have no depth for is said.
#[test]
fn large_vaults_are_sized() {
    let mut market = Market::new();
    let mut intent = intent(&market);
    for asset in &mut intent.assets {
        (asset.landing.low, asset.landing.high) = (decimal("0.2499"), decimal("0.2501"));
    }
    intent.trigger.any_of = vec![Rule::DriftAbsBps(1)];
    let held = market.portfolio();
    let millions = |millions: [f64; 4]| {
        held.with(held.holdings.clone().iter().zip(millions).map(|(h, m)| h.unit * U256::from(m * 1e6)).collect::<Vec<_>>())
    };
    // A part of 250,000 that has to move by a few tens.
    let (_, small) = rebalance(&market, &intent, &millions([100.1, 99.9, 100.0, 100.0]));
    let foreseen = small.foreseen.as_ref().unwrap();
    assert!(foreseen.landed && small.missed.is_empty() && foreseen.start.total > fixed(3.9e8), "{small:?}");
    assert!(small.gaps.total.abs() < 1e-7 * 4e8, "{:?}", small.gaps);
    // Far more than all pools have.
    intent.execution.allow_partial = true;
    intent.execution.min_progress_bps = Bps::new(1).unwrap();
    let portfolio = millions([300.0, 20.0, 50.0, 50.0]);
    let (_, large) = rebalance(&market, &intent, &portfolio);
    assert!(!large.missed.is_empty() && !large.binding.is_empty(), "{large:?}");
}
