//! What goes wrong on a chain, each with what is said about it.

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::{SolCall, sol};
use ballast_adapters::erc20::Erc20;
use ballast_adapters::evm::{Evm, Snapshot};
use ballast_solver::settlement::encode::Scheme;
use ballast_solver::settlement::{Allowances, Settings, Settlement, Step, StepFailure, simulate};
use ballast_wire::Call;

use super::case::{Case, Hop, Leg, sign};
use super::world::{DEPLOYER, NOW, SOLVER, Token, World, deploy_token};

sol! {
    interface Pair {
        function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes data) external;
    }
}

/// One order of the second token for the third one, through their pair.
fn case(world: &mut World, change: impl FnOnce(&mut Leg)) -> (Case, Settlement) {
    let [input, output] = [world.tokens[1], world.tokens[2]];
    let pool = pair_of(world, input, output);
    let mut leg = Leg::new(&[Hop { pool, input: input.address, output: output.address }], output.atoms(250.0));
    change(&mut leg);
    let case = Case::new(world, &[leg]).unwrap();
    let settlement = encoded(world, &case);
    (case, settlement)
}

fn pair_of(world: &World, a: Token, b: Token) -> usize {
    let is = |kind: &ballast_wire::LiquidityKind| {
        matches!(kind, ballast_wire::LiquidityKind::ConstantProduct(p)
            if p.tokens.contains_key(&a.address) && p.tokens.contains_key(&b.address))
    };
    world.liquidity.iter().position(|l| is(&l.kind)).unwrap()
}

fn encoded(world: &World, case: &Case) -> Settlement {
    let settings = Settings { contracts: world.contracts, slippage_bps: 1, ..Settings::default() };
    let [settlement] = case.encode(&settings, &Allowances::default()).settlements.try_into().unwrap();
    settlement
}

/// The chain after something has happened on it.
fn after(snapshot: &Snapshot, happens: impl FnOnce(&mut Evm)) -> Snapshot {
    let mut evm = Evm::on(snapshot);
    happens(&mut evm);
    evm.snapshot()
}

/// A settlement that fails at a step, with these words in what is said.
fn fails(snapshot: &Snapshot, settlement: &Settlement, step: Step, words: &[&str]) -> StepFailure {
    let failure = simulate(snapshot, SOLVER, settlement).failure.expect("it has to fail");
    println!("{failure}\n");
    assert_eq!(failure.step, step, "{failure}");
    for word in words {
        assert!(failure.to_string().contains(word), "{word:?} is missing in: {failure}");
    }
    failure
}

#[test]
fn a_wrong_signature_names_its_signer() {
    let world = &mut World::new();
    let (mut case, settlement) = case(world, |_| {});
    // Signed by somebody who has funds and has approved them too: the contract is content, and takes from the wrong one.
    let key = world.traders[1].key.as_ref().unwrap();
    case.request.orders[0].as_mut().unwrap().signature = sign(key, &settlement.trades[0].digest);
    let settlement = encoded(world, &case);
    let (signer, owner) = (world.traders[1].address.to_string(), world.traders[0].address.to_string());
    fails(&case.snapshot, &settlement, Step::Outcome, &["not of its owner", &signer, &owner, "leave the order out"]);
}

fn hop(world: &World) -> Hop {
    let [input, output] = [world.tokens[1], world.tokens[2]];
    Hop { pool: pair_of(world, input, output), input: input.address, output: output.address }
}

#[test]
fn a_signature_that_is_none_is_said_to_be() {
    let world = &mut World::new();
    let (mut case, _) = case(world, |_| {});
    case.request.orders[0].as_mut().unwrap().signature = vec![0xff; 65].into();
    let settlement = encoded(world, &case);
    fails(&case.snapshot, &settlement, Step::Order(0), &["GPv2: invalid ecdsa signature", "is that of nobody"]);
}

#[test]
fn an_order_that_is_not_presigned_is_said_to_be() {
    let world = &mut World::new();
    let (_, settlement) = case(world, |leg| leg.scheme = Scheme::PreSign);
    fails(&world.base.clone(), &settlement, Step::Order(0), &["GPv2: order not presigned", "setPreSignature"]);
}

#[test]
fn a_drained_balance_is_told_from_a_spent_allowance() {
    let world = &mut World::new();
    let (case, settlement) = case(world, |_| {});
    let (owner, token) = (world.traders[0].address, world.tokens[1]);
    let drained = after(&case.snapshot, |evm| {
        let all = evm.query(DEPLOYER, token.address, &Erc20::balanceOfCall { owner }).unwrap();
        let call = Erc20::transferCall { to: DEPLOYER, amount: all - U256::ONE };
        evm.send(owner, token.address, &call, U256::ZERO).unwrap();
    });
    fails(&drained, &settlement, Step::TransferIn(0), &["holds 1 of", "leave the order out"]);
    let spent = after(&case.snapshot, |evm| {
        let call = Erc20::approveCall { spender: world.contracts.relayer, amount: U256::ONE };
        evm.send(owner, token.address, &call, U256::ZERO).unwrap();
    });
    fails(&spent, &settlement, Step::TransferIn(0), &["vault relayer", "until they approve again"]);
}

