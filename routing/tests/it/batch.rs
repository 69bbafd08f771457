//! Many orders at once: matched, in rings, routed, whole or in part, and cleared at uniform prices.

use ballast_routing::curve::{Curve, Product, Weighted};
use ballast_routing::{
    Batch, Bounds, Budget, Clearing, Distance, Effort, Exact, Extent, GasPrice, Joint, Leftover, Markets, Order, Presence,
    Snapshot, Start, ToClear, Token, Trade,
};

const GAS: GasPrice = GasPrice { token: 3, price: 1e-6, fixed: 100e3 };

fn order(sell: Token, buy: Token, sell_amount: f64, buy_amount: f64, whole: bool) -> Order {
    Order { sell, buy, sell_amount, buy_amount, exact: Exact::Sold, is_scored: true, extent: extent(whole), gas: 50e3 }
}

fn extent(whole: bool) -> Extent {
    if whole { Extent::Whole } else { Extent::Part }
}

fn snapshot(pools: &[(Token, Token, f64, f64)]) -> Snapshot {
    let mut markets = Markets::new(4);
    for &(a, b, x, y) in pools {
        markets.add(&[a, b], Curve::Product(Product::new([x, y], 0.003).unwrap()), 60e3).unwrap();
    }
    Snapshot::new(markets)
}

/// The best choice.
fn choose(batch: &Batch) -> Option<Joint> {
    let budget = Budget::default();
    let mut opening = batch.open(Start { warm: None, out: &[], barred: &[], counted: GAS.price }, &budget)?;
    opening.climb(&budget);
    opening.settle(Effort::Full, &budget)
}

/// Its clearing: from the prices that chose it, and closer.
fn cleared(batch: &Batch, joint: &Joint, trades: &[Trade]) -> Clearing {
    let far = ToClear {
        snapshot: batch.snapshot(),
        markets: &joint.markets,
        flows: &joint.flows,
        barred: &[],
        endowment: &[],
        spare: &[],
        nu: &joint.prices,
        trades,
        claims: &[],
        presence: Presence::Fixed,
        distance: Distance::Far,
    };
    let first = far.clear(|t| joint.prices[t as usize]).unwrap();
    ToClear { distance: Distance::Near, flows: &first.flows, ..far }.clear(|t| first.price(t)).unwrap()
}

/// Trades that no market is there for.
fn matched<'a>(snapshot: &'a Snapshot, trades: &'a [Trade]) -> ToClear<'a> {
    ToClear {
        snapshot,
        markets: &[],
        flows: &[],
        barred: &[],
        endowment: &[],
        spare: &[],
        nu: &[1.0; 4],
        trades,
        claims: &[],
        presence: Presence::Fixed,
        distance: Distance::Near,
    }
}

/// The choice, and the clearing of it with a fee of 0.1 from each.
fn solved(pools: &[(Token, Token, f64, f64)], orders: &[Order]) -> Option<(Joint, Vec<Trade>, Clearing)> {
    let wanted: Vec<Leftover> = (0..3).map(|token| Leftover { token, weight: 1.0, most: 100.0 }).collect();
    let batch = Batch::new(&snapshot(pools), orders.to_vec(), &wanted, GAS).unwrap();
    let joint = choose(&batch)?;
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
                hope: 0.0,
                fee: [0.1; 2],
                fill: [if o.is_whole() { most } else { 0.0 }, most],
                start: most * part,
                weight: 1.0,
            }
        })
        .collect();
    let clearing = cleared(&batch, &joint, &trades);
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

