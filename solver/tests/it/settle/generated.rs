//! Generated settlements: every venue, every side, every way to encode a swap.

use std::collections::BTreeMap;

use alloy_primitives::{Address, I256, U256};
use alloy_sol_types::SolCall;
use ballast_adapters::encode::{Given, Via};
use ballast_adapters::erc20::Erc20;
use ballast_solver::auction::Pool;
use ballast_solver::settlement::encode::abi::GPv2Settlement::settleCall;
use ballast_solver::settlement::encode::{Action, NATIVE, Scheme};
use ballast_solver::settlement::ledger::{Entry, sums};
use ballast_solver::settlement::{Allowances, Approvals, Settings, Settlement, Simulation, Slippage, simulate};
use ballast_wire::{Call, Side};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::case::{Case, Hop, Leg};
use super::world::{SOLVER, World, selector, signed};

/// A row of the table: the venue, how it was called, what it was told, and whether it was for a sell order.
type Row = (&'static str, Via, Given, bool);

#[derive(Default)]
struct Tally {
    counts: BTreeMap<Row, usize>,
    /// Gas of the calls with one swap, and what was estimated.
    gas: BTreeMap<(&'static str, Via, Given), (Vec<u64>, u64)>,
    /// Estimated over measured, of the calls with more.
    batches: Vec<f64>,
    exact: usize,
    better: usize,
    settlement: Vec<u64>,
    off: Vec<f64>,
    entries: Vec<Entry>,
}

const SETTLEMENTS: usize = 4_000;

#[test]
fn generated_settlements_pay_what_was_promised() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut world = World::new();
    let mut tally = Tally::default();
    let mut made = 0;
    while made < SETTLEMENTS {
        let settings = Settings {
            slippage: if rng.random_ratio(1, 3) { Slippage::MaxIn } else { Slippage::MinOut },
            direct_pairs: rng.random_ratio(1, 3),
            batch_swaps: rng.random(),
            approvals: if rng.random() { Approvals::Exact } else { Approvals::Unlimited },
            contracts: world.contracts,
            ..Settings::default()
        };
        let leg = draw(&mut rng, &world);
        let side = leg.side;
        let Some(case) = Case::new(&mut world, &[leg]) else { continue };
        let [settlement] = case.encode(&settings, &Allowances::default()).settlements.try_into().expect("it fits");
        let done = simulate(&case.snapshot, SOLVER, &settlement);
        if let Some(failure) = &done.failure {
            panic!("settlement {made}, {settings:?}: {failure}");
        }
        check(&settlement, &done, &mut tally);
        count(&case, &settlement, &done, side, &mut tally);
        made += 1;
    }
    report(&tally);
    assert_eq!(tally.exact + tally.better, SETTLEMENTS);
    assert_eq!(tally.counts.len(), 2 * (3 + 2 + 4 + 4));
    assert!(tally.counts.values().all(|count| *count >= 100));
    for (row, (measured, estimate)) in &tally.gas {
        let off = *estimate as f64 / median(measured) as f64 - 1.0;
        assert!(off.abs() < 0.05, "{row:?}: {estimate} estimated, off by {:.1}%", 100.0 * off);
    }
    assert!((middle(&tally.batches) - 1.0).abs() < 0.05, "batches of many: {}", middle(&tally.batches));
    assert!(middle(&tally.off).abs() < 0.05);
    assert!(sums(&tally.entries).values().all(|sum| sum.lost.is_zero() && sum.real >= sum.promised));
}

/// One to three swaps through pools drawn evenly by kind.
fn draw(rng: &mut ChaCha8Rng, world: &World) -> Leg {
    let kinds = [0, 1, 2, 3];
    let count = rng.random_range(1..=3);
    let mut path: Vec<usize> = (0..4).collect();
    for i in 0..4 {
        path.swap(i, rng.random_range(i..4));
    }
    let hops: Vec<Hop> = (0..count)
        .map(|k| {
            let (input, output) = (world.tokens[path[k]].address, world.tokens[path[k + 1]].address);
            let kind = kinds[rng.random_range(0..4)];
            let pools: Vec<usize> = (0..world.liquidity.len())
                .filter(|&p| kind_of(world, p) == kind && holds(world, p, input) && holds(world, p, output))
                .collect();
            Hop { pool: pools[rng.random_range(0..pools.len())], input, output }
        })
        .collect();
    let last = world.token(hops[count - 1].output);
    let mut leg = Leg::new(&hops, last.atoms(rng.random_range(0.0_f64..9.5).exp()) + U256::from(rng.random::<u16>()));
    let schemes = [Scheme::Eip712, Scheme::EthSign, Scheme::Eip1271, Scheme::PreSign];
    leg.scheme = schemes[rng.random_range(0..4)];
    leg.trader = if leg.scheme == Scheme::Eip1271 { 3 } else { rng.random_range(0..3) };
    leg.side = if rng.random() { Side::Sell } else { Side::Buy };
    leg.partial = rng.random();
    let first = world.token(hops[0].input);
    leg.fee = rng.random::<bool>().then(|| first.atoms(rng.random_range(0.0..3.0)));
    leg.native = last.address == world.contracts.weth && rng.random();
    leg.receiver = match rng.random_range(0..3) {
        0 => None,
        1 => Some(world.traders[leg.trader].address),
        _ => Some(Address::repeat_byte(0x77)),
    };
    // A wallet whose code takes no native tokens.
    if leg.native && leg.receiver != Some(Address::repeat_byte(0x77)) && leg.trader == 3 {
        leg.native = false;
    }
    if rng.random_ratio(1, 8) {
        let hook = |to: Address| {
            let call = Erc20::balanceOfCall { owner: to };
            vec![Call { target: first.address, value: U256::ZERO, call_data: call.abi_encode().into() }]
        };
        leg.hooks = [hook(Address::ZERO), hook(SOLVER)];
    }
    leg
}

fn kind_of(world: &World, pool: usize) -> usize {
    use ballast_wire::LiquidityKind::{ConcentratedLiquidity, ConstantProduct, LimitOrder, Stable, WeightedProduct};
    match &world.liquidity[pool].kind {
        ConstantProduct(_) => 0,
        ConcentratedLiquidity(_) => 1,
        WeightedProduct(_) => 2,
        Stable(_) => 3,
        LimitOrder(_) => 4,
    }
}

fn holds(world: &World, pool: usize, token: Address) -> bool {
    use ballast_wire::LiquidityKind::{ConcentratedLiquidity, ConstantProduct, LimitOrder, Stable, WeightedProduct};
    match &world.liquidity[pool].kind {
        ConstantProduct(p) => p.tokens.contains_key(&token),
        ConcentratedLiquidity(p) => p.tokens.contains(&token),
        WeightedProduct(p) => p.tokens.contains_key(&token),
        Stable(p) => p.tokens.contains_key(&token),
        LimitOrder(_) => false,
    }
}

/// Traders pay and get what was promised, and the settlement contract's balances change as promised; none falls.
fn check(settlement: &Settlement, done: &Simulation, tally: &mut Tally) {
    for trade in &settlement.trades {
        assert_eq!(done.change(trade.owner, trade.sell), -signed(trade.paid));
        assert_eq!(done.change(trade.receiver, trade.buy), signed(trade.got));
    }
    let mut better = false;
    for delta in done.deltas.iter().filter(|d| d.account == settlement.target) {
        let promised = settlement.buffers.get(&delta.token).copied().unwrap_or_default();
        assert!(delta.change >= promised && delta.change >= I256::ZERO, "{delta:?}, promised {promised}");
        better |= delta.change > promised;
    }
    *if better { &mut tally.better } else { &mut tally.exact } += 1;
    let real = done.deltas.iter().filter(|d| d.account == settlement.target).map(|d| (d.token, d.change));
    tally.entries.push(Entry::new(Some("1"), settlement, "simulated", real));
    tally.off.push(settlement.gas as f64 / done.gas_used as f64 - 1.0);
}

/// Says for each call which row of the table it belongs to, by its selector.
fn count(case: &Case, settlement: &Settlement, done: &Simulation, side: Side, tally: &mut Tally) {
    let call = settleCall::abi_decode(&settlement.calldata).unwrap();
    let calls = call.interactions.iter().flatten().zip(done.gas_of.iter().flatten());
    tally.settlement.push(done.gas_used - calls.map(|(call, gas)| gas + overhead(call)).sum::<u64>());
    let pool = |id: &str| -> &Pool { case.auction.pools.iter().find(|p| p.id == id).unwrap() };
    let mut paid = None;
    for ((interaction, action), gas) in call.interactions[1].iter().zip(&settlement.actions[1]).zip(&done.gas_of[1]) {
        let Action::Swap { pools, gas: estimate, .. } = action else { continue };
        let (via, given) = match selector(&interaction.callData) {
            [0xa9, 0x05, 0x9c, 0xbb] => {
                // The estimate of both calls stands at the first.
                paid = Some((*gas + overhead(interaction), *estimate));
                continue;
            }
            [0x02, 0x2c, 0x0d, 0x9f] => (Via::Pool, Given::Out),
            [0x38, 0xed, 0x17, 0x39] | [0x41, 0x4b, 0xf3, 0x89] => (Via::Router, Given::In),
            [0x88, 0x03, 0xdb, 0xee] | [0xdb, 0x3e, 0x21, 0x98] => (Via::Router, Given::Out),
            // The vault's two, whose kinds stand at different places.
            [0x52, 0xbb, 0xbe, 0x29] => (Via::Router, vault_given(&interaction.callData, 9)),
            [0x94, 0x5b, 0xce, 0xc9] => (Via::Batch, vault_given(&interaction.callData, 0)),
            other => panic!("an unknown call {other:02x?}"),
        };
        let (before, estimate) = paid.take().unwrap_or((0, *estimate));
        let gas = before + gas + overhead(interaction);
        for id in pools {
            *tally.counts.entry((pool(id).kind(), via, given, side == Side::Sell)).or_default() += 1;
        }
        if let [id] = pools.as_slice() {
            let row = tally.gas.entry((pool(id).kind(), via, given)).or_default();
            row.0.push(gas);
            row.1 = estimate;
        } else {
            tally.batches.push(estimate as f64 / gas as f64);
        }
    }
    assert!(settlement.trades.iter().all(|t| t.buy == NATIVE) == (settlement.actions[1].last() == Some(&Action::Unwrap)));
}

/// What a call costs the settlement beside what it does: its calldata, and an event.
fn overhead(call: &ballast_solver::settlement::encode::abi::Interaction) -> u64 {
    let bytes: u64 = call.callData.iter().map(|b| if *b == 0 { 4 } else { 16 }).sum();
    bytes + 4_000
}

fn vault_given(data: &[u8], word: usize) -> Given {
    if word == 0 {
        return if data[4 + 31] == 0 { Given::In } else { Given::Out };
    }
    // `swap` has its first struct behind an offset; the kind is its second word.
    let at = 4 + usize::try_from(U256::from_be_slice(&data[4..36])).unwrap();
    if data[at + 63] == 0 { Given::In } else { Given::Out }
}

fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn report(tally: &Tally) {
    println!("| venue | called | told | for sell orders | for buy orders | gas, median | estimate |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for ((venue, via, given), (gas, estimate)) in &tally.gas {
        let [sell, buy] = [true, false].map(|sells| tally.counts[&(*venue, *via, *given, sells)]);
        println!("| {venue} | {via:?} | {given:?} | {sell} | {buy} | {} | {estimate} |", median(gas));
    }
    println!(
        "{} settlements, {} to the wei and {} better by a rounding; estimates of whole settlements are off by {:+.1}% at the median, of \
         batches of many swaps by {:+.1}%; {} gas are beside the calls",
        tally.exact + tally.better,
        tally.exact,
        tally.better,
        100.0 * middle(&tally.off),
        100.0 * (middle(&tally.batches) - 1.0),
        median(&tally.settlement),
    );
}
