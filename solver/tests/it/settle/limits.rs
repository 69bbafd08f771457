//! Approvals, gas limits, and how long it takes.

use std::time::Instant;

use alloy_primitives::{I256, U256};
use alloy_sol_types::SolCall;
use ballast_adapters::Venue;
use ballast_adapters::erc20::Erc20;
use ballast_adapters::evm::Evm;
use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::settlement::encode::Action;
use ballast_solver::settlement::encode::abi::GPv2Settlement::settleCall;
use ballast_solver::settlement::encode::domain_separator;
use ballast_solver::settlement::{Allowances, Approvals, Encoder, Settings, Settlement, simulate, verify};
use ballast_wire::{Amount, Fulfillment, Interaction, LiquidityInteraction, Trade};

use super::case::{Case, Hop, Leg, order, request, solution};
use super::world::{SOLVER, World, is, signed};

/// The pools of two tokens, pairs first.
fn pools(world: &World, a: usize, b: usize) -> Vec<usize> {
    let request = {
        let mut request = request(world);
        request.liquidity = world.liquidity.clone().into_iter().map(Ok).collect();
        request
    };
    let auction = Auction::new(&request, |_| true);
    let [a, b] = [a, b].map(|t| world.tokens[t].address);
    (0..auction.pools.len())
        .filter(|&p| {
            let tokens = auction.pools[p].market.tokens();
            tokens.contains(&a) && tokens.contains(&b)
        })
        .collect()
}

fn leg(world: &World, a: usize, b: usize, units: f64) -> Leg {
    let [input, output] = [a, b].map(|t| world.tokens[t]);
    Leg::new(&[Hop { pool: pools(world, a, b)[0], input: input.address, output: output.address }], output.atoms(units))
}

fn approvals(settlement: &Settlement) -> Vec<U256> {
    let call = settleCall::abi_decode(&settlement.calldata).unwrap();
    let calls = call.interactions[1].iter().filter(|i| is::<Erc20::approveCall>(&i.callData));
    calls.map(|i| Erc20::approveCall::abi_decode(&i.callData).unwrap().amount).collect()
}

#[test]
fn approvals_are_made_where_the_allowance_is_short() {
    let world = &mut World::new();
    let leg = leg(world, 1, 2, 100.0);
    let case = Case::new(world, &[leg]).unwrap();
    let settings = Settings { contracts: world.contracts, ..Settings::default() };
    let encode = |settings: &Settings, allowances: &Allowances| {
        let [settlement] = case.encode(settings, allowances).settlements.try_into().unwrap();
        assert_eq!(simulate(&case.snapshot, SOLVER, &settlement).failure.map(|f| f.to_string()), None);
        settlement
    };
    let first = encode(&settings, &Allowances::default());
    let need = &first.spending[0];
    assert_eq!(approvals(&first), [need.amount.0]);
    let unlimited = Settings { approvals: Approvals::Unlimited, ..settings.clone() };
    assert_eq!(approvals(&encode(&unlimited, &Allowances::default())), [U256::MAX]);
    // One that falls short is taken back first: some tokens insist on it.
    let mut held = Allowances::default();
    held.set(need.token, need.spender, need.amount.0 - U256::ONE);
    assert_eq!(approvals(&encode(&settings, &held)), [U256::ZERO, need.amount.0]);
    // Where enough is approved, nothing is done.
    held.set(need.token, need.spender, need.amount.0);
    let [settlement] = case.encode(&settings, &held).settlements.try_into().unwrap();
    assert!(approvals(&settlement).is_empty());
    let mut evm = Evm::on(&case.snapshot);
    let approve = Erc20::approveCall { spender: need.spender, amount: need.amount.0 };
    evm.send(settlement.target, need.token, &approve, U256::ZERO).unwrap();
    assert_eq!(simulate(&evm.snapshot(), SOLVER, &settlement).failure.map(|f| f.to_string()), None);
}

#[test]
fn what_exceeds_the_gas_limit_is_split_where_nothing_hangs_together() {
    let world = &mut World::new();
    let legs = [leg(world, 0, 1, 100.0), leg(world, 2, 3, 50.0)];
    let case = Case::new(world, &legs).unwrap();
    let wide = Settings { contracts: world.contracts, ..Settings::default() };
    let [whole] = case.encode(&wide, &Allowances::default()).settlements.try_into().unwrap();
    assert_eq!(whole.trades.len(), 2);
    let narrow = Settings { gas_limit: whole.gas - 1, ..wide.clone() };
    let encoded = case.encode(&narrow, &Allowances::default());
    assert!(encoded.refused.is_empty());
    assert_eq!(encoded.settlements.len(), 2);
    let mut evm = Evm::on(&case.snapshot);
    for settlement in &encoded.settlements {
        assert!(settlement.gas <= narrow.gas_limit && settlement.trades.len() == 1);
        assert_eq!(simulate(&evm.snapshot(), SOLVER, settlement).failure.map(|f| f.to_string()), None);
        evm.trace(SOLVER, settlement.target, settlement.calldata.clone()).result.unwrap();
    }
    // A single trade that is too large is refused, with its reason.
    let tight = Settings { gas_limit: 100_000, ..wide };
    let encoded = case.encode(&tight, &Allowances::default());
    assert!(encoded.settlements.is_empty());
    assert_eq!(encoded.refused.len(), 2);
    let reason = encoded.refused[0].1.to_string();
    assert!(reason.contains("100000 is the limit") && reason.contains("gas_limit"), "{reason}");
}

