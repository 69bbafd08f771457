//! Intents with each other and with traders' orders, in one batch.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, SolConstructor};
use ballast_adapters::erc20::Erc20;
use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::intent::judge::{Breach, Idle};
use ballast_solver::intent::portfolio::Portfolio;
use ballast_solver::intent::size::{Answer, SizeError};
use ballast_solver::intent::together::{Left, Settled, Share, Together, alone, solve};
use ballast_solver::intent::{Moment, Task};
use ballast_solver::settlement::encode::{digest, domain_separator};
use ballast_solver::settlement::{Allowances, Encoder, Settings};
use ballast_wire::intent::Intent;
use ballast_wire::{self as wire, Bps, LiquidityKind};
use k256::ecdsa::SigningKey;

use super::bench::*;
use super::promised::Market;
use crate::settle::case::{self, Leg, sign};
use crate::settle::world::Trader;

const MOMENT: Moment = Moment { time: NOW, gas_price: U256::ZERO, settled: U256::ZERO, rebalanced_at: 0, lost: U256::ZERO };

/// A vault of the market's four tokens, in their contract's order.
pub struct Vault {
    pub intent: Intent,
    pub portfolio: Portfolio,
}

/// Vaults that hold so many thousands of each token, for a quarter of each. They are told apart by their owners.
pub fn vaults(market: &mut Market, thousands: &[[u64; 4]]) -> Vec<Vault> {
    let held = market.portfolio();
    let vault = |(n, thousands): (u8, &[u64; 4])| {
        let mut intent = market.bench.intent_of(&["0.25"; 4]);
        intent.assets.sort_by_key(|asset| asset.token);
        intent.owner = Address::repeat_byte(n);
        let balances = held.holdings.iter().zip(thousands).map(|(holding, units)| holding.unit * U256::from(units * 1_000));
        Vault { intent, portfolio: held.with(balances) }
    };
    (1..).zip(thousands).map(vault).collect()
}

fn tasks(vaults: &[Vault]) -> Vec<Task<'_>> {
    vaults.iter().map(|vault| Task { intent: &vault.intent, portfolio: &vault.portfolio, moment: &MOMENT }).collect()
}

fn config() -> Config {
    Config { max_arbitrage_per_pool: 1e6, max_arbitrage_per_auction: 1e7, ..Config::default() }
}

fn together(market: &Market, vaults: &[Vault]) -> Together {
    let auction = Auction::new(&market.request, |_| true);
    solve(&tasks(vaults), &auction, &market.contracts, &config(), &|| false)
}

#[track_caller]
fn settled(together: &Together) -> &Settled {
    together.batch.as_ref().unwrap_or_else(|why| panic!("{why}: {:?}", together.shares))
}

#[track_caller]
fn share(together: &Together, index: usize) -> &Share {
    together.shares[index].as_ref().unwrap_or_else(|left| panic!("{left}"))
}

/// What an intent costs by itself, gas included.
fn cost_alone(market: &Market, vaults: &[Vault]) -> Vec<Result<f64, SizeError>> {
    let auction = Auction::new(&market.request, |_| true);
    let alone = alone(&tasks(vaults), &auction, &config(), &|| false);
    let cost = |answer| match answer {
        Answer::Rebalance(rebalance) => rebalance.costs.total(),
        Answer::Idle(idle) => panic!("{idle}"),
    };
    alone.into_iter().map(|answer| answer.map(cost)).collect()
}

#[test]
fn opposite_vaults_fill_each_other_where_no_pool_does() {
    let mut market = Market::new();
    market.request.liquidity.clear();
    let vaults = vaults(&mut market, &[[40, 10, 25, 25], [10, 40, 25, 25]]);
    assert!(cost_alone(&market, &vaults).iter().all(Result::is_err));
    let together = together(&market, &vaults);
    let Settled { joint, verified, .. } = settled(&together);
    assert!(joint.swaps.is_empty() && joint.routed == 0.0 && joint.volume > 0.0, "{joint:?}");
    assert_eq!(verified.fills().len(), 2);
    let cost: f64 = (0..2).map(|k| share(&together, k).cost).sum();
    let gas: f64 = (0..2).map(|k| share(&together, k).gas).sum();
    assert!((0..2).all(|k| share(&together, k).foreseen.landed));
    // At par, but for gas and what prices in whole atoms leave.
    assert!(gas > 0.0 && (cost - gas).abs() < 0.01 * gas, "{cost} {gas}");
}

