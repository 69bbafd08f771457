//! Many orders at once: matched, in rings, routed, whole or in part, and cleared at uniform prices.

use ballast_routing::curve::{Curve, Product};
use ballast_routing::{Batch, Budget, Clearing, Exact, GasPrice, Joint, Markets, Order, Snapshot, Token, Trade, clear};

const GAS: GasPrice = GasPrice { token: 3, price: 1e-6, fixed: 100e3 };

fn order(sell: Token, buy: Token, sell_amount: f64, buy_amount: f64, whole: bool) -> Order {
    Order { sell, buy, sell_amount, buy_amount, whole, gas: 50e3 }
}

fn snapshot(pools: &[(Token, Token, f64, f64)]) -> Snapshot {
    let mut markets = Markets::new(4);
    for &(a, b, x, y) in pools {
        markets.add(&[a, b], Curve::Product(Product::new([x, y], 0.003).unwrap()), 60e3).unwrap();
    }
    Snapshot::new(markets)
}

/// The choice, and the clearing of it with a fee of 0.1 from each.
fn solved(pools: &[(Token, Token, f64, f64)], orders: &[Order]) -> Option<(Joint, Vec<Trade>, Clearing)> {
    let wanted: Vec<(Token, f64)> = (0..3).map(|t| (t, 1.0)).collect();
    let batch = Batch::new(&snapshot(pools), orders.to_vec(), &wanted, GAS).unwrap();
    let joint = batch.choose(None, &[], &[], &Budget::default())?;
    let trades: Vec<Trade> = orders
        .iter()
        .zip(&joint.parts)
        .filter(|(_, part)| **part > 0.0)
        .map(|(o, part)| {
            let most = o.sell_amount - 0.1;
            Trade {
                sell: o.sell,
                buy: o.buy,
                exact: Exact::Sold,
                rate: o.buy_amount / o.sell_amount,
                fee: 0.1,
                fill: [if o.whole { most } else { 0.0 }, most],
                start: most * part,
                elsewhere: 0.0,
            }
        })
        .collect();
    let clearing = clear(batch.snapshot(), &joint.markets, &[], &trades, &joint.prices, |t| joint.prices[t as usize]).unwrap();
    Some((joint, trades, clearing))
}

fn surplus(trades: &[Trade], clearing: &Clearing) -> f64 {
    trades.iter().enumerate().map(|(k, t)| t.surplus(clearing.amounts(k, t))).sum()
}

#[test]
fn two_opposite_orders_meet_where_there_is_no_pool() {
    let (joint, trades, clearing) = solved(&[], &[order(0, 1, 100.0, 98.0, true), order(1, 0, 100.0, 98.0, true)]).unwrap();
    assert_eq!(trades.len(), 2, "{joint:?}");
    assert!(clearing.flows.is_empty());
    assert!((surplus(&trades, &clearing) - 3.8).abs() < 1e-3, "{clearing:?}");
}

#[test]
fn three_orders_make_a_ring() {
    let orders = [order(0, 1, 100.0, 99.0, true), order(1, 2, 100.0, 99.0, true), order(2, 0, 100.0, 99.0, true)];
    let (_, trades, clearing) = solved(&[], &orders).unwrap();
    assert_eq!(trades.len(), 3);
    assert!((surplus(&trades, &clearing) - 2.7).abs() < 1e-3, "{clearing:?}");
}

#[test]
fn what_is_not_matched_is_routed() {
    // 100 against 60: 40 go to the pool.
    let orders = [order(0, 1, 100.0, 95.0, true), order(1, 0, 60.0, 58.0, true)];
    let (_, trades, clearing) = solved(&[(0, 1, 1e4, 1e4)], &orders).unwrap();
    assert_eq!(trades.len(), 2);
    let sold: f64 = clearing.flows.iter().map(|f| -f.trade[0]).sum();
    assert!((sold - 40.0).abs() < 0.5, "{clearing:?}");
}

#[test]
fn a_partial_order_stops_at_its_limit_and_a_whole_one_does_not() {
    // The average price of the whole is 0.9066, that at the margin 0.8247: at a limit of 0.88 a part is best, or all.
    let pool = [(0, 1, 1e4, 1e4)];
    let part = solved(&pool, &[order(0, 1, 1e3, 880.0, false)]).unwrap();
    assert!((0.3..0.9).contains(&part.0.parts[0]), "{:?}", part.0);
    let whole = solved(&pool, &[order(0, 1, 1e3, 880.0, true)]).unwrap();
    assert_eq!(whole.0.parts, [1.0]);
    assert!(surplus(&whole.1, &whole.2) > 20.0 && surplus(&part.1, &part.2) > surplus(&whole.1, &whole.2));
    assert!(whole.0.value <= whole.0.relaxed && whole.0.relaxed <= whole.0.bound + 1e-6);
    assert!(solved(&pool, &[order(0, 1, 1e3, 920.0, true)]).is_none());
}