/// Of two equal pools one takes so much gas that it does not pay for the part of an order that prices fill: it does for all of it, which the
/// other alone would not.
#[test]
fn a_whole_order_is_traded_on_pools_that_a_part_of_it_would_not_pay_for() {
    let mut markets = Markets::new(4);
    for gas in [60e3, 1.5e6] {
        markets.add(&[0, 1], Curve::Product(Product::new([1e3, 1e3], 0.003).unwrap()), gas).unwrap();
    }
    let snapshot = Snapshot::new(markets);
    let leftover = [Leftover { token: 1, weight: 1.0, most: 100.0 }];
    let choice = |whole| choose(&Batch::new(&snapshot, vec![order(0, 1, 100.0, 93.0, whole)], &leftover, GAS).unwrap());
    let part = choice(false).unwrap();
    assert!(part.markets.len() == 1 && (0.2..0.5).contains(&part.parts[0]), "{part:?}");
    let whole = choice(true).unwrap();
    assert!(whole.markets.len() == 2 && whole.parts[0] == 1.0 && whole.value > 0.1, "{whole:?}");
}

/// Where gas is to be spared, that goes for what whole orders bring with them too.
#[test]
fn whole_orders_bring_no_gas_that_is_to_be_spared() {
    let mut markets = Markets::new(4);
    for (to, gas) in [(1, 60e3), (1, 1.5e6), (2, 60e3)] {
        markets.add(&[0, to], Curve::Product(Product::new([1e3, 1e3], 0.003).unwrap()), gas).unwrap();
    }
    let leftover = [1, 2].map(|token| Leftover { token, weight: 1.0, most: 100.0 });
    let orders = vec![order(0, 1, 100.0, 93.0, true), order(0, 2, 10.0, 8.0, false)];
    let batch = Batch::new(&Snapshot::new(markets), orders, &leftover, GAS).unwrap();
    let budget = Budget::default();
    let opening = batch.open(Start { warm: None, out: &[], barred: &[], counted: GAS.price }, &budget).unwrap();
    let filled = opening.settle(Effort::Full, &budget).unwrap();
    assert!(filled.parts == [1.0, 1.0] && filled.gas > 1.5e6, "{filled:?}");
    let mut lighter = opening.clone();
    lighter.spare(3.0 * GAS.price, &budget);
    let spared = lighter.settle(Effort::Full, &budget).unwrap();
    assert!(spared.parts == [0.0, 1.0] && spared.gas < 0.5e6, "{spared:?}");
    assert!(spared.value < filled.value && spared.value > 0.0);
}

