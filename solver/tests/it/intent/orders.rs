//! Intents as orders of a batch.

use alloy_primitives::U256;
use ballast_solver::intent::orders::orders;
use ballast_solver::intent::portfolio::Portfolio;
use ballast_solver::intent::{Moment, Task};

use super::bench::*;
use super::promised::Market;

const MOMENT: Moment = Moment { time: NOW, gas_price: U256::ZERO, settled: U256::ZERO, rebalanced_at: 0, lost: U256::ZERO };

/// So many units of each asset, in the contract's order.
fn portfolio(market: &mut Market, units: [u64; 4]) -> Portfolio {
    let held = market.portfolio();
    held.with(held.holdings.clone().iter().zip(units).map(|(holding, units)| holding.unit * U256::from(units)))
}

/// Whatever is filled of the orders, at their limits, loses no more than the intent allows.
#[test]
fn orders_hold_the_loss_bound_whatever_is_filled() {
    let mut market = Market::new();
    let mut intent = market.bench.intent_of(&["0.25"; 4]);
    intent.assets.sort_by_key(|asset| asset.token);
    let before = portfolio(&mut market, [40_000, 30_000, 20_000, 10_000]);
    let after = portfolio(&mut market, [26_000, 25_990, 23_995, 23_990]);
    let exported = orders(&Task { intent: &intent, portfolio: &before, moment: &MOMENT }, &after, None).unwrap();
    assert!(exported.orders.len() >= 2 && exported.worst <= exported.allowed, "{exported:?}");
    let start = before.measure().unwrap().total;
    assert_eq!(exported.allowed, start * U256::from(50) / U256::from(10_000));
    let place = |token| intent.assets.iter().position(|asset| asset.token == token).unwrap();
    for some in 0..1_u32 << exported.orders.len() {
        let mut balances: Vec<U256> = before.holdings.iter().map(|h| h.balance).collect();
        for (_, order) in exported.orders.iter().enumerate().filter(|(k, _)| some & (1 << k) != 0) {
            balances[place(order.sell)] -= order.sell_amount;
            balances[place(order.buy)] += order.buy_amount;
        }
        let end = before.with(balances).measure().unwrap().total;
        assert!(start.saturating_sub(end) <= exported.allowed, "{some:b}");
    }
}
