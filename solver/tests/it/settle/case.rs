//! Signed orders, and solutions that fill them: each swap as the venue's own arithmetic prices it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use ballast_adapters::Venue;
use ballast_adapters::evm::Snapshot;
use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::settlement::encode::abi::GPv2Settlement::setPreSignatureCall;
use ballast_solver::settlement::encode::{NATIVE, Scheme, digest, domain_separator, uid};
use ballast_solver::settlement::{Allowances, Encoded, Encoder, Settings, Verified, verify};
use ballast_wire::{
    self as wire, Amount, Class, Fulfillment, Interaction, LiquidityInteraction, OrderUid, Side, Solution, Trade,
};
use k256::ecdsa::SigningKey;

use super::world::{NOW, Trader, World};

/// A swap on a case's way.
#[derive(Debug, Clone, Copy)]
pub struct Hop {
    pub pool: usize,
    pub input: Address,
    pub output: Address,
}

/// An order and how it is filled.
#[derive(Debug, Clone)]
pub struct Leg {
    pub hops: Vec<Hop>,
    pub bought: U256,
    /// Charged on top of what the swaps take, with a limit order; none with a market order.
    pub fee: Option<U256>,
    pub side: Side,
    pub partial: bool,
    pub scheme: Scheme,
    pub trader: usize,
    pub receiver: Option<Address>,
    /// Whether the native token is bought instead of the wrapped one.
    pub native: bool,
    pub valid_to: u32,
    pub hooks: [Vec<wire::Call>; 2],
}

impl Leg {
    pub fn new(hops: &[Hop], bought: U256) -> Self {
        Self {
            hops: hops.to_vec(),
            bought,
            fee: None,
            side: Side::Sell,
            partial: false,
            scheme: Scheme::Eip712,
            trader: 0,
            receiver: None,
            native: false,
            valid_to: NOW as u32 + 600,
            hooks: Default::default(),
        }
    }
}

/// An auction with a solution that passed.
pub struct Case {
    pub request: wire::Auction,
    pub auction: Auction,
    pub verified: Verified,
    /// The chain, with what the orders need beside signatures.
    pub snapshot: Snapshot,
}

impl Case {
    /// `None` where the pools cannot make the swaps.
    pub fn new(world: &mut World, legs: &[Leg]) -> Option<Self> {
        let (domain, liquidity) = (domain_separator(&world.contracts), world.liquidity.clone());
        let mut request = request(world);
        request.liquidity = liquidity.into_iter().map(Ok).collect();
        let pools = Auction::new(&request, |_| true).pools;
        assert_eq!(pools.len(), world.liquidity.len(), "every pool can be read");
        let mut solution = solution();
        let mut presigned = Vec::new();
        let mut markets: BTreeMap<usize, _> = BTreeMap::new();
        for leg in legs {
            let mut amount = leg.bought;
            let mut swaps = Vec::new();
            for hop in leg.hops.iter().rev() {
                let market = markets.entry(hop.pool).or_insert_with(|| pools[hop.pool].market.clone());
                let coin = |token: Address| market.tokens().iter().position(|t| *t == token).unwrap();
                let (i, o) = (coin(hop.input), coin(hop.output));
                let cost = market.amount_in(i, o, amount).ok()?;
                swaps.push((hop, cost, amount));
                amount = cost;
            }
            // One after the other, since two may go through the same pool.
            for (hop, cost, out) in swaps.into_iter().rev() {
                let market = markets.get_mut(&hop.pool).unwrap();
                let coin = |token: Address| market.tokens().iter().position(|t| *t == token).unwrap();
                let (i, o) = (coin(hop.input), coin(hop.output));
                let made = market.apply(i, o, ballast_adapters::Exact::Output(out)).ok()?;
                if made.amount_in > cost {
                    return None;
                }
                solution.interactions.push(swap(&world.liquidity[hop.pool].id, hop, made.amount_in, out));
            }
            let (sell, buy) = (leg.hops[0].input, leg.hops[leg.hops.len() - 1].output);
            solution.prices.extend([(sell, Amount(leg.bought)), (buy, Amount(amount))]);
            let paid = amount + leg.fee.unwrap_or_default();
            let order = order(&world.traders[leg.trader], leg, [sell, buy], [paid, leg.bought], &domain);
            let executed = if leg.side == Side::Sell { amount } else { leg.bought };
            let fulfillment = Fulfillment { order: order.uid, executed_amount: Amount(executed), fee: leg.fee.map(Amount) };
            solution.trades.push(Trade::Fulfillment(fulfillment));
            if leg.scheme == Scheme::PreSign {
                presigned.push((order.owner, order.uid));
            }
            request.orders.push(Ok(order));
        }
        let auction = Auction::new(&request, |_| true);
        let verified = verify(&auction, &Config::default(), solution).unwrap();
        let snapshot = presign(world, &presigned);
        Some(Self { request, auction, verified, snapshot })
    }