/// Orders that only pass tokens to each other have none to spare: nothing is short for that, of neither token.
#[test]
fn what_cannot_be_spared_is_not_short() {
    let snapshot = snapshot(&[]);
    let trade = |sell, buy| Trade {
        sell,
        buy,
        exact: Exact::Bought,
        rate: 0.9,
        hope: 0.0,
        fee: [0.0; 2],
        fill: [100.0; 2],
        start: 100.0,
        weight: 1.0,
    };
    let trades = [trade(0, 1), trade(1, 0)];
    let clear = ToClear { spare: &[(0, 1e-3), (1, 1e-3)], ..matched(&snapshot, &trades) };
    let found = clear.clear(|token| if token == 0 { 1.0 } else { 1.001 }).unwrap();
    assert!(found.short.is_empty(), "{found:?}");
    let [ours, theirs] = [0, 1].map(|k| found.amounts(k, &trades[k]));
    assert!((ours[0] - theirs[1]).abs() < 1.1e-3 && (theirs[0] - ours[1]).abs() < 1.1e-3, "{ours:?} {theirs:?}");
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

/// A universe of pools near common prices, and orders with limits about them.
fn universe(seed: u64, tokens: u32, pools: usize, count: usize, whole: f64) -> (Snapshot, Vec<Order>) {
    use rand::{RngExt as _, SeedableRng as _};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut markets = Markets::new(tokens as usize + 1);
    let pair = |rng: &mut rand_chacha::ChaCha8Rng| {
        let a = rng.random_range(0..tokens);
        // Every other pool and order is with the hub.
        let b = if rng.random_bool(0.5) && a != 0 { 0 } else { (a + rng.random_range(1..tokens)) % tokens };
        if rng.random_bool(0.5) { (a, b) } else { (b, a) }
    };
    for _ in 0..pools {
        let (a, b) = pair(&mut rng);
        let depth = 10f64.powf(rng.random_range(4.0..6.5));
        let off = rng.random_range(-0.004..0.004_f64).exp();
        let pool = Product::new([depth, depth * off], 0.003).unwrap();
        markets.add(&[a, b], Curve::Product(pool), 90e3).unwrap();
    }
    let orders = (0..count)
        .map(|_| {
            let (sell, buy) = pair(&mut rng);
            let size = 10f64.powf(rng.random_range(2.5..4.5));
            let limit = 1.0 - rng.random_range(-0.002..0.02_f64);
            order(sell, buy, size, size * limit, rng.random_bool(whole))
        })
        .collect();
    (Snapshot::new(markets), orders)
}

#[test]
fn batches_are_cleared_near_their_bound() {
    let (mut all_missed, mut nearer) = (0, 0);
    for seed in 0..12 {
        let (snapshot, orders) = universe(seed, 12, 80, 20, 0.4);
        let wanted: Vec<Leftover> = (0..12).map(|token| Leftover { token, weight: 1.0, most: 1e3 }).collect();
        let gas = GasPrice { token: 12, price: 1e-5, fixed: 60e3 };
        let batch = Batch::new(&snapshot, orders.clone(), &wanted, gas).unwrap();
        let joint = choose(&batch).unwrap();
        let filled: Vec<usize> = (0..orders.len()).filter(|&k| joint.parts[k] > 0.0).collect();
        let swaps: f64 = joint.markets.iter().map(|m| f64::from(m.1.count_ones() - 1) * 90e3).sum();
        let own = 50e3 * 1e-5;
        let fee = (swaps + 60e3 + 50e3 * filled.len() as f64) * 1e-5 / filled.len() as f64;
        let trades: Vec<Trade> = filled
            .iter()
            .map(|&k| {
                let (o, most) = (&orders[k], orders[k].sell_amount - own);
                let fill = [if o.is_whole() { most } else { 0.0 }, most];
                let (rate, start) = (o.buy_amount / o.sell_amount, most * joint.parts[k]);
                Trade {
                    sell: o.sell,
                    buy: o.buy,
                    exact: Exact::Sold,
                    rate,
                    hope: 0.0,
                    fee: [own, fee.max(own)],
                    fill,
                    start,
                    weight: 1.0,
                }
            })
            .collect();
        let clearing = cleared(&batch, &joint, &trades);
        let mut left = [0.0; 13];
        for flow in &clearing.flows {
            for (&token, z) in snapshot.markets().coins(flow.market).iter().zip(&flow.trade) {
                left[token as usize] += z;
            }
        }
        let (mut missed, mut total) = (0, 0.0);
        for (k, trade) in trades.iter().enumerate() {
            let (trade, amounts) = (trade.at(clearing.fees[k]), clearing.amounts(k, trade));
            left[trade.sell as usize] += amounts[0];
            left[trade.buy as usize] -= amounts[1];
            let surplus = trade.surplus(amounts);
            total += surplus;
            if surplus < -1e-6 {
                missed += 1;
            }
        }
        let paid: f64 = clearing.fees.iter().sum();
        assert!(paid > trades.iter().map(|t| t.fee[1]).sum::<f64>() - 1e-6, "seed {seed}: {paid}");
        // All that is paid is there, but for the second order of the last shifts.
        assert!(left.iter().all(|left| *left > -1e-2), "seed {seed}: {left:?}");
        let Joint { bound, relaxed, value, .. } = joint;
        assert!(bound >= relaxed && relaxed >= value && value >= total - 1e-3, "seed {seed}: {bound} {relaxed} {value} {total}");
        assert!(total > 0.97 * value, "seed {seed}: {total} of {value}");
        let Bounds { apart, uniform } = batch.bounds(&joint.prices, &Budget::default());
        assert!(apart >= value && uniform <= apart, "seed {seed}: {value}, bounds {apart} and {uniform}");
        assert!(missed > 0 || uniform >= total - 1e-3, "seed {seed}: {total} is had, and the bound is {uniform}");
        nearer += usize::from(uniform < 0.999 * apart);
        all_missed += missed;
    }
    assert!(all_missed < 3 && nearer > 0, "{all_missed} {nearer}");
}

/// A given order is filled though its limit is far from what the pool pays; one that may be left out is left out there.
#[test]
fn what_is_given_is_filled_whatever_it_brings() {
    let pool = [(0, 1, 1e4, 1e4)];
    let dear = order(0, 1, 1e3, 990.0, true);
    let good = order(1, 0, 300.0, 250.0, true);
    assert_eq!(solved(&pool, &[dear, good]).unwrap().0.parts, [0.0, 1.0]);
    let (joint, trades, clearing) = solved(&pool, &[Order { extent: Extent::Given, ..dear }, good]).unwrap();
    assert_eq!(joint.parts, [1.0, 1.0]);
    // It misses its limit, and the other has a better price for that.
    assert!(trades[0].surplus(clearing.amounts(0, &trades[0])) < 0.0 && clearing.short.is_empty(), "{clearing:?}");
    assert!(joint.value <= joint.relaxed + 1e-4 && joint.relaxed <= joint.bound + 1e-4, "{joint:?}");
}

/// One to be filled in any part meets three that must be whole. The best of them leaves no room for another; the two that are a little
/// worse fit side by side.
#[test]
fn orders_that_fit_together_go_before_the_best_one() {
    let orders = [
        order(0, 1, 100.0, 95.0, false),
        order(1, 0, 60.0, 59.0, true),
        order(1, 0, 50.0, 49.3, true),
        order(1, 0, 50.0, 49.3, true),
    ];
    let (joint, ..) = solved(&[], &orders).unwrap();
    assert_eq!(joint.parts[1..], [0.0, 1.0, 1.0], "{joint:?}");
}

/// Two that fill each other may do so at any price between their limits; what one hopes for decides.
#[test]
fn what_is_hoped_for_comes_first() {
    let snapshot = snapshot(&[]);
    for hope in [0.95, 1.04] {
        let trade = |sell: Token, buy: Token, hope: f64| Trade {
            sell,
            buy,
            exact: Exact::Sold,
            rate: 0.9,
            hope,
            fee: [0.0; 2],
            fill: [0.0, 100.0],
            start: 95.0,
            weight: 1.0,
        };
        let trades = [trade(0, 1, hope), trade(1, 0, 0.0)];
        let clear = ToClear { distance: Distance::Far, ..matched(&snapshot, &trades) };
        let clearing = clear.clear(|_| 1.0).unwrap();
        let [sold, bought] = clearing.amounts(0, &trades[0]);
        assert!(bought >= hope * sold * (1.0 - 1e-6) && sold > 90.0, "{hope}: {sold} {bought}");
    }
}

#[test]
fn of_two_that_cannot_be_paid_together_one_is_there() {
    // Two sell for all that the third brings: both in full cannot be.
    let trade = |sell: Token, buy: Token, rate: f64, fill: f64| Trade {
        sell,
        buy,
        exact: Exact::Sold,
        rate,
        hope: 0.0,
        fee: [0.1; 2],
        fill: [fill; 2],
        start: fill,
        weight: 1.0,
    };
    let trades = [trade(0, 1, 0.97, 100.0), trade(1, 0, 0.97, 100.0), trade(0, 1, 0.99, 100.0)];
    let snapshot = snapshot(&[]);
    let clear = ToClear { presence: Presence::Open(&[0, 2]), ..matched(&snapshot, &trades) };
    let decided = clear.clear(|_| 1.0).unwrap();
    // The one whose limit leaves more.
    assert_eq!(decided.fills.iter().map(|fill| *fill > 1.0).collect::<Vec<_>>(), [true, true, false], "{decided:?}");
    let stay = [trades[0], trades[1]];
    let all = ToClear { trades: &stay, presence: Presence::Fixed, ..clear }.clear(|t| decided.price(t)).unwrap();
    assert!(all.short.is_empty() && (surplus(&stay, &all) - 5.806).abs() < 1e-2, "{all:?}");
}

#[test]
fn what_cannot_be_handed_out_is_sold() {
    // Who sells token 1 would be paid all that is left over of token 0, unless no more than one counts: then a pool makes token 1 of it.
    let orders =
        [order(0, 1, 100.0, 90.0, true), order(1, 0, 90.0, 70.0, true)].map(|order| Order { gas: 0.0, ..order }).to_vec();
    let wanted: Vec<Leftover> = (0..2).map(|token| Leftover { token, weight: 1.0, most: 100.0 }).collect();
    let batch = Batch::new(&snapshot(&[(0, 1, 1e4, 1e4)]), orders, &wanted, GAS).unwrap();
    let sold = |joint: &Joint| -> f64 { joint.flows.iter().map(|flow| -flow.trade[0]).sum() };
    let (free, capped) = (choose(&batch).unwrap(), choose(&batch.capped(&[(0, 1.0)].into_iter().collect())).unwrap());
    assert!(sold(&free).abs() < 1e-6, "{}", sold(&free));
    assert!(sold(&capped) > 25.0, "{}", sold(&capped));
    assert!(capped.value < free.value && capped.value <= capped.bound);
}

/// Two pairs of opposite orders, with gas for all of them, for those of one pair, and for one order: what the bound leaves of them.
#[test]
fn gas_that_there_is_not_is_no_part_of_the_bound() {
    let pair = |a, b, asked| [order(a, b, 100.0, asked, true), order(b, a, 100.0, asked, true)];
    let orders = [pair(0, 1, 98.0), pair(1, 2, 99.0)].concat();
    let wanted: Vec<Leftover> = (0..3).map(|token| Leftover { token, weight: 1.0, most: 100.0 }).collect();
    let batch = Batch::new(&snapshot(&[]), orders, &wanted, GAS).unwrap();
    let bound = |most_gas: f64| batch.clone().with_most_gas(most_gas).bounds(&[1.0; 4], &Budget::default()).apart;
    let all = bound(f64::INFINITY);
    assert!((5.7..5.75).contains(&all), "two in a hundred twice, one in a hundred twice, less the gas: {all}");
    assert_eq!(bound(300e3), all);
    let [one, half] = [200e3, 150e3].map(bound);
    assert!((3.8..3.85).contains(&one), "{one}");
    // Half of what is fixed whole: no batch is worth that, but the bound does not know.
    assert!((1.85..1.95).contains(&half), "{half}");
}

/// A pool that can take a part of what is sold, for more than is asked, but not all of it: who has to sell all of it gets nothing.
#[test]
fn whole_orders_are_whole_in_the_bound() {
    let wanted = [Leftover { token: 0, weight: 1.0, most: 1e3 }];
    let bound = |is_whole: bool, asked: f64| {
        let batch = Batch::new(&snapshot(&[(1, 0, 1e3, 1e3)]), vec![order(1, 0, 100.0, asked, is_whole)], &wanted, GAS).unwrap();
        batch.bounds(&[1.0; 4], &Budget::default()).apart
    };
    // All of it is worth 90.9, and the first of it one for one.
    let [part, whole] = [false, true].map(|is_whole| bound(is_whole, 92.0));
    assert!(part > 0.5, "{part}");
    assert!(whole.abs() < 0.1, "{whole}");
    let [part, whole] = [false, true].map(|is_whole| bound(is_whole, 80.0));
    assert!((part - whole).abs() < 1e-3 && whole > 9.0, "{part} {whole}");
}

/// Orders on one pool of four coins. Gas counts at what is sold, which is worth a little less than what it is paid in.
#[test]
fn a_pool_of_many_coins_pays_for_each_swap_in_the_bound() {
    const RESERVE: f64 = 5e3;
    const SWAP: f64 = 1.0;
    const LITTLE: f64 = 0.15;
    let pool = Weighted::new(&[RESERVE; 4], &[1.0; 4], 0.003, 0.3).unwrap();
    let mut markets = Markets::new(5);
    markets.add(&[0, 1, 2, 4], Curve::Weighted(pool), SWAP / GAS.price).unwrap();
    let snapshot = Snapshot::new(markets);
    let bound = |orders: &[(Token, Token)]| {
        let wanted: Vec<Leftover> = orders.iter().map(|o| Leftover { token: o.1, weight: 1.0, most: 100.0 }).collect();
        let orders = orders.iter().map(|&(sell, buy)| order(sell, buy, 100.0, 90.0, false)).collect();
        let batch = Batch::new(&snapshot, orders, &wanted, GAS).unwrap();
        batch.bounds(&[1.0; 5], &Budget::default()).apart
    };
    // Paid of one coin for so many others: ∏ (R + γ·100)·(R − paid) = ∏ R.
    let paid = |sold: i32| RESERVE * (1.0 - (1.0 + 0.997 * 100.0 / RESERVE).powi(-sold));
    let left = |paid: f64, orders: f64| paid - orders * (90.0 + 50e3 * GAS.price + SWAP) - GAS.fixed * GAS.price;
    for (found, expected) in [
        (bound(&[(0, 2)]), left(paid(1), 1.0)),
        (bound(&[(0, 2), (1, 2)]), left(paid(2), 2.0)),
        (bound(&[(0, 2), (1, 4)]), left(2.0 * paid(1), 2.0)),
    ] {
        assert!((expected..expected + LITTLE).contains(&found), "{found} for {expected}");
    }
}

/// Two sell token 0 for token 1, which a deep pool sells for 1.0532 units of token 0, and a unit of which counts as much as one of token 0. What one
/// is paid above its limit is best kept in token 0; but the other asks for a higher price, which is to be the first one's as well.
#[test]
fn one_price_a_token_is_part_of_the_bound() {
    let price = 1.05 / 0.997;
    let wanted: Vec<Leftover> = (0..2).map(|token| Leftover { token, weight: 1.0, most: 1e3 }).collect();
    let bounds = |asked: [f64; 2]| {
        let orders = asked.map(|asked| order(0, 1, 100.0, asked, false)).to_vec();
        Batch::new(&snapshot(&[(0, 1, 1.05e9, 1e9)]), orders, &wanted, GAS).unwrap().bounds(&[1.0; 4], &Budget::default())
    };
    let alone = |asked: f64| 100.0 - asked * price - 50e3 * GAS.price;
    let Bounds { apart, uniform } = bounds([80.0, 94.0]);
    let expected = alone(80.0) + alone(94.0) - (60e3 + GAS.fixed) * GAS.price;
    // Gas counts at a little less than its cost.
    assert!((expected - 1e-3..expected + 0.03).contains(&apart), "{apart} for {expected}");
    // The first one's surplus of 14 units. The bound takes the price's logarithm for the price.
    let lost = (price - 1.0) * 14.0;
    assert!((0.8 * lost..lost).contains(&(apart - uniform)), "{} for {lost}", apart - uniform);
    // Or the second one is left out.
    let Bounds { apart, uniform } = bounds([80.0, 94.5]);
    let lost = alone(94.5);
    assert!((0.8 * lost..=lost).contains(&(apart - uniform)), "{} for {lost}", apart - uniform);
    // Orders that ask for the same lose nothing.
    let Bounds { apart, uniform } = bounds([80.0, 80.0]);
    assert!(apart - uniform < 1e-3, "{apart} and {uniform}");
}