#[test]
fn vaults_that_go_together_pay_less() {
    let mut market = without_arbitrage();
    let vaults = vaults(&mut market, &[[400, 200, 100, 100], [100, 200, 400, 100], [100, 100, 200, 400]]);
    let alone = cost_alone(&market, &vaults);
    let together = together(&market, &vaults);
    let Settled { joint, .. } = settled(&together);
    assert!(joint.routed < joint.volume);
    for (k, alone) in alone.into_iter().enumerate() {
        let share = share(&together, k);
        assert!(share.foreseen.landed && share.cost < alone.unwrap(), "{share:?}");
    }
}

/// Pools that agree on all prices.
pub fn without_arbitrage() -> Market {
    let mut market = Market::new();
    let agrees = |pool: &wire::Item<wire::Liquidity>| {
        pool.as_ref().is_ok_and(|pool| matches!(pool.kind, LiquidityKind::ConcentratedLiquidity(_)))
    };
    market.request.liquidity.retain(agrees);
    market
}

/// A settlement that has room for two orders takes the first two vaults, which fill each other, and leaves the others to the next.
#[test]
fn what_a_settlement_has_no_room_for_is_left_to_the_next() {
    let mut market = Market::new();
    market.request.liquidity.clear();
    let vaults = vaults(&mut market, &[[40, 10, 25, 25], [10, 40, 25, 25], [40, 10, 25, 25], [10, 40, 25, 25]]);
    let auction = Auction::new(&market.request, |_| true);
    let config = Config { max_gas: 200_000, ..config() };
    let together = solve(&tasks(&vaults), &auction, &market.contracts, &config, &|| false);
    assert!(settled(&together).joint.gas <= config.max_gas && (0..2).all(|k| share(&together, k).foreseen.landed));
    assert!((2..4).all(|k| together.shares[k].as_ref().is_err_and(|left| *left == Left::Full)), "{:?}", together.shares);
}

/// One that may lose nothing finds no price, leaves, and the others are solved without it.
#[test]
fn an_intent_whose_loss_limit_binds_leaves() {
    let mut market = without_arbitrage();
    let mut vaults = vaults(&mut market, &[[400, 200, 100, 100], [100, 200, 400, 100], [900, 100, 100, 300]]);
    vaults[2].intent.costs.max_loss_bps = Bps::new(1).unwrap();
    let together = together(&market, &vaults);
    let left = together.shares[2].as_ref().unwrap_err();
    assert!(matches!(left, Left::Breach { breach: Breach::OutsideLanding(..), filled } if *filled < 100), "{left}");
    assert!(together.rounds > 1 && (0..2).all(|k| share(&together, k).foreseen.landed));
    let owners: Vec<Address> = settled(&together).orders.iter().map(|order| order.owner).collect();
    assert!(!owners.contains(&vaults[2].intent.owner) && owners.contains(&vaults[0].intent.owner));
}

#[test]
fn what_cannot_be_part_of_a_batch_says_why() {
    let mut market = without_arbitrage();
    let drifted = [40, 10, 25, 25];
    let mut vaults = vaults(&mut market, &[[25, 25, 25, 25], drifted, drifted, drifted, drifted, drifted]);
    vaults[5].intent.owner = vaults[4].intent.owner;
    vaults[1].intent.execution.venues_deny = vec!["stable".into()];
    vaults[2].intent.valid_to = NOW - 1;
    vaults[3].intent.costs.max_loss_bps = Bps::default();
    let together = together(&market, &vaults);
    let left = |k: usize| together.shares[k].as_ref().unwrap_err();
    assert_eq!(left(0), &Left::Idle(Idle::InsideLanding));
    assert_eq!(left(1), &Left::Venues);
    assert_eq!(left(2), &Left::NotNow(Breach::Expired(NOW - 1)));
    assert!(matches!(left(3), Left::Breach { filled: 0, .. }), "{}", left(3));
    assert!(share(&together, 4).foreseen.landed);
    assert_eq!(left(5), &Left::SameVault);
}