    pub fn encode(&self, settings: &Settings, allowances: &Allowances) -> Encoded {
        Encoder::new(&self.auction, &self.request, settings).encode(&self.verified, allowances).unwrap()
    }
}

pub fn presign(world: &mut World, orders: &[(Address, OrderUid)]) -> Snapshot {
    if orders.is_empty() {
        return world.base.clone();
    }
    world.evm.revert(&world.base);
    for (owner, uid) in orders {
        let call = setPreSignatureCall { orderUid: Bytes::copy_from_slice(uid.as_slice()), signed: true };
        world.evm.send(*owner, world.contracts.settlement, &call, U256::ZERO).unwrap();
    }
    let snapshot = world.evm.snapshot();
    world.evm.revert(&world.base);
    snapshot
}

pub fn request(world: &World) -> wire::Auction {
    let token = |t: &super::world::Token| wire::Token {
        decimals: Some(t.decimals),
        symbol: None,
        reference_price: Some(U256::from(10).pow(U256::from(36 - t.decimals))),
        available_balance: U256::ZERO,
        trusted: true,
    };
    wire::Auction {
        id: Some("1".into()),
        tokens: world.tokens.iter().map(|t| (t.address, token(t))).collect(),
        orders: Vec::new(),
        liquidity: Vec::new(),
        effective_gas_price: U256::ZERO,
        deadline: "2026-01-01T00:00:00Z".into(),
        surplus_capturing_jit_order_owners: Vec::new(),
    }
}

pub fn solution() -> Solution {
    Solution {
        id: 0,
        prices: BTreeMap::new(),
        trades: Vec::new(),
        pre_interactions: Vec::new(),
        interactions: Vec::new(),
        post_interactions: Vec::new(),
        gas: None,
        flashloans: None,
        wrappers: Vec::new(),
    }
}

fn swap(id: &str, hop: &Hop, amount_in: U256, amount_out: U256) -> Interaction {
    Interaction::Liquidity(LiquidityInteraction {
        internalize: false,
        id: id.to_owned(),
        input_token: hop.input,
        output_token: hop.output,
        input_amount: Amount(amount_in),
        output_amount: Amount(amount_out),
    })
}

/// An order that the fill just satisfies; one that may be filled in part asks for three times as much.
pub fn order(trader: &Trader, leg: &Leg, tokens: [Address; 2], [paid, got]: [U256; 2], domain: &B256) -> wire::Order {
    let times = U256::from(if leg.partial { 3 } else { 1 });
    let mut order = wire::Order {
        uid: OrderUid::ZERO,
        sell_token: tokens[0],
        buy_token: tokens[1],
        sell_amount: paid * times,
        buy_amount: got * times,
        full_sell_amount: paid * times,
        full_buy_amount: got * times,
        valid_to: leg.valid_to,
        kind: leg.side,
        receiver: leg.receiver,
        owner: trader.address,
        partially_fillable: leg.partial,
        pre_interactions: leg.hooks[0].clone(),
        post_interactions: leg.hooks[1].clone(),
        sell_token_source: Some("erc20".into()),
        buy_token_destination: None,
        class: if leg.fee.is_some() { Class::Limit } else { Class::Market },
        app_data: keccak256("a test"),
        signing_scheme: String::new(),
        signature: Bytes::new(),
        fee_policies: None,
        flashloan_hint: None,
        wrappers: Vec::new(),
    };
    if leg.native {
        order.buy_token = NATIVE;
    }
    let digest = digest(&order, domain).unwrap();
    order.buy_token = tokens[1];
    order.uid = uid(&digest, &order.owner, order.valid_to);
    let (scheme, signature) = match leg.scheme {
        Scheme::Eip712 => ("eip712", sign(trader.key.as_ref().unwrap(), &digest)),
        Scheme::EthSign => {
            let message = [b"\x19Ethereum Signed Message:\n32".as_slice(), digest.as_slice()].concat();
            ("ethsign", sign(trader.key.as_ref().unwrap(), &keccak256(message)))
        }
        Scheme::Eip1271 => ("eip1271", Bytes::from_static(b"anything")),
        Scheme::PreSign => ("presign", Bytes::new()),
    };
    (order.signing_scheme, order.signature) = (scheme.into(), signature);
    order
}

pub fn sign(key: &SigningKey, hash: &B256) -> Bytes {
    let (signature, parity) = key.sign_prehash_recoverable(hash.as_slice()).unwrap();
    [&signature.to_bytes()[..], &[27 + parity.to_byte()]].concat().into()
}
