//! A verified solution as the call that settles it: `GPv2Settlement.settle(tokens, clearingPrices, trades, interactions)`.
//!
//! Prices. A trade without a fee is settled at the solution's uniform prices, at which the contract computes just what
//! [`crate::settlement::verify`] promised. A fee is part of what is paid, and so outside of those prices: such a trade gets two prices
//! of its own, what is bought for what is sold, so that the contract's ⌈paid·bought/paid⌉ and ⌊bought·paid/bought⌋ are the
//! promised amounts to the wei. So does one whose limit is met only by the atom that the division rounds up. Uniform prices come first in the call, whether trades use them or not.
//!
//! Interactions. Before: the orders' hooks, then the solution's own calls. Between: approvals where the allowance is short, the swaps
//! in their order, and at the end the unwrapping of what is paid in the native token. After: the solution's own calls, then the orders' hooks.

pub mod abi;
mod gas;
mod order;
mod split;
mod swaps;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use alloy_primitives::{Address, B256, Bytes, I256, U256};
use alloy_sol_types::SolCall;
use ballast_adapters::limit_order::SignedOrder;
use ballast_wire::{self as wire, Allowance, Call, OrderUid, Solution, Trade};
use rustc_hash::FxHashMap;

pub use gas::HOOK_GAS;
pub use order::{NATIVE, Scheme, as_listed, digest, domain_separator, signer, uid};

use super::verify::{Fill, Verified};
use super::{Allowances, Contracts, Settings};
use crate::auction::Auction;
use crate::wide::at_least;
use order::Signed;
use swaps::{Spending, swaps};

/// Why a solution cannot be put on chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The auction does not carry what was signed.
    #[error("order {0}: not among the orders of the request")]
    UnknownOrder(OrderUid),
    /// The order's description hashes to something else than its uid.
    #[error(
        "order {given}: its uid is not that of its fields ({computed}); it was changed after it was named, or signed for another chain or \
         settlement contract: compare [settlement.contracts] with the order's domain"
    )]
    Uid {
        /// The uid that came with it.
        given: OrderUid,
        /// The one of its fields.
        computed: OrderUid,
    },
    /// A field that cannot be encoded.
    #[error("order {order}: {field} cannot be encoded")]
    Field {
        /// The order.
        order: OrderUid,
        /// The field.
        field: &'static str,
    },
    /// A swap that cannot be put on chain.
    #[error("liquidity {id}: {reason}")]
    Swap {
        /// The pool's id in the auction.
        id: String,
        /// What is in the way.
        reason: String,
    },
    /// Something that this encoder does not do.
    #[error("{0} cannot be encoded")]
    Unsupported(&'static str),
    /// It cannot be split into settlements that fit the limit.
    #[error(
        "takes about {gas} gas where {limit} is the limit, and cannot be split: {orders} order(s) stand on the same pools or tokens; \
         raise gas_limit in [settlement], or solve with fewer swaps"
    )]
    TooLarge {
        /// Gas by estimate.
        gas: u64,
        /// What is allowed.
        limit: u64,
        /// Orders that hang together.
        orders: usize,
    },
    /// A number beyond its type.
    #[error("arithmetic overflow")]
    Overflow,
}

impl EncodeError {
    fn field(order: &wire::Order, field: &'static str) -> Self {
        Self::Field { order: order.uid, field }
    }
}

/// What one order is promised by a settlement; atoms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradePromise {
    /// The order.
    pub order: OrderUid,
    /// Who pays.
    pub owner: Address,
    /// Who is paid.
    pub receiver: Address,
    /// The token paid.
    pub sell: Address,
    /// The token received, [`NATIVE`] for the native one.
    pub buy: Address,
    /// What is paid, the fee included.
    pub paid: U256,
    /// What is received.
    pub got: U256,
    /// What was signed.
    pub digest: B256,
    /// How.
    pub scheme: Scheme,
    /// The signature as it came.
    pub signature: Bytes,
    /// Unix seconds after which it is void.
    pub valid_to: u32,
}

