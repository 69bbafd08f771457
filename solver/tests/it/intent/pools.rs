//! A vault is rebalanced on real pools: pairs, concentrated liquidity and Balancer's, by the calls that settlements use.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolConstructor, SolValue};
use ballast_adapters::erc20::Erc20;
use ballast_adapters::{Exact, Market, Venue};
use ballast_solver::auction::Auction;
use ballast_solver::intent::abi::RebalanceSettlement as abi;
use ballast_solver::intent::{Plan, PlanError, Simulated, as_executor};
use ballast_solver::settlement::{Encoder, Settings, Slippage};
use ballast_wire::{Amount, Interaction, LiquidityInteraction, Solution};

use super::bench::*;
use crate::settle::case::{request, solution};
use crate::settle::world::World;

/// The four tokens of the world in a vault, $1 each: 40/30/20/10 of $100,000 for targets of a quarter each.
pub fn vault(world: World) -> (Bench, World) {
    let mut bench = Bench::new();
    let mut world = world;
    std::mem::swap(&mut bench.evm, &mut world.evm);
    bench.settlement = bench.evm.deploy(DEPLOYER, &abi::BYTECODE, &Address::ZERO.abi_encode()).unwrap();
    let module = bench.evm.query(DEPLOYER, bench.settlement, &abi::MODULECall {}).unwrap();
    let args = OwnedVault::constructorCall { owner_: account(&bench.owner), module };
    bench.vault = bench.evm.deploy(DEPLOYER, &OwnedVault::BYTECODE, &args.abi_encode()).unwrap();
    bench.coins.clear();
    for (token, units) in world.tokens.clone().iter().zip([4e4, 3e4, 2e4, 1e4]) {
        let coin = bench.coin(token.address, token.decimals, 1.0);
        let give = Erc20::transferCall { to: bench.vault, amount: coin.atoms(units) };
        bench.evm.send(DEPLOYER, coin.token, &give, U256::ZERO).unwrap();
    }
    (bench, world)
}

/// Swaps on pools, given by their places, of so many units given of a coin for another.
fn swaps(auction: &Auction, bench: &Bench, hops: &[(usize, usize, usize, f64)]) -> Solution {
    let mut markets: BTreeMap<usize, Market> = BTreeMap::new();
    let mut solution = solution();
    for &(pool, given, taken, units) in hops {
        let market = markets.entry(pool).or_insert_with(|| auction.pools[pool].market.clone());
        let coin = |k: usize| market.tokens().iter().position(|t| *t == bench.coins[k].token).unwrap();
        let (input, output) = (coin(given), coin(taken));
        let out = market.amount_out(input, output, bench.coins[given].atoms(units)).unwrap();
        let made = market.apply(input, output, Exact::Output(out)).unwrap();
        solution.interactions.push(Interaction::Liquidity(LiquidityInteraction {
            internalize: false,
            id: auction.pools[pool].id.clone(),
            input_token: bench.coins[given].token,
            output_token: bench.coins[taken].token,
            input_amount: Amount(made.amount_in),
            output_amount: Amount(out),
        }));
    }
    solution
}

pub fn held(bench: &mut Bench) -> BTreeMap<Address, U256> {
    let balances = bench.balances();
    bench.coins.iter().map(|coin| coin.token).zip(balances).collect()
}

