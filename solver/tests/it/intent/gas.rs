//! What settling costs beside the swaps.

use alloy_primitives::Address;
use ballast_solver::intent::{Plan, Simulated};

use super::bench::*;

/// Vaults of 3 and of 10 assets, one trade at the desk for each asset but the first: the median token, feed and module are cold. The figures
/// are in the contract's documentation.
#[test]
fn gas_is_what_is_stated() {
    let mut off = false;
    for (assets, stated) in [(3, STATED[0]), (10, STATED[1])] {
        let each = 100_000.0 / assets as f64;
        let mut units = vec![each * 0.9; assets];
        units[0] = each + each * 0.1 * (assets - 1) as f64;
        let mut bench = Bench::of(&vec![(18, 1.0); assets], &units, Address::ZERO);
        let target = (1.0 / assets as f64 * 1e4).round() / 1e4;
        let mut targets = vec![format!("{target:.4}"); assets];
        targets[0] = format!("{:.4}", 1.0 - target * (assets - 1) as f64);
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        let mut intent = bench.intent_of(&targets);
        for asset in &mut intent.assets {
            asset.band.low = decimal("0");
            asset.band.high = decimal("1");
        }
        intent.trigger.any_of = vec![ballast_wire::intent::Rule::DriftAbsBps(50)];
        let trades: Vec<Plan> = (1..assets).map(|k| bench.trade(0, each * 0.1, k, each * 0.1)).collect();
        let mut plan = trades[0].clone();
        for trade in &trades[1..] {
            plan.approvals[0].amount.0 += trade.approvals[0].amount.0;
            plan.calls.extend(trade.calls.clone());
        }
        plan.amounts.insert(bench.coins[0].token, plan.approvals[0].amount.0);
        let execute = plan.execute(&bench.signed(&intent)).unwrap();
        let traced = bench.evm.trace(SOLVER, execute.target, execute.calldata.clone());
        let swaps: u64 = traced.frames.iter().filter(|frame| frame.depth == 3 && frame.to == bench.desk).map(|f| f.gas).sum();
        let Simulated { gas_used, verdict } = Simulated::of(&traced, bench.settlement);
        settled(verdict);
        let beside = gas_used - swaps;
        println!("{assets} assets: {gas_used} gas, {beside} beside the {} trades, {} bytes", assets - 1, execute.calldata.len());
        off |= beside.abs_diff(stated) * 100 > stated;
    }
    assert!(!off, "not within a percent of {STATED:?}");
}

/// Gas beside the swaps for 3 and for 10 assets, to a percent.
const STATED: [u64; 2] = [307_640, 628_915];