/// Two vaults and a trader in one settlement, each vault by the signature of its owner: all are left with what was promised, to the atom.
#[test]
fn intents_and_an_order_are_settled_as_promised() {
    let mut market = without_arbitrage();
    let mut vaults = vaults(&mut market, &[[40, 10, 25, 25], [20, 35, 20, 25]]);
    for (vault, address) in vaults.iter_mut().zip([0, 1].map(|n| vault_of_its_own(&mut market, n))) {
        vault.intent.owner = address;
        fill(&mut market, vault);
    }
    let domain = domain_separator(&market.contracts);
    let key = SigningKey::from_slice(&[1; 32]).unwrap();
    let trader = Trader { address: account(&key), key: Some(key) };
    let tokens = [1, 0].map(|k| vaults[0].intent.assets[k].token);
    let unit = |token: Address| market.bench.coins.iter().find(|coin| coin.token == token).unwrap().atoms(1.0);
    let amounts = [unit(tokens[0]) * U256::from(3_000), unit(tokens[1]) * U256::from(2_900)];
    let leg = Leg { fee: Some(U256::ZERO), trader: 0, ..Leg::new(&[], amounts[1]) };
    market.request.orders.push(Ok(case::order(&trader, &leg, tokens, amounts, &domain)));
    let together = together(&market, &vaults);
    let Settled { auction, orders, verified, joint } = settled(&together);
    assert_eq!(verified.fills().len(), orders.len() + 1, "the trader's as well");
    assert!(joint.routed < joint.volume);
    let mut request = market.request.clone();
    for order in orders {
        let signature = sign(&market.bench.owner, &digest(order, &domain).unwrap());
        request.orders.push(Ok(wire::Order { signature, ..order.clone() }));
    }
    let settings = Settings { contracts: market.contracts, ..Settings::default() };
    let encoded = Encoder::new(auction, &request, &settings).encode(verified, &Allowances::default()).unwrap();
    let [settlement] = encoded.settlements.as_slice() else { panic!("{} settlements", encoded.settlements.len()) };
    let traced = market.bench.evm.trace(SOLVER, settlement.target, settlement.calldata.clone());
    traced.result.unwrap();
    println!("{} intents and an order: {} gas", vaults.len(), traced.gas_used);
    for (k, vault) in vaults.iter().enumerate() {
        let share = share(&together, k);
        let mut held = Vec::new();
        for asset in &vault.intent.assets {
            let call = Erc20::balanceOfCall { owner: vault.intent.owner };
            held.push(market.bench.evm.query(DEPLOYER, asset.token, &call).unwrap());
        }
        assert_eq!(held, share.after.holdings.iter().map(|h| h.balance).collect::<Vec<_>>());
        assert!(share.foreseen.landed);
    }
}

/// A vault that has let CoW Protocol's relayer take what its owner signs for.
fn vault_of_its_own(market: &mut Market, salt: u8) -> Address {
    let owner = account(&market.bench.owner);
    let args = OwnedVault::constructorCall { owner_: owner, module: Address::repeat_byte(salt) };
    let vault = market.bench.evm.deploy(DEPLOYER, &OwnedVault::BYTECODE, &args.abi_encode()).unwrap();
    for coin in market.bench.coins.clone() {
        let approve = Erc20::approveCall { spender: market.contracts.relayer, amount: U256::MAX };
        let call = OwnedVault::executeCall { to: coin.token, value: U256::ZERO, data: approve.abi_encode().into() };
        market.bench.evm.send(owner, vault, &call, U256::ZERO).unwrap();
    }
    vault
}

/// Gives a vault what it is said to hold.
fn fill(market: &mut Market, vault: &Vault) {
    for (asset, holding) in vault.intent.assets.iter().zip(&vault.portfolio.holdings) {
        let give = Erc20::transferCall { to: vault.intent.owner, amount: holding.balance };
        market.bench.evm.send(DEPLOYER, asset.token, &give, U256::ZERO).unwrap();
    }
}