#[test]
fn a_plan_on_real_pools_does_what_it_promises() {
    let (mut bench, world) = vault(World::new());
    let mut request = request(&world);
    request.liquidity = world.liquidity.clone().into_iter().map(Ok).collect();
    let auction = Auction::new(&request, |_| true);
    // A pair, its pool of concentrated liquidity, the weighted pools, a stable one; ids 0 to 11 are pairs and pools of 01 02 03 12 13 23.
    let hops =
        [(4, 0, 3, 5e3), (5, 0, 3, 4e3), (12, 0, 3, 3e3), (13, 1, 3, 2e3), (14, 1, 2, 3e3), (6, 2, 1, 500.0), (15, 1, 3, 500.0)];
    let solution = swaps(&auction, &bench, &hops);
    let mut intent = bench.intent_of(&["0.25", "0.25", "0.25", "0.25"]);
    for asset in &mut intent.assets {
        (asset.landing.low, asset.landing.high) = (decimal("0.2"), decimal("0.3"));
        (asset.band.low, asset.band.high) = (decimal("0.15"), decimal("0.35"));
    }
    let balances = held(&mut bench);
    let snapshot = bench.evm.snapshot();
    let signed = bench.signed(&intent);
    for slippage in [Slippage::MaxIn, Slippage::MinOut] {
        for cheap in [false, true] {
            let contracts = world.contracts;
            let settings = Settings { slippage, direct_pairs: cheap, batch_swaps: cheap, contracts, ..Settings::default() };
            let settings = as_executor(&intent, 0, &settings);
            let encoder = Encoder::new(&auction, &request, &settings);
            let plan = Plan::of_swaps(&intent, &encoder, &solution, &balances).unwrap();
            let execute = plan.execute(&signed).unwrap();
            bench.evm.revert(&snapshot);
            let traced = bench.evm.trace(SOLVER, execute.target, execute.calldata);
            let Simulated { gas_used, verdict } = Simulated::of(&traced, bench.settlement);
            let outcome = settled(verdict);
            assert!(outcome.landed && outcome.loss < fixed(500.0));
            let mut promised = balances.clone();
            for interaction in &solution.interactions {
                let Interaction::Liquidity(swap) = interaction else { panic!() };
                *promised.get_mut(&swap.input_token).unwrap() -= swap.input_amount.0;
                *promised.get_mut(&swap.output_token).unwrap() += swap.output_amount.0;
            }
            for (coin, after) in bench.coins.clone().iter().zip(bench.balances()) {
                let off = after.abs_diff(promised[&coin.token]);
                assert!(after >= promised[&coin.token] && (slippage == Slippage::MinOut || off.is_zero()), "{off} off");
            }
            println!("{} swaps, {slippage:?}, direct and batched {cheap}: {gas_used} gas", solution.interactions.len());
        }
    }
}

#[test]
fn a_plan_takes_no_more_than_there_is() {
    let (mut bench, world) = vault(World::new());
    let mut request = request(&world);
    request.liquidity = world.liquidity.clone().into_iter().map(Ok).collect();
    let auction = Auction::new(&request, |_| true);
    let mut intent = bench.intent_of(&["0.25", "0.25", "0.25", "0.25"]);
    let settings = as_executor(&intent, 0, &Settings { contracts: world.contracts, ..Settings::default() });
    let encoder = Encoder::new(&auction, &request, &settings);
    let balances = held(&mut bench);
    let solution = swaps(&auction, &bench, &[(4, 0, 3, 5e3)]);
    let spent = match &solution.interactions[0] {
        Interaction::Liquidity(swap) => swap.input_amount.0,
        Interaction::Custom(_) => panic!(),
    };
    let token = bench.coins[0].token;
    let amounts =
        |intent: &_, balances: &_| Plan::of_swaps(intent, &encoder, &solution, balances).map(|plan| plan.amounts[&token]);
    // 50 bp of slippage as long as there is so much.
    assert_eq!(amounts(&intent, &balances), Ok(spent + spent.div_ceil(U256::from(200))));
    assert_eq!(amounts(&intent, &BTreeMap::from([(token, spent)])), Ok(spent));
    let most = spent - U256::ONE;
    assert_eq!(amounts(&intent, &BTreeMap::from([(token, most)])), Err(PlanError::TooMuch { token, amount: spent, most }));
    intent.assets[0].tradable = false;
    let error = PlanError::TooMuch { token, amount: spent, most: U256::ZERO };
    assert_eq!(amounts(&intent, &balances), Err(error));
    intent.assets.remove(0);
    assert_eq!(amounts(&intent, &balances), Err(PlanError::NotAnAsset(token)));
    assert_eq!(Plan::default().execute(&intent), Err(PlanError::Unsigned));
}