/// What an interaction is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A call that an order asks for.
    Hook(OrderUid),
    /// A call of the solution's own.
    Call,
    /// An approval.
    Approve {
        /// The token.
        token: Address,
        /// Who may take it.
        spender: Address,
    },
    /// One swap or, in a batch, several.
    Swap {
        /// The pools' ids in the auction.
        pools: Vec<String>,
        /// The first token given.
        input: Address,
        /// The last token taken.
        output: Address,
        /// Gas by estimate.
        gas: u64,
    },
    /// Turning the wrapped native token into the native one.
    Unwrap,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hook(order) => write!(f, "the hook of order {order}"),
            Self::Call => f.write_str("the solution's own call"),
            Self::Approve { token, spender } => write!(f, "the approval of {token} for {spender}"),
            Self::Swap { pools, input, output, .. } => write!(f, "the swap {input} → {output} at liquidity {}", pools.join(", ")),
            Self::Unwrap => f.write_str("the unwrapping of the native token"),
        }
    }
}

/// A settlement ready to be sent by a solver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The solution's number.
    pub solution: u64,
    /// The settlement contract.
    pub target: Address,
    /// What to call it with.
    pub calldata: Bytes,
    /// What each order pays and gets, in the order of the call.
    pub trades: Vec<TradePromise>,
    /// What each interaction is for: before, between and after the trades.
    pub actions: [Vec<Action>; 3],
    /// Gas of the transaction by estimate: medians of what was measured. Hooks are counted as [`HOOK_GAS`] each.
    pub gas: u64,
    /// What the swaps may take of the settlement contract at the most, each pair of token and spender once.
    pub spending: Vec<Allowance>,
    /// By how much the settlement contract's balances grow or fall, in atoms: fees, and what rounding leaves.
    pub buffers: BTreeMap<Address, I256>,
}

/// What became of a solution.
#[derive(Debug, Clone, Default)]
pub struct Encoded {
    /// One, or several to be sent in this order where one would take too much gas.
    pub settlements: Vec<Settlement>,
    /// Orders that do not fit the gas limit, and why.
    pub refused: Vec<(Vec<OrderUid>, EncodeError)>,
}

/// Encodes the solutions of one auction.
#[derive(Debug)]
pub struct Encoder<'a> {
    auction: &'a Auction,
    settings: &'a Settings,
    orders: FxHashMap<OrderUid, &'a wire::Order>,
    pools: FxHashMap<&'a str, usize>,
    limit_orders: FxHashMap<String, SignedOrder>,
    domain: B256,
}

impl<'a> Encoder<'a> {
    /// An encoder for an auction, and the request that it was read from, which carries what was signed.
    pub fn new(auction: &'a Auction, request: &'a wire::Auction, settings: &'a Settings) -> Self {
        Self {
            auction,
            settings,
            orders: request.orders.iter().flatten().map(|o| (o.uid, o)).collect(),
            pools: auction.pools.iter().enumerate().map(|(k, pool)| (pool.id.as_str(), k)).collect(),
            limit_orders: FxHashMap::default(),
            domain: domain_separator(&settings.contracts),
        }
    }

    /// Adds what the makers of foreign limit orders signed, by the auction's liquidity id: without it they cannot be filled.
    pub fn with_limit_orders(mut self, orders: impl IntoIterator<Item = (String, SignedOrder)>) -> Self {
        self.limit_orders.extend(orders);
        self
    }

    /// Encodes a solution; into several settlements where one would exceed the gas limit. `allowances` is what the settlement contract has
    /// approved so far.
    ///
    /// # Errors
    /// When an order or a swap cannot be encoded. What merely does not fit the limit is refused by itself.
    pub fn encode(&self, solution: &Verified, allowances: &Allowances) -> Result<Encoded, EncodeError> {
        if !solution.solution().wrappers.is_empty() {
            return Err(EncodeError::Unsupported("a wrapper around the settlement"));
        }
        let whole = self.one(solution.solution(), solution.fills(), allowances)?;
        if whole.gas <= self.settings.gas_limit {
            return Ok(Encoded { settlements: vec![whole], refused: Vec::new() });
        }
        split::split(self, solution, whole, allowances)
    }

