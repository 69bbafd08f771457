//! Orders that come with the solution: signed by a key, as a message, by a transaction and by a contract, matched with a trader's, and
//! settled as promised.

use alloy_primitives::{Address, B256, Bytes, I256, U256, eip191_hash_message};
use alloy_sol_types::{SolCall, sol};
use ballast_adapters::evm::Snapshot;
use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::jit::Offer;
use ballast_solver::settlement::encode::{Scheme, as_listed, digest, domain_separator};
use ballast_solver::settlement::{Allowances, Encoder, Settings, Settlement, Verified, Violation, simulate, verify};
use ballast_wire::{self as wire, Amount, Fulfillment, JitOrder, JitTrade, OrderUid, Side, Solution, Trade};

use super::case::{Leg, order, presign, request, sign, solution};
use super::world::{DEPLOYER, SOLVER, TestToken, World, signed};

sol!(
    #[sol(all_derives)]
    Wallet,
    "../fixtures/contracts/own/Wallet.json"
);

/// What the wallet wants for a signature.
const WORD: B256 = B256::repeat_byte(0x5a);
/// Atoms of the two sides' exchange, and of the fee that the order with the solution pays.
const TRADED: [u64; 2] = [1_000_000, 1_001_000];
const FEE: u64 = 2_000;

struct Matched {
    world: World,
    request: wire::Auction,
    auction: Auction,
    solution: Solution,
    owner: Address,
    snapshot: Snapshot,
}

impl Matched {
    /// A trader sells the first token for the last; the order with the solution does the opposite, for a part of it or whole.
    fn new(scheme: Scheme, side: Side, partial: bool) -> Self {
        let mut world = World::new();
        let domain = domain_separator(&world.contracts);
        let [a, b] = [world.tokens[0].address, world.tokens[3].address];
        let owner = if scheme == Scheme::Eip1271 { wallet(&mut world, [a, b]) } else { world.traders[1].address };
        let mut asked = request(&world);
        let leg = Leg { fee: Some(U256::ZERO), ..Leg::new(&[], U256::ZERO) };
        // Room in both limits, so that both have a surplus.
        let listed = order(&world.traders[0], &leg, [a, b], [U256::from(TRADED[0]), U256::from(TRADED[1] - 5_000)], &domain);
        let fulfilled = listed.uid;
        asked.orders.push(Ok(listed));
        asked.surplus_capturing_jit_order_owners = vec![owner];
        let whole = U256::from(if partial { 3 } else { 1 });
        let mut made = JitOrder {
            sell_token: b,
            buy_token: a,
            receiver: if partial { Address::repeat_byte(0x77) } else { Address::ZERO },
            sell_amount: Amount(match side {
                Side::Sell => U256::from(TRADED[1] + FEE) * whole,
                Side::Buy => U256::from(TRADED[1] + 2 * FEE) * whole,
            }),
            buy_amount: Amount(match side {
                Side::Sell => U256::from(TRADED[0] - 5_000) * whole,
                Side::Buy => U256::from(TRADED[0]) * whole,
            }),
            partially_fillable: partial,
            valid_to: u32::MAX,
            app_data: B256::repeat_byte(3),
            kind: side,
            sell_token_balance: "erc20".into(),
            buy_token_balance: "erc20".into(),
            signing_scheme: scheme.in_replies().into(),
            signature: Bytes::new(),
        };
        let digest = digest(&as_listed(&made, owner, OrderUid::ZERO), &domain).unwrap();
        let key = || world.traders[1].key.as_ref().unwrap();
        made.signature = match scheme {
            Scheme::Eip712 => sign(key(), &digest),
            Scheme::EthSign => sign(key(), &eip191_hash_message(digest)),
            Scheme::PreSign => owner.to_vec().into(),
            Scheme::Eip1271 => [owner.as_slice(), WORD.as_slice()].concat().into(),
        };
        let offer = Offer::new(made.clone(), &world.contracts).unwrap();
        assert_eq!(offer.owner, owner);
        let presigned = if scheme == Scheme::PreSign { vec![(owner, offer.uid)] } else { Vec::new() };
        if scheme == Scheme::Eip1271 {
            let know = Wallet::knowCall { digest_: digest, word_: WORD };
            world.evm.send(DEPLOYER, owner, &know, U256::ZERO).unwrap();
            world.base = world.evm.snapshot();
        }
        let snapshot = presign(&mut world, &presigned);
        let mut auction = Auction::new(&asked, |_| true);
        auction.offer([offer]);
        assert_eq!(auction.orders.len(), 2, "{:?}", auction.drops);
        let mut solved = solution();
        solved.prices = [(a, Amount(U256::from(TRADED[1]))), (b, Amount(U256::from(TRADED[0])))].into();
        let executed = U256::from(TRADED[if side == Side::Sell { 1 } else { 0 }]);
        solved.trades = vec![
            Trade::Fulfillment(Fulfillment {
                order: fulfilled,
                executed_amount: Amount(U256::from(TRADED[0])),
                fee: Some(Amount(U256::ZERO)),
            }),
            Trade::Jit(Box::new(JitTrade { executed_amount: Amount(executed), fee: Some(Amount(U256::from(FEE))), order: made })),
        ];
        Self { world, request: asked, auction, solution: solved, owner, snapshot }
    }

    fn verify(&self) -> Result<Verified, Violation> {
        verify(&self.auction, &Config::default(), self.solution.clone())
    }

