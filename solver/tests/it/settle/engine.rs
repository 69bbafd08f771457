//! What the engine finds by itself, settled.

use alloy_primitives::{I256, U256};
use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::engine::{self, Report};
use ballast_solver::settlement::encode::domain_separator;
use ballast_solver::settlement::{Allowances, Encoder, Settings, Slippage, simulate};
use ballast_wire::{LiquidityKind, Side};

use super::case::{Leg, order, request};
use super::world::{SOLVER, World, signed};

/// Orders of a ring, of a pair both ways and of another at 3 % below par, large enough to be split over the pools: each solution, the batch
/// among them, settles as it was verified.
#[test]
fn the_engines_solutions_pay_what_they_promise() {
    let report = settled(&[(0, 1), (1, 2), (2, 0), (0, 3), (3, 0), (2, 3)], &Config::default());
    let batch = report.batch.as_ref().expect("a batch");
    assert!(batch.joint.fills.len() > 1, "only {} orders in the batch", batch.joint.fills.len());
    assert!(report.verified().count() > 1 && !report.sequence.after.is_empty(), "nothing beside the batch");
}

/// Single bids that, one after another, score more than the batch of those who can be together take its place, and settle.
#[test]
fn single_bids_that_score_more_are_sent_instead_of_a_batch() {
    // Where there is room for much gas, it counts for as little as it costs, and the batch is of more pools than can be shared.
    let config = Config { max_gas: 1 << 27, ..Config::default() };
    let report = settled(&[(2, 3), (1, 3), (1, 3), (0, 3)], &config);
    assert_eq!(report.batch.map(|batch| batch.joint.fills), Err("single bids, one after another, score more".to_owned()));
    assert!(!report.sequence.after.is_empty() && report.withheld.is_empty());
}

/// Where there is room for less gas it counts for more, and the same orders share a batch of fewer pools.
#[test]
fn gas_counts_for_more_than_it_costs_where_there_is_little_room() {
    let config = Config { max_gas: 1 << 23, ..Config::default() };
    let report = settled(&[(2, 3), (1, 3), (1, 3), (0, 3)], &config);
    let batch = report.batch.as_ref().expect("a batch");
    assert_eq!(batch.joint.fills.len(), 4);
}

/// Solves orders of these pairs, and settles each solution as it was verified.
fn settled(pairs: &[(usize, usize)], config: &Config) -> Report {
    let world = &mut World::new();
    let domain = domain_separator(&world.contracts);
    let mut request = request(world);
    // The pairs are off the others' prices by so much that each order could live on arbitrage alone, which they would not share.
    let fair = world.liquidity.iter().filter(|pool| !matches!(pool.kind, LiquidityKind::ConstantProduct(_)));
    request.liquidity = fair.cloned().map(Ok).collect();
    request.effective_gas_price = U256::from(1_000_000_000);
    for (k, (a, b)) in pairs.iter().copied().enumerate() {
        let [sell, buy] = [a, b].map(|t: usize| world.tokens[t]);
        let side = if k % 2 == 0 { Side::Sell } else { Side::Buy };
        let leg = Leg { trader: k % 3, side, partial: k % 3 == 2, fee: Some(U256::ZERO), ..Leg::new(&[], U256::ZERO) };
        let amounts = [sell.atoms(30_000.0), buy.atoms(29_100.0)];
        request.orders.push(Ok(order(&world.traders[k % 3], &leg, [sell.address, buy.address], amounts, &domain)));
    }
    let auction = Auction::new(&request, |_| true);
    let report = engine::run(&auction, config, &|| false);
    let (mut settled, mut swaps) = (0, 0);
    for verified in report.verified() {
        for slippage in [Slippage::MaxIn, Slippage::MinOut] {
            for cheap in [false, true] {
                let contracts = world.contracts;
                let settings = Settings { slippage, direct_pairs: cheap, batch_swaps: cheap, contracts, ..Settings::default() };
                let encoder = Encoder::new(&auction, &request, &settings);
                let encoded = encoder.encode(verified, &Allowances::default()).unwrap();
                let [settlement] = encoded.settlements.try_into().unwrap();
                let done = simulate(&world.base, SOLVER, &settlement);
                assert_eq!(done.failure.map(|f| f.to_string()), None);
                for trade in &settlement.trades {
                    let change = done.deltas.iter().find(|d| (d.account, d.token) == (trade.receiver, trade.buy)).unwrap();
                    // A trader may have several orders.
                    let got = settlement.trades.iter().filter(|t| (t.receiver, t.buy) == (trade.receiver, trade.buy));
                    let paid = settlement.trades.iter().filter(|t| (t.owner, t.sell) == (trade.receiver, trade.buy));
                    let got: I256 = got.map(|t| signed(t.got)).fold(I256::ZERO, |sum, x| sum + x);
                    let paid: I256 = paid.map(|t| signed(t.paid)).fold(I256::ZERO, |sum, x| sum + x);
                    assert_eq!(change.change, got - paid);
                }
                for delta in done.deltas.iter().filter(|d| d.account == settlement.target) {
                    let promised = settlement.buffers.get(&delta.token).copied().unwrap_or_default();
                    assert_eq!(delta.change, promised, "{delta:?}");
                    assert!(promised >= I256::ZERO, "{delta:?}");
                }
                settled += 1;
            }
        }
        swaps += verified.solution().interactions.len();
    }
    println!("{settled} settlements of {} orders of the engine's, {swaps} swaps", settled / 4);
    assert!(settled >= 4 * 5 && swaps > 10, "{settled} settled, {swaps} swaps");
    report
}