#[test]
fn a_pool_that_moved_is_to_be_read_again() {
    let world = &mut World::new();
    let (case, settlement) = case(world, |_| {});
    let hop = hop(world);
    let (pair, bought) = (world.liquidity[hop.pool].address, world.tokens[2].atoms(20_000.0));
    let moved = after(&case.snapshot, |evm| {
        let amount = world.tokens[1].atoms(25_000.0);
        evm.send(DEPLOYER, hop.input, &super::world::TestToken::mintCall { to: pair, amount }, U256::ZERO).unwrap();
        let (zero, one) = if hop.input < hop.output { (U256::ZERO, bought) } else { (bought, U256::ZERO) };
        let call = Pair::swapCall { amount0Out: zero, amount1Out: one, to: DEPLOYER, data: Bytes::new() };
        evm.send(DEPLOYER, pair, &call, U256::ZERO).unwrap();
    });
    // The approval comes first.
    let words = ["UniswapV2Router: EXCESSIVE_INPUT_AMOUNT", "has moved", "slippage_bps"];
    fails(&moved, &settlement, Step::Interaction(1, 1), &words);
}

#[test]
fn a_sender_who_is_no_solver_is_told_who_could_be() {
    let world = &mut World::new();
    let (case, settlement) = case(world, |_| {});
    let failure = simulate(&case.snapshot, DEPLOYER, &settlement).failure.unwrap();
    println!("{failure}\n");
    assert_eq!(failure.step, Step::Sender);
    assert!(failure.to_string().contains("GPv2: not a solver") && failure.advice.contains("authenticator"));
}

#[test]
fn an_expired_order_is_named() {
    let world = &mut World::new();
    let (case, settlement) = case(world, |leg| leg.valid_to = NOW as u32 + 60);
    let uid = settlement.trades[0].order.to_string();
    let later = after(&case.snapshot, |evm| evm.set_timestamp(NOW + 61));
    fails(&later, &settlement, Step::Order(0), &["GPv2: order expired", &uid, "leave them out"]);
}

#[test]
fn an_order_that_is_filled_is_not_filled_twice() {
    let world = &mut World::new();
    let (case, settlement) = case(world, |_| {});
    let settled = after(&case.snapshot, |evm| {
        evm.trace(SOLVER, settlement.target, settlement.calldata.clone()).result.unwrap();
    });
    fails(&settled, &settlement, Step::Order(0), &["GPv2: order filled", "already"]);
}

#[test]
fn a_hook_that_reverts_names_its_order() {
    let world = &mut World::new();
    let call = Erc20::transferFromCall { from: DEPLOYER, to: SOLVER, amount: U256::ONE };
    let token = world.tokens[1].address;
    let bad = || vec![Call { target: token, value: U256::ZERO, call_data: call.abi_encode().into() }];
    let (made, settlement) = case(world, |leg| leg.hooks[0] = bad());
    let uid = settlement.trades[0].order.to_string();
    fails(&made.snapshot, &settlement, Step::Interaction(0, 0), &["Token: transfer amount exceeds allowance", &uid, "hook"]);
    let (made, settlement) = case(world, |leg| leg.hooks[1] = bad());
    fails(&made.snapshot, &settlement, Step::Interaction(2, 0), &["after the trades", "mends the hook"]);
}

#[test]
fn a_token_with_a_fee_on_transfer_is_found_out() {
    let world = &mut World::new();
    let taxed = Token { address: deploy_token(&mut world.evm, 18, 100), decimals: 18 };
    world.tokens.push(taxed);
    let last = world.tokens.len() - 1;
    world.make_pair([1, last]);
    let owner = world.traders[0].address;
    world.give(taxed.address, owner, taxed.atoms(1e6));
    world.approve(owner, taxed.address, world.contracts.relayer);
    world.base = world.evm.snapshot();
    let other = world.tokens[1];
    let pool = world.liquidity.len() - 1;
    // Sold, it arrives short, and the pair cannot be paid.
    let leg = Leg::new(&[Hop { pool, input: taxed.address, output: other.address }], other.atoms(250.0));
    let case = Case::new(world, &[leg]).unwrap();
    let settlement = encoded(world, &case);
    fails(&case.snapshot, &settlement, Step::Interaction(1, 1), &["keeps a part of every transfer", "--deny-tokens"]);
    // Bought, it does not reach the trader in full.
    let leg = Leg::new(&[Hop { pool, input: other.address, output: taxed.address }], taxed.atoms(250.0));
    let case = Case::new(world, &[leg]).unwrap();
    let settlement = encoded(world, &case);
    fails(&case.snapshot, &settlement, Step::TransferOut(0), &["keeps a part of every transfer", "--deny-tokens"]);
}