#[test]
fn trades_on_one_pool_stay_together() {
    let world = &mut World::new();
    let pool = pools(world, 0, 3).into_iter().find(|p| pools(world, 1, 2).contains(p)).expect("a pool of all four");
    let hop = |a: usize, b: usize| Hop { pool, input: world.tokens[a].address, output: world.tokens[b].address };
    let legs = [Leg::new(&[hop(0, 1)], world.tokens[1].atoms(90.0)), Leg::new(&[hop(2, 3)], world.tokens[3].atoms(80.0))];
    let case = Case::new(world, &legs).unwrap();
    let settings = Settings { contracts: world.contracts, gas_limit: 300_000, ..Settings::default() };
    let encoded = case.encode(&settings, &Allowances::default());
    let (orders, reason) = &encoded.refused[0];
    assert_eq!((encoded.settlements.len(), orders.len()), (0, 2));
    assert!(reason.to_string().contains("2 order(s) stand on the same pools or tokens"), "{reason}");
}

/// A hundred orders of one pair of tokens at one price, through four pools.
#[test]
fn a_hundred_orders_settle_at_once() {
    const ORDERS: u64 = 100;
    let world = &mut World::new();
    let (a, b) = (world.tokens[1], world.tokens[2]);
    let mut request = request(world);
    request.liquidity = world.liquidity.clone().into_iter().map(Ok).collect();
    let pools = pools(world, 1, 2);
    let markets = Auction::new(&request, |_| true).pools;
    let mut solution = solution();
    let paid: Vec<U256> = (0..ORDERS).map(|k| a.atoms(20.0) + U256::from(7 * k)).collect();
    let mut left: U256 = paid.iter().sum();
    let mut bought = U256::ZERO;
    for (k, &pool) in pools.iter().enumerate() {
        let market = &markets[pool].market;
        let coin = |token| market.tokens().iter().position(|t| *t == token).unwrap();
        let share = left / U256::from(pools.len() - k);
        let mut out = market.amount_out(coin(a.address), coin(b.address), share).unwrap();
        while market.amount_in(coin(a.address), coin(b.address), out).unwrap() > share {
            out -= U256::ONE;
        }
        let cost = market.amount_in(coin(a.address), coin(b.address), out).unwrap();
        left -= share;
        bought += out;
        solution.interactions.push(Interaction::Liquidity(LiquidityInteraction {
            internalize: false,
            id: world.liquidity[pool].id.clone(),
            input_token: a.address,
            output_token: b.address,
            input_amount: Amount(cost),
            output_amount: Amount(out),
        }));
    }
    // Each trade's amount is rounded up by an atom at the most.
    let (price_a, price_b) = (bought - U256::from(ORDERS), paid.iter().sum::<U256>());
    solution.prices.extend([(a.address, Amount(price_a)), (b.address, Amount(price_b))]);
    let domain = domain_separator(&world.contracts);
    for (k, paid) in paid.into_iter().enumerate() {
        let trader = &world.traders[k % 3];
        let leg = Leg { trader: k % 3, ..Leg::new(&[], U256::ZERO) };
        let got = (paid * price_a).div_ceil(price_b);
        let order = order(trader, &leg, [a.address, b.address], [paid, got], &domain);
        solution.trades.push(Trade::Fulfillment(Fulfillment { order: order.uid, executed_amount: Amount(paid), fee: None }));
        request.orders.push(Ok(order));
    }
    let auction = Auction::new(&request, |_| true);
    let verified = verify(&auction, &Config::default(), solution).unwrap();
    let settings = Settings { contracts: world.contracts, ..Settings::default() };
    let best = |f: &mut dyn FnMut()| {
        (0..20)
            .map(|_| {
                let start = Instant::now();
                f();
                start.elapsed()
            })
            .min()
            .unwrap()
    };
    let encode = || Encoder::new(&auction, &request, &settings).encode(&verified, &Allowances::default()).unwrap();
    let encoding = best(&mut || drop(encode()));
    let [settlement] = encode().settlements.try_into().unwrap();
    let done = simulate(&world.base, SOLVER, &settlement);
    assert_eq!(done.failure.as_ref().map(ToString::to_string), None);
    let simulating = best(&mut || drop(simulate(&world.base, SOLVER, &settlement)));
    println!(
        "{ORDERS} orders: encoded in {encoding:.0?}, simulated in {simulating:.1?}; {} gas, {} by estimate",
        done.gas_used, settlement.gas
    );
    let received = settlement.trades.iter().map(|t| signed(t.got)).fold(I256::ZERO, |a, b| a + b);
    let held: I256 = world.traders.iter().map(|t| done.change(t.address, b.address)).fold(I256::ZERO, |a, b| a + b);
    assert_eq!(held, received);
    for (token, promised) in &settlement.buffers {
        assert!(*promised >= I256::ZERO && done.change(settlement.target, *token) == *promised);
    }
    assert!(settlement.actions[1].iter().filter(|a| matches!(a, Action::Swap { .. })).count() == pools.len());
}