    fn settlement(&self) -> Settlement {
        let settings = Settings { contracts: self.world.contracts, ..Settings::default() };
        let encoder = Encoder::new(&self.auction, &self.request, &settings);
        let mut encoded = encoder.encode(&self.verify().unwrap(), &Allowances::default()).unwrap();
        assert!(encoded.refused.is_empty() && encoded.settlements.len() == 1);
        encoded.settlements.remove(0)
    }

    fn jit(&mut self) -> &mut JitTrade {
        match self.solution.trades.last_mut() {
            Some(Trade::Jit(trade)) => trade,
            _ => panic!("no JIT trade"),
        }
    }
}

/// A contract that owns both tokens, lets the relayer take them, and answers for its orders.
fn wallet(world: &mut World, tokens: [Address; 2]) -> Address {
    let wallet = world.evm.deploy(DEPLOYER, &Wallet::BYTECODE, &[]).unwrap();
    for token in tokens {
        world.give(token, wallet, U256::from(10).pow(U256::from(20)));
        let approve = TestToken::approveCall { spender: world.contracts.relayer, amount: U256::MAX };
        let call = Wallet::executeCall { target: token, data: approve.abi_encode().into() };
        world.evm.send(DEPLOYER, wallet, &call, U256::ZERO).unwrap();
    }
    wallet
}

fn minus(amount: u64) -> I256 {
    -signed(U256::from(amount))
}

#[test]
fn every_kind_of_signature_settles_as_promised() {
    for scheme in [Scheme::Eip712, Scheme::EthSign, Scheme::PreSign, Scheme::Eip1271] {
        for (side, partial) in [(Side::Sell, true), (Side::Sell, false), (Side::Buy, true), (Side::Buy, false)] {
            let matched = Matched::new(scheme, side, partial);
            let settlement = matched.settlement();
            let done = simulate(&matched.snapshot, SOLVER, &settlement);
            assert_eq!(done.failure, None, "{scheme:?} {side:?} {partial}");
            let [a, b] = [matched.world.tokens[0].address, matched.world.tokens[3].address];
            let paid_to = if partial { Address::repeat_byte(0x77) } else { matched.owner };
            assert_eq!(done.change(matched.owner, b), minus(TRADED[1] + FEE), "{scheme:?} {side:?} {partial}");
            assert_eq!(done.change(paid_to, a), signed(U256::from(TRADED[0])));
            assert_eq!(done.change(matched.world.traders[0].address, a), minus(TRADED[0]));
            assert_eq!(done.change(matched.world.traders[0].address, b), signed(U256::from(TRADED[1])));
            assert_eq!(done.change(matched.world.contracts.settlement, b), signed(U256::from(FEE)));
        }
    }
}

#[test]
fn surplus_is_scored_for_owners_that_the_auction_lists() {
    let mut matched = Matched::new(Scheme::Eip712, Side::Sell, true);
    let listed = matched.verify().unwrap();
    assert_eq!(listed.score(), listed.fills().iter().map(|fill| fill.score).sum::<U256>());
    assert!(listed.fills().iter().all(|fill| !fill.score.is_zero()));
    matched.request.surplus_capturing_jit_order_owners.clear();
    let offer = Offer::new(matched.jit().order.clone(), &matched.world.contracts).unwrap();
    matched.auction = Auction::new(&matched.request, |_| true);
    matched.auction.offer([offer]);
    let unlisted = matched.verify().unwrap();
    assert_eq!(unlisted.score(), listed.fills()[0].score);
    assert_eq!(unlisted.fills()[1].score, U256::ZERO);
}

#[test]
fn what_breaks_a_jit_order_is_refused() {
    let broken = |change: fn(&mut Matched)| {
        let mut matched = Matched::new(Scheme::Eip712, Side::Sell, false);
        change(&mut matched);
        matched.verify().unwrap_err()
    };
    let fill = broken(|m| m.jit().executed_amount.0 -= U256::ONE);
    assert!(matches!(fill, Violation::BadFill { .. }), "{fill}");
    let limit = broken(|m| {
        let price = &mut m.solution.prices.values_mut().next().unwrap().0;
        *price = *price * U256::from(98) / U256::from(100);
        let other = &mut m.solution.prices.values_mut().last().unwrap().0;
        *other = *other * U256::from(102) / U256::from(100);
    });
    assert!(matches!(limit, Violation::LimitPrice { .. }), "{limit}");
    let fee = broken(|m| {
        m.jit().fee = None;
        m.jit().executed_amount.0 += U256::from(FEE);
    });
    assert!(matches!(fee, Violation::Short { .. }), "{fee}");
    let twice = broken(|m| m.solution.trades.push(m.solution.trades[1].clone()));
    assert!(matches!(twice, Violation::OrderTwice(_)), "{twice}");
    let unknown = broken(|m| m.jit().order.valid_to -= 1);
    assert!(matches!(unknown, Violation::UnknownJitOrder { .. }), "{unknown}");
}

#[test]
fn an_owner_that_does_not_answer_for_its_order_is_named() {
    let mut matched = Matched::new(Scheme::Eip1271, Side::Sell, true);
    let owner = matched.owner;
    let know = Wallet::knowCall { digest_: B256::repeat_byte(1), word_: WORD };
    matched.world.evm.send(DEPLOYER, owner, &know, U256::ZERO).unwrap();
    let failure = simulate(&matched.world.evm.snapshot(), SOLVER, &matched.settlement()).failure.unwrap().to_string();
    let uid = matched.auction.orders[1].uid.to_string();
    assert!(failure.contains("another order") && failure.contains(&uid), "{failure}");
}