    /// The calls of a solution's swaps by themselves, and what the payer has to approve for them, each pair of token and spender once. The
    /// payer is what the settings have as the settlement contract.
    ///
    /// # Errors
    /// When a swap cannot be encoded.
    pub fn swaps(&self, solution: &Solution) -> Result<(Vec<Call>, Vec<Allowance>), EncodeError> {
        let Spending { calls, approvals } = swaps(self, solution, &mut Buffers::default())?;
        Ok((calls.calls, approvals))
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.settings
    }

    fn contracts(&self) -> &Contracts {
        &self.settings.contracts
    }

    /// The order that a trade fills, as it came with the auction or comes with the solution.
    fn order(&self, trade: &Trade, fill: &Fill) -> Result<Cow<'a, wire::Order>, EncodeError> {
        match trade {
            Trade::Fulfillment(trade) => {
                self.orders.get(&trade.order).map(|order| Cow::Borrowed(*order)).ok_or(EncodeError::UnknownOrder(trade.order))
            }
            Trade::Jit(trade) => {
                let order = self.auction.orders.get(fill.order);
                let (order, jit) = order
                    .and_then(|order| Some((order, order.jit.as_ref()?)))
                    .ok_or(EncodeError::Unsupported("a JIT order that nobody offered"))?;
                Ok(Cow::Owned(as_listed(&trade.order, jit.owner, order.uid)))
            }
        }
    }

    /// One settlement of some trades and swaps. `fills` are those of the trades, in the same order.
    fn one(&self, solution: &Solution, fills: &[Fill], allowances: &Allowances) -> Result<Settlement, EncodeError> {
        let mut prices = Prices::uniform(solution);
        let mut trades = Vec::with_capacity(fills.len());
        let mut promises = Vec::with_capacity(fills.len());
        let mut buffers = Buffers::default();
        let mut calls: [Calls; 3] = Default::default();
        let mut after = Calls::default();
        let mut unwrapped = U256::ZERO;
        for (trade, fill) in solution.trades.iter().zip(fills) {
            let order = self.order(trade, fill)?;
            let order = order.as_ref();
            let signed = Signed::new(order, &self.domain, self.contracts())?;
            let buy = signed.terms.0.buyToken;
            let own = !fill.fee.is_zero() || buy != order.buy_token || prices.miss_limit(order);
            let own = own.then_some((fill.got, fill.paid));
            let (sell_index, buy_index) = prices.of(order.sell_token, buy, own)?;
            let executed = match order.kind {
                wire::Side::Sell => fill.paid,
                wire::Side::Buy => fill.got,
            };
            trades.push(signed.trade(sell_index, buy_index, executed)?);
            buffers.add(order.sell_token, fill.paid)?;
            buffers.take(order.buy_token, fill.got)?;
            if buy == NATIVE {
                unwrapped = unwrapped.checked_add(fill.got).ok_or(EncodeError::Overflow)?;
            }
            calls[0].extend(&order.pre_interactions, || Action::Hook(order.uid));
            after.extend(&order.post_interactions, || Action::Hook(order.uid));
            promises.push(TradePromise {
                order: order.uid,
                owner: order.owner,
                receiver: signed.receiver(),
                sell: order.sell_token,
                buy,
                paid: fill.paid,
                got: fill.got,
                digest: signed.digest,
                scheme: signed.scheme,
                signature: order.signature.clone(),
                valid_to: order.valid_to,
            });
        }
        let Spending { calls: spending, approvals } = swaps(self, solution, &mut buffers)?;
        for need in &approvals {
            for approved in allowances.short(need, self.settings.approvals) {
                calls[1].push(approved, Action::Approve { token: need.token, spender: need.spender });
            }
        }
        calls[0].extend(&solution.pre_interactions, || Action::Call);
        calls[1].append(spending);
        if !unwrapped.is_zero() {
            let weth = self.contracts().weth;
            calls[1].push(ballast_adapters::encode::call(weth, &abi::Weth::withdrawCall { amount: unwrapped }), Action::Unwrap);
        }
        calls[2].extend(&solution.post_interactions, || Action::Call);
        calls[2].append(after);
        let gas = gas::estimate(&promises, &calls.each_ref().map(|c| c.actions.as_slice()));
        let actions = calls.each_mut().map(|c| std::mem::take(&mut c.actions));
        let call = abi::GPv2Settlement::settleCall {
            tokens: prices.tokens,
            clearingPrices: prices.prices,
            trades,
            interactions: calls.map(|c| c.calls.into_iter().map(interaction).collect()),
        };
        Ok(Settlement {
            solution: solution.id,
            target: self.contracts().settlement,
            calldata: call.abi_encode().into(),
            trades: promises,
            actions,
            gas,
            spending: approvals,
            buffers: buffers.0.into_iter().filter(|(_, change)| !change.is_zero()).collect(),
        })
    }
}

