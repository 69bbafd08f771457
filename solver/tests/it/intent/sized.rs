//! Sizing where it is not like on other days.

use alloy_primitives::U256;
use ballast_solver::auction::Auction;
use ballast_solver::intent::Verdict;
use ballast_solver::intent::portfolio::Portfolio;
use ballast_solver::intent::size::{Answer, Binding, Rebalance};
use ballast_wire::Bps;
use ballast_wire::intent::{Group, Intent, Rule};

use super::bench::*;
use super::promised::Market;
use super::together::without_arbitrage;

#[track_caller]
fn rebalance(market: &Market, intent: &Intent, portfolio: &Portfolio) -> (Auction, Box<Rebalance>) {
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

/// A limit by its field, what sets it, and how it is named where it binds.
type Case = (&'static str, fn(&mut Intent, &Portfolio), Binding);

/// A limit that keeps a portfolio from its landing is named, and what can be had of the way is had.
#[test]
fn what_keeps_a_portfolio_from_its_landing_is_named() {
    let mut market = without_arbitrage();
    let held = market.portfolio();
    let thousands = [400_u64, 200, 100, 100];
    let before =
        held.with(held.holdings.iter().zip(thousands).map(|(h, units)| h.unit * U256::from(units * 1_000)).collect::<Vec<_>>());
    let mut partial = intent(&market);
    partial.execution.allow_partial = true;
    partial.costs.max_loss_bps = Bps::new(500).unwrap();
    partial.costs.max_loss_per_day_bps = Bps::new(500).unwrap();
    let [much, other] = [0, 1].map(|k| partial.assets[k].token);
    let little = partial.assets[3].token;
    let whole = before.measure().unwrap().distance(&partial);
    let cases: [Case; 6] = [
        ("risk.maxTurnoverBps", |i, _| i.risk.max_turnover_bps = Bps::new(300).unwrap(), Binding::Turnover),
        (
            "risk.groups[0]",
            |i, _| i.risk.groups = vec![Group { tokens: i.assets[2..].iter().map(|a| a.token).collect(), max: decimal("0.3") }],
            Binding::Group(0),
        ),
        ("maxTrade of", |i, p| i.assets[0].max_trade.0 = p.holdings[0].unit * U256::from(50_000), Binding::MaxTrade(much)),
        ("minBalance of", |i, p| i.assets[0].min_balance.0 = p.holdings[0].unit * U256::from(350_000), Binding::MinBalance(much)),
        ("is not tradable", |i, _| i.assets[0].tradable = false, Binding::NotTradable(much)),
        ("maxTrade of", |i, p| i.assets[3].max_trade.0 = p.holdings[3].unit * U256::from(1_000), Binding::MaxTrade(little)),
    ];
    for (words, change, expected) in cases {
        let mut intent = partial.clone();
        change(&mut intent, &before);
        let (_, found) = rebalance(&market, &intent, &before);
        assert!(found.binding.contains(&expected) && expected.to_string().contains(words), "{expected}: {:?}", found.binding);
        assert!(!found.missed.is_empty() && found.foreseen.is_ok(), "{expected}: {:?}", found.foreseen);
        assert!(found.after.measure().unwrap().distance(&partial) < whole, "{expected}: no progress");
    }
    // What is sold counts a hundredth more than it brings: of the way there is as much as the loss allows.
    let mut dear = before.clone();
    dear.holdings[0].price = dear.holdings[0].price * U256::from(101) / U256::from(100);
    for most in [1, 2, 5, 10, 20] {
        let mut intent = partial.clone();
        intent.costs.max_loss_bps = Bps::new(most).unwrap();
        let (_, found) = rebalance(&market, &intent, &dear);
        let foreseen = found.foreseen.as_ref().unwrap();
        let binds = most < 20;
        assert_eq!(found.binding, if binds { vec![Binding::Loss] } else { Vec::new() }, "{most}");
        let limit = foreseen.start.total / U256::from(10_000) * U256::from(most);
        assert!(foreseen.loss <= limit, "{most}: {}", foreseen.loss);
        assert_eq!(foreseen.loss > limit / U256::from(100) * U256::from(99), binds, "{most}: {}", foreseen.loss);
    }
    // One of those that are bought counts less than it costs: whole atoms land all the same.
    let mut cheap = before.clone();
    cheap.holdings[3].price = cheap.holdings[3].price * U256::from(99) / U256::from(100);
    let (_, found) = rebalance(&market, &partial, &cheap);
    assert!(found.binding.is_empty() && found.missed.is_empty() && found.foreseen.unwrap().landed, "{:?}", found.missed);
    // No pool leads to an asset: the others are as near as they can be. Where none leads anywhere, that is the answer.
    let all = market.auction.clone();
    let without = |market: &mut Market, token| {
        let token = all.index[&token];
        market.auction.pools.retain(|pool| !pool.coins.contains(&token));
    };
    without(&mut market, little);
    let (_, found) = rebalance(&market, &partial, &before);
    assert!(found.binding.contains(&Binding::Unreachable(little)), "{:?}", found.binding);
    without(&mut market, other);
    without(&mut market, much);
    let refused = market.solve(&partial, &before).unwrap_err().to_string();
    assert!(refused.contains(&format!("no pool that may be used leads to {much}")), "{refused}");
    market.auction = all;
    // Far more than the pools have.
    let giant = held
        .with(held.holdings.iter().zip(thousands).map(|(h, units)| h.unit * U256::from(units * 10_000_000)).collect::<Vec<_>>());
    partial.costs.max_loss_bps = Bps::WHOLE;
    partial.costs.max_loss_per_day_bps = Bps::WHOLE;
    let (_, found) = rebalance(&market, &partial, &giant);
    assert!(found.binding.iter().any(|binding| matches!(binding, Binding::Depth(_))), "{:?}", found.binding);
}
