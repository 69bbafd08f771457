//! An auction as the engine sees it: checked, dense, exact. Built once from the wire.

mod drops;
mod jit;
mod order;
mod pool;

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use ballast_routing::Token;
use ballast_wire as wire;
use rustc_hash::{FxHashMap, FxHashSet};

pub use drops::{Drop, Drops, Subject};
pub use jit::Jit;
pub use order::{Order, OrderError};
pub use pool::Pool;

use crate::jit::Offer;

/// What is shown of a token's symbol: whoever deploys a token chooses it.
const MAX_SYMBOL: usize = 16;

/// A token of the auction.
#[derive(Debug, Clone)]
pub struct TokenInfo {
    /// The contract.
    pub address: Address,
    /// Atoms of a whole token are 10^decimals, where known.
    pub decimals: Option<u8>,
    /// A name for people, where known.
    pub symbol: Option<String>,
    /// Wei for 10¹⁸ atoms, where the driver gave one above zero.
    pub reference_price: Option<U256>,
    /// Atoms that the settlement contract holds.
    pub available_balance: U256,
    /// Whether the settlement contract may be left with it.
    pub trusted: bool,
}

impl TokenInfo {
    /// The symbol, fit for a terminal, or the start of the address.
    pub fn name(&self) -> String {
        let plain = |symbol: &String| symbol.chars().filter(|c| !c.is_control()).take(MAX_SYMBOL).collect::<String>();
        self.symbol.as_ref().map(plain).filter(|s| !s.is_empty()).unwrap_or_else(|| short(&self.address.to_string()))
    }
}

/// The first ten characters of a long name.
pub fn short(name: &str) -> String {
    name.chars().take(10).collect()
}

/// A checked auction.
#[derive(Debug, Clone)]
pub struct Auction {
    /// The driver's number for it; `None` for a quote.
    pub id: Option<String>,
    /// Tokens by dense index.
    pub tokens: Vec<TokenInfo>,
    /// Dense indices by address.
    pub index: FxHashMap<Address, Token>,
    /// What traders want.
    pub orders: Vec<Order>,
    /// Owners whose orders are scored even where they come with the solution.
    pub surplus_capturing_owners: FxHashSet<Address>,
    /// Unix seconds by which it is to be answered, where that could be read; orders that are void by then cannot be filled.
    pub deadline: Option<u64>,
    /// What may be swapped with.
    pub pools: Vec<Pool>,
    /// Wei for a unit of gas.
    pub gas_price: U256,
    /// A token whose worth is known without a reference price, in thousandths of the native token for an atom: prices are found from
    /// there too.
    pub anchor: Option<(Token, f64)>,
    /// Whether each order is to be settled by itself.
    pub alone: bool,
    /// What was left out, and why.
    pub drops: Drops,
    /// Places of orders that are judged by more than their price.
    entered: FxHashMap<usize, U256>,
    /// Places of the orders and the pools by name.
    orders_by_uid: FxHashMap<wire::OrderUid, usize>,
    pools_by_id: FxHashMap<String, usize>,
}

impl Auction {
    /// Reads an auction off the wire. `uses` says which kinds of liquidity are wanted. Orders and pools that are malformed are
    /// left out and named in [`Self::drops`].
    pub fn new(request: &wire::Auction, uses: impl Fn(&wire::LiquidityKind) -> bool) -> Self {
        let mut auction = Self {
            id: request.id.clone(),
            tokens: Vec::with_capacity(request.tokens.len()),
            index: FxHashMap::default(),
            orders: Vec::with_capacity(request.orders.len()),
            surplus_capturing_owners: request.surplus_capturing_jit_order_owners.iter().copied().collect(),
            deadline: unix(&request.deadline),
            pools: Vec::with_capacity(request.liquidity.len()),
            gas_price: request.effective_gas_price,
            anchor: None,
            alone: false,
            drops: Drops::default(),
            entered: FxHashMap::default(),
            orders_by_uid: FxHashMap::default(),
            pools_by_id: FxHashMap::default(),
        };
        for (&address, token) in &request.tokens {
            auction.add_token(address, Some(token));
        }
        let mut names = BTreeMap::<&str, ()>::new();
        for item in &request.liquidity {
            match item {
                Err(malformed) => auction.drops.add(Subject::Pool, malformed.name.clone(), "malformed", &malformed.to_string()),
                Ok(liquidity) if !uses(&liquidity.kind) => {
                    auction.drops.add(Subject::Pool, Some(liquidity.id.clone()), "venue not selected", "");
                }
                Ok(liquidity) if names.insert(&liquidity.id, ()).is_some() => {
                    auction.drops.add(Subject::Pool, Some(liquidity.id.clone()), "duplicate id", "");
                }
                Ok(liquidity) => match Pool::read(liquidity, |address| auction.add_token(address, None)) {
                    Ok(pool) => auction.pools.push(pool),
                    Err(error) => {
                        auction.drops.add(Subject::Pool, Some(liquidity.id.clone()), error.reason(), &error.to_string())
                    }
                },
            }
        }
        let mut uids = BTreeMap::<wire::OrderUid, ()>::new();
        for item in &request.orders {
            match item {
                Err(malformed) => auction.drops.add(Subject::Order, malformed.name.clone(), "malformed", &malformed.to_string()),
                Ok(order) if uids.insert(order.uid, ()).is_some() => {
                    auction.drops.add(Subject::Order, Some(order.uid.to_string()), "duplicate uid", "");
                }
                Ok(order) => match Order::read(order, |address| auction.add_token(address, None)) {
                    Ok(order) => auction.orders.push(order),
                    Err(error) => {
                        auction.drops.add(Subject::Order, Some(order.uid.to_string()), error.reason(), &error.to_string())
                    }
                },
            }
        }
        auction.pools_by_id = auction.pools.iter().enumerate().map(|(k, pool)| (pool.id.clone(), k)).collect();
        auction.orders_by_uid = auction.orders.iter().enumerate().map(|(k, order)| (order.uid, k)).collect();
        auction
    }