fn interaction(call: Call) -> abi::Interaction {
    abi::Interaction { target: call.target, value: call.value, callData: call.call_data }
}

/// Calls, and what each is for.
#[derive(Debug, Default)]
struct Calls {
    calls: Vec<Call>,
    actions: Vec<Action>,
}

impl Calls {
    fn push(&mut self, call: Call, action: Action) {
        self.calls.push(call);
        self.actions.push(action);
    }

    fn extend(&mut self, calls: &[Call], action: impl Fn() -> Action) {
        for call in calls {
            self.push(call.clone(), action());
        }
    }

    fn append(&mut self, mut other: Self) {
        self.calls.append(&mut other.calls);
        self.actions.append(&mut other.actions);
    }
}

/// The tokens of the call, each with its price.
struct Prices {
    tokens: Vec<Address>,
    prices: Vec<U256>,
    index: FxHashMap<Address, usize>,
}

impl Prices {
    fn uniform(solution: &Solution) -> Self {
        let tokens: Vec<Address> = solution.prices.keys().copied().collect();
        let index = tokens.iter().enumerate().map(|(k, token)| (*token, k)).collect();
        Self { tokens, prices: solution.prices.values().map(|p| p.0).collect(), index }
    }

    /// Whether uniform prices alone, without the atom that rounding adds for the trader, are worse than an order's limit. The contract would
    /// refuse the trade.
    fn miss_limit(&self, order: &wire::Order) -> bool {
        let price = |token| self.index.get(token).and_then(|k| self.prices.get(*k)).copied().unwrap_or_default();
        let (sell, buy) = (price(&order.sell_token), price(&order.buy_token));
        !at_least(order.full_sell_amount, sell, order.full_buy_amount, buy)
    }

    /// The places of a trade's two tokens: with prices of its own if it has any.
    fn of(&mut self, sell: Address, buy: Address, own: Option<(U256, U256)>) -> Result<(usize, usize), EncodeError> {
        if let Some((sell_price, buy_price)) = own {
            let at = self.tokens.len();
            self.tokens.extend([sell, buy]);
            self.prices.extend([sell_price, buy_price]);
            return Ok((at, at + 1));
        }
        match (self.index.get(&sell), self.index.get(&buy)) {
            (Some(sell), Some(buy)) => Ok((*sell, *buy)),
            _ => Err(EncodeError::Unsupported("a trade without prices")),
        }
    }
}

/// Changes of the settlement contract's balances.
#[derive(Debug, Default)]
struct Buffers(BTreeMap<Address, I256>);

impl Buffers {
    fn add(&mut self, token: Address, amount: U256) -> Result<(), EncodeError> {
        self.change(token, I256::try_from(amount).ok())
    }

    fn take(&mut self, token: Address, amount: U256) -> Result<(), EncodeError> {
        self.change(token, I256::try_from(amount).ok().and_then(I256::checked_neg))
    }

    fn change(&mut self, token: Address, by: Option<I256>) -> Result<(), EncodeError> {
        let held = self.0.entry(token).or_default();
        *held = by.and_then(|by| held.checked_add(by)).ok_or(EncodeError::Overflow)?;
        Ok(())
    }
}