    /// The place of an order among [`Self::orders`].
    pub fn order(&self, uid: &wire::OrderUid) -> Option<usize> {
        let known = self.orders_by_uid.get(uid).copied().filter(|&k| self.orders.get(k).is_some_and(|order| order.uid == *uid));
        // Orders may have been taken out since they were counted.
        known.or_else(|| self.orders.iter().position(|order| order.uid == *uid))
    }

    /// The place of a pool among [`Self::pools`].
    pub fn pool(&self, id: &str) -> Option<usize> {
        let known = self.pools_by_id.get(id).copied().filter(|&k| self.pools.get(k).is_some_and(|pool| pool.id == id));
        known.or_else(|| self.pools.iter().position(|pool| pool.id == id))
    }

    /// Adds an order to those of the auction, and says its place: one of a vault, say, which is judged by the intent behind it and
    /// need not do better in a batch than elsewhere. `hoped` are the atoms that are hoped for all of it, beyond what its limit asks.
    ///
    /// # Errors
    /// When it cannot be solved for.
    pub fn enter(&mut self, order: &wire::Order, hoped: U256) -> Result<usize, OrderError> {
        let order = Order::read(order, |address| self.add_token(address, None))?;
        let place = self.orders.len();
        self.orders.push(order);
        self.entered.insert(place, hoped);
        Ok(place)
    }

    /// Whether an order claims of a batch more than it could have elsewhere.
    pub fn claims(&self, order: usize) -> bool {
        !self.entered.contains_key(&order)
    }

    /// Atoms that are hoped for all of an order that was [`entered`](Self::enter).
    pub fn hoped(&self, order: usize) -> Option<U256> {
        self.entered.get(&order).copied()
    }

    /// Adds orders that come with the solution. A quote asks for the price of one order, and takes none. Those that are malformed,
    /// void or of no use here are left out and named in [`Self::drops`].
    pub fn offer(&mut self, offers: impl IntoIterator<Item = Offer>) {
        if self.id.is_none() {
            return;
        }
        for offer in offers {
            let uid = offer.uid;
            if let Err((reason, detail)) = self.take(offer) {
                self.drops.add(Subject::Order, Some(uid.to_string()), reason, &detail);
            }
        }
    }

    fn take(&mut self, offer: Offer) -> Result<(), (&'static str, String)> {
        let known = |address| self.index.get(address).copied().ok_or(("token not in the auction", format!("{address}")));
        let tokens = [known(&offer.order.sell_token)?, known(&offer.order.buy_token)?];
        if self.deadline.is_some_and(|deadline| u64::from(offer.order.valid_to) < deadline) {
            return Err(("expired", format!("void after {}", offer.order.valid_to)));
        }
        if self.orders.iter().any(|order| order.uid == offer.uid) {
            return Err(("duplicate uid", String::new()));
        }
        let captures_surplus = self.surplus_capturing_owners.contains(&offer.owner);
        let order = Order::offered(offer, tokens, captures_surplus).map_err(|error| (error.reason(), error.to_string()))?;
        self.orders.push(order);
        Ok(())
    }

    /// The place of the order that a trade fills.
    pub fn order_of(&self, trade: &wire::Trade) -> Option<usize> {
        match trade {
            wire::Trade::Fulfillment(trade) => self.order(&trade.order).filter(|&k| self.orders[k].jit.is_none()),
            wire::Trade::Jit(trade) => {
                self.orders.iter().position(|o| o.jit.as_ref().is_some_and(|jit| trade.order == jit.order))
            }
        }
    }

    fn add_token(&mut self, address: Address, token: Option<&wire::Token>) -> Token {
        if let Some(&known) = self.index.get(&address) {
            return known;
        }
        // More than 2³² tokens do not fit a request.
        let index = self.tokens.len() as Token;
        self.tokens.push(TokenInfo {
            address,
            decimals: token.and_then(|t| t.decimals),
            symbol: token.and_then(|t| t.symbol.clone()),
            reference_price: token.and_then(|t| t.reference_price).filter(|p| !p.is_zero()),
            available_balance: token.map(|t| t.available_balance).unwrap_or_default(),
            trusted: token.is_some_and(|t| t.trusted),
        });
        self.index.insert(address, index);
        index
    }

    /// A token's facts.
    pub fn token(&self, token: Token) -> &TokenInfo {
        &self.tokens[token as usize]
    }
}

/// Unix seconds of a moment as the driver writes it.
fn unix(moment: &str) -> Option<u64> {
    let moment = humantime::parse_rfc3339_weak(moment).ok()?;
    moment.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
}
