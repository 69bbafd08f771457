//! The independent check: replays a solution on the auction's own pools and counts every token.
//!
//! It shares the venues with the planner and nothing else, so that one mistake does not pass twice. It asks what the settlement
//! contract and the driver would: each order once and within its fill, limits held at the clearing prices, fees as the class
//! demands and enough for the gas, every swap affordable where it stands and within its promised input, nobody paid with what is
//! not there.

use alloy_primitives::{Address, U256};
use ballast_adapters::{Exact, Market, SwapError, Venue};
use ballast_wire::{Amount, Class, FeePolicy, Interaction, LiquidityInteraction, OrderUid, Side, Solution, Trade};
use rustc_hash::FxHashMap;

use crate::auction::{Auction, Order};
use crate::config::Config;
use crate::wide::{at_least, mul_div, mul_div_up};

/// One order's part in a verified solution; atoms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// The order's place in the auction.
    pub order: usize,
    /// What the trader gives, the fee included.
    pub paid: U256,
    /// What the trader gets.
    pub got: U256,
    /// What of `paid` is the fee.
    pub fee: U256,
    /// What the driver scores it with, in wei.
    pub score: U256,
}

/// A solution that passed. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    solution: Solution,
    fills: Vec<Fill>,
    score: U256,
    gas: u64,
    left: Vec<(Address, U256)>,
}

impl Verified {
    /// What may be sent.
    pub fn solution(&self) -> &Solution {
        &self.solution
    }

    /// Gives the solution away.
    pub fn into_solution(self) -> Solution {
        self.solution
    }

    /// What each order pays and gets.
    pub fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// The sum of the fills' scores, in wei.
    pub fn score(&self) -> U256 {
        self.score
    }

    /// Gas of the settlement by the auction's estimates.
    pub fn gas(&self) -> u64 {
        self.gas
    }

    /// What stays in the settlement beyond the fees, in atoms.
    pub fn left(&self) -> &[(Address, U256)] {
        &self.left
    }
}

/// Why a solution may not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Nothing is traded.
    #[error("trades: none")]
    NoTrades,
    /// An order that the auction does not have, or that was dropped.
    #[error("trades: unknown order {0}")]
    UnknownOrder(OrderUid),
    /// An order that comes with the solution, and that nobody offered for this auction.
    #[error("trades: JIT order selling {sell} for {buy}: not among those offered for this auction")]
    UnknownJitOrder {
        /// What it sells.
        sell: Address,
        /// What it buys.
        buy: Address,
    },
    /// An order filled twice.
    #[error("trades: order {0} twice")]
    OrderTwice(OrderUid),
    /// A price that is absent or zero.
    #[error("prices: none for {0}")]
    MissingPrice(Address),
    /// A bought token without a reference price scores nothing, and the driver drops the solution.
    #[error("tokens: {0} has no reference price, so the trade cannot be scored")]
    Unscored(Address),
    /// A limit order without a fee, or a market order with one.
    #[error("trades: order {0}: limit orders must state a fee, market orders must not")]
    FeeField(OrderUid),
    /// More than the order has, or less where it must be filled whole.
    #[error("trades: order {order}: executes {executed} of {whole}")]
    BadFill {
        /// The order.
        order: OrderUid,
        /// Atoms executed, the fee included for sell orders.
        executed: U256,
        /// Atoms ordered.
        whole: U256,
    },
    /// Worse than the order's limit.
    #[error("trades: order {order}: pays {paid} for {got}, worse than its limit")]
    LimitPrice {
        /// The order.
        order: OrderUid,
        /// Atoms paid, the fee included.
        paid: U256,
        /// Atoms received.
        got: U256,
    },
    /// A pool that the auction does not have, or that was dropped.
    #[error("interactions: unknown liquidity {0}")]
    UnknownLiquidity(String),
    /// The pool does not hold the token.
    #[error("interactions: liquidity {0} does not hold {1}")]
    UnknownCoin(String, Address),
    /// The venue would revert.
    #[error("interactions: liquidity {0}: {1}")]
    Swap(String, SwapError),
    /// The venue asks for more than was promised.
    #[error("interactions: liquidity {id} asks for {cost} where {promised} was promised")]
    Overdrawn {
        /// The pool.
        id: String,
        /// Atoms it asks for.
        cost: U256,
        /// Atoms promised.
        promised: U256,
    },
    /// A swap left to the settlement's own balance, which must not take the input or does not hold the output.
    #[error("interactions: liquidity {0} cannot be internalised: untrusted input, or too little of the output")]
    Internalized(String),
    /// The settlement would have to pay with what it does not have.
    #[error("token {token}: short by {missing}")]
    Short {
        /// The token.
        token: Address,
        /// Atoms missing.
        missing: U256,
    },
    /// The fees do not pay for the gas.
    #[error("fees of {fees} wei do not pay for gas of {gas} wei")]
    Underfunded {
        /// Wei.
        fees: U256,
        /// Wei.
        gas: U256,
    },
    /// The protocol's part is not in the fee.
    #[error("trades: order {order}: the fee is {fee}, and {protocol} of it is due to the protocol")]
    ProtocolFee {
        /// The order.
        order: OrderUid,
        /// Atoms taken.
        fee: U256,
        /// Atoms due.
        protocol: U256,
    },
    /// Something that cannot be checked here.
    #[error("{0} cannot be verified")]
    Unsupported(&'static str),
    /// A number beyond 256 bits.
    #[error("arithmetic overflow")]
    Overflow,
}

/// Of a fee in a solution with several trades one part in so many may go into rounding: the contract rounds every payment up, and
/// orders that are matched with each other leave nothing else over.
pub const ROUNDING_PARTS: u64 = 1_000;

/// Checks a solution against its auction.
///
/// # Errors
/// The first reason not to send it.
pub fn verify(auction: &Auction, config: &Config, solution: Solution) -> Result<Verified, Violation> {
    let mut check = Check {
        auction,
        balances: FxHashMap::default(),
        payouts: Vec::new(),
        own: FxHashMap::default(),
        fees: U256::ZERO,
        fee_free: true,
    };
    let mut fills = Vec::with_capacity(solution.trades.len());
    for trade in &solution.trades {
        let fill = check.trade(&solution, trade)?;
        if fills.iter().any(|f: &Fill| f.order == fill.order) {
            return Err(Violation::OrderTwice(auction.orders[fill.order].uid));
        }
        fills.push(fill);
    }
    if fills.is_empty() {
        return Err(Violation::NoTrades);
    }
    if !solution.pre_interactions.is_empty() || !solution.post_interactions.is_empty() {
        return Err(Violation::Unsupported("a call outside of the swaps"));
    }
    let gas = check.swaps(&solution, config)?;
    let score = fills.iter().try_fold(U256::ZERO, |sum, f| sum.checked_add(f.score)).ok_or(Violation::Overflow)?;
    let left = check.settle(gas)?;
    Ok(Verified { solution, fills, score, gas, left })
}

struct Check<'a> {
    auction: &'a Auction,
    balances: FxHashMap<Address, U256>,
    payouts: Vec<(Address, U256)>,
    /// What is taken of the settlement's own balance.
    own: FxHashMap<Address, U256>,
    /// Wei.
    fees: U256,
    /// Whether no order of the solution carries a fee of ours.
    fee_free: bool,
}

impl Check<'_> {
    fn trade(&mut self, solution: &Solution, trade: &Trade) -> Result<Fill, Violation> {
        let index = self.auction.order_of(trade).ok_or(match trade {
            Trade::Fulfillment(trade) => Violation::UnknownOrder(trade.order),
            Trade::Jit(trade) => Violation::UnknownJitOrder { sell: trade.order.sell_token, buy: trade.order.buy_token },
        })?;
        let order = &self.auction.orders[index];
        let uid = order.uid;
        let (executed, fee) = match trade {
            Trade::Fulfillment(trade) => (trade.executed_amount.0, trade.fee),
            // The driver takes none for nothing.
            Trade::Jit(trade) => (trade.executed_amount.0, Some(trade.fee.unwrap_or(Amount(U256::ZERO)))),
        };
        let (sell, buy) = (self.auction.token(order.sell), self.auction.token(order.buy));
        let (price_sell, price_buy) = (price(solution, &sell.address)?, price(solution, &buy.address)?);
        let fee = match (order.class, fee) {
            (Class::Limit, Some(fee)) => fee.0,
            (Class::Market, None) => U256::ZERO,
            _ => return Err(Violation::FeeField(uid)),
        };
        let overflow = Violation::Overflow;
        let (paid, got, filled, whole) = match order.side {
            Side::Sell => {
                let paid = executed.checked_add(fee).ok_or(overflow)?;
                (paid, mul_div_up(executed, price_sell, price_buy).ok_or(Violation::Overflow)?, paid, order.sell_amount)
            }
            Side::Buy => {
                let charged = mul_div(executed, price_buy, price_sell).ok_or(Violation::Overflow)?;
                (charged.checked_add(fee).ok_or(overflow)?, executed, executed, order.buy_amount)
            }
        };
        if filled.is_zero() || filled > whole || (!order.partial && filled != whole) || paid > order.sell_amount {
            return Err(Violation::BadFill { order: uid, executed: filled, whole });
        }
        if !at_least(got, order.sell_amount, paid, order.buy_amount) {
            return Err(Violation::LimitPrice { order: uid, paid, got });
        }
        // A quote is not scored, and its tokens have no reference prices.
        let scored_by = match buy.reference_price {
            _ if self.auction.id.is_none() || !order.is_scored() => U256::ZERO,
            price => price.ok_or(Violation::Unscored(buy.address))?,
        };
        let score = score(order, paid, got, scored_by).ok_or(Violation::Overflow)?;
        let protocol = protocol_fee(order, paid, got, fee, [price_sell, price_buy]).ok_or(Violation::Overflow)?;
        let several = solution.trades.len() > 1;
        let rounding = if several { fee / U256::from(ROUNDING_PARTS) } else { U256::ZERO };
        let kept = fee.checked_sub(protocol).ok_or(Violation::ProtocolFee { order: uid, fee, protocol })?;
        let kept = kept.saturating_sub(rounding);
        match order.class {
            Class::Market => {}
            Class::Limit => {
                self.fee_free = false;
                // A token that only the graph prices cannot be checked against the driver's own formula.
                if let Some(price) = sell.reference_price {
                    let wei = mul_div(kept, price, U256::from(10).pow(U256::from(18))).ok_or(Violation::Overflow)?;
                    self.fees = self.fees.saturating_add(wei);
                } else {
                    self.fees = U256::MAX;
                }
            }
        }
        let held = self.balances.entry(sell.address).or_default();
        *held = held.checked_add(paid).ok_or(Violation::Overflow)?;
        // What the protocol takes of a seller is left in the bought token: at the clearing price that much less is paid out.
        let left = if order.side == Side::Sell && !order.fee_policies.is_empty() { U256::ZERO } else { fee - rounding };
        self.payouts.push((sell.address, left));
        self.payouts.push((buy.address, got));
        Ok(Fill { order: index, paid, got, fee, score })
    }

    fn swaps(&mut self, solution: &Solution, config: &Config) -> Result<u64, Violation> {
        let further = (solution.trades.len() as u64).saturating_sub(1);
        let mut gas = config.settlement_gas.saturating_add(config.trade_gas.saturating_mul(further));
        let mut markets: FxHashMap<&str, Market> = FxHashMap::default();
        for interaction in &solution.interactions {
            let Interaction::Liquidity(swap) = interaction else { return Err(Violation::Unsupported("a custom interaction")) };
            if swap.internalize {
                self.stands_in(swap)?;
            }
            gas = gas.checked_add(self.swap(swap, &mut markets)?).ok_or(Violation::Overflow)?;
        }
        Ok(gas)
    }

    fn swap<'s>(&mut self, swap: &'s LiquidityInteraction, markets: &mut FxHashMap<&'s str, Market>) -> Result<u64, Violation> {
        let pool = self.auction.pool(&swap.id).ok_or_else(|| Violation::UnknownLiquidity(swap.id.clone()))?;
        let pool = &self.auction.pools[pool];
        let market = markets.entry(&swap.id).or_insert_with(|| pool.market.clone());
        let coin = |market: &Market, token: &Address| {
            market.tokens().iter().position(|t| t == token).ok_or_else(|| Violation::UnknownCoin(swap.id.clone(), *token))
        };
        let (i, o) = (coin(market, &swap.input_token)?, coin(market, &swap.output_token)?);
        let done = market.apply(i, o, Exact::Output(swap.output_amount.0)).map_err(|e| Violation::Swap(swap.id.clone(), e))?;
        if done.amount_in > swap.input_amount.0 {
            return Err(Violation::Overdrawn { id: swap.id.clone(), cost: done.amount_in, promised: swap.input_amount.0 });
        }
        self.take(swap.input_token, done.amount_in)?;
        let held = self.balances.entry(swap.output_token).or_default();
        *held = held.checked_add(done.amount_out).ok_or(Violation::Overflow)?;
        Ok(pool.gas)
    }

    /// Whether the settlement's own balance may stand in for a swap. It has to be possible as a swap all the same.
    fn stands_in(&mut self, swap: &LiquidityInteraction) -> Result<(), Violation> {
        let of = |address| self.auction.index.get(address).map(|&token| self.auction.token(token));
        let refused = || Violation::Internalized(swap.id.clone());
        let (input, output) = of(&swap.input_token).zip(of(&swap.output_token)).ok_or_else(refused)?;
        let used = self.own.entry(swap.output_token).or_default();
        *used = used.saturating_add(swap.output_amount.0);
        if input.trusted && *used <= output.available_balance { Ok(()) } else { Err(refused()) }
    }

    fn take(&mut self, token: Address, amount: U256) -> Result<(), Violation> {
        let held = self.balances.entry(token).or_default();
        let short = Violation::Short { token, missing: amount.saturating_sub(*held) };
        *held = held.checked_sub(amount).ok_or(short)?;
        Ok(())
    }

    /// Pays everyone, and looks whether the fees pay for the gas.
    fn settle(mut self, gas: u64) -> Result<Vec<(Address, U256)>, Violation> {
        for (token, amount) in std::mem::take(&mut self.payouts) {
            self.take(token, amount)?;
        }
        let gas = self.auction.gas_price.checked_mul(U256::from(gas)).ok_or(Violation::Overflow)?;
        // A wei may be lost to rounding in turning the fee back into wei.
        if !self.fee_free && self.fees.saturating_add(U256::ONE) < gas {
            return Err(Violation::Underfunded { fees: self.fees, gas });
        }
        let mut left: Vec<(Address, U256)> = self.balances.into_iter().filter(|(_, amount)| !amount.is_zero()).collect();
        left.sort_unstable();
        Ok(left)
    }
}

fn price(solution: &Solution, token: &Address) -> Result<U256, Violation> {
    solution.prices.get(token).map(|p| p.0).filter(|p| !p.is_zero()).ok_or(Violation::MissingPrice(*token))
}

/// What of a fee the order's policies call for at the least, from the outcome: the surplus that is left is the part 1 − factor of what
/// was there before the protocol took its own.
fn protocol_fee(order: &Order, paid: U256, got: U256, fee: U256, [price_sell, price_buy]: [U256; 2]) -> Option<U256> {
    let mut most = U256::ZERO;
    if order.class == Class::Market {
        return Some(most);
    }
    // An atom may be lost to rounding.
    let less = |a: U256, b: U256| a.saturating_sub(b).saturating_sub(U256::ONE);
    // In billionths, rounded down: amount·factor, and amount·factor/(1 − factor).
    let (one, part) = (U256::from(1e9), |factor: f64| U256::from((factor * 1e9).floor()));
    let share = |amount: U256, factor: f64| mul_div(amount, part(factor), one);
    let share_of_rest = |amount: U256, factor: f64| mul_div(amount, part(factor), one.saturating_sub(part(factor)));
    for policy in &order.fee_policies {
        let volume = |factor: f64| match order.side {
            Side::Sell => share(paid.checked_sub(fee)?, factor),
            Side::Buy => share_of_rest(mul_div(got, price_buy, price_sell)?, factor),
        };
        let surplus = |sell: U256, buy: U256, factor: f64| {
            let left = match order.side {
                Side::Sell => mul_div(less(got, mul_div_up(paid, buy, sell)?), price_buy, price_sell)?,
                Side::Buy => less(mul_div(got, sell, buy)?, paid),
            };
            share_of_rest(left, factor)
        };
        let (sell, buy) = (order.sell_amount, order.buy_amount);
        most = most.max(match policy {
            FeePolicy::Volume { factor } => volume(*factor)?,
            FeePolicy::Surplus { factor, max_volume_factor } => surplus(sell, buy, *factor)?.min(volume(*max_volume_factor)?),
            FeePolicy::PriceImprovement { factor, max_volume_factor, quote } => {
                let (sell, buy) = match order.side {
                    Side::Sell => {
                        let after_fee =
                            quote.buy_amount.saturating_sub(mul_div_up(quote.fee, quote.buy_amount, quote.sell_amount)?);
                        (sell, buy.max(mul_div_up(after_fee, sell, quote.sell_amount)?))
                    }
                    Side::Buy => (sell.min(mul_div(quote.sell_amount.checked_add(quote.fee)?, buy, quote.buy_amount)?), buy),
                };
                surplus(sell, buy, *factor)?.min(volume(*max_volume_factor)?)
            }
        });
    }
    Some(most)
}

/// The score that the driver gives a fill, in wei: the surplus at the bought token's price.
///
/// Sell: got − ⌈paid·buyAmount/sellAmount⌉. Buy: ⌊got·sellAmount/buyAmount⌋ − paid, turned into the bought token at the limit.
fn score(order: &Order, paid: U256, got: U256, price: U256) -> Option<U256> {
    let surplus = match order.side {
        Side::Sell => got.checked_sub(mul_div_up(paid, order.buy_amount, order.sell_amount)?)?,
        Side::Buy => {
            let spared = mul_div(got, order.sell_amount, order.buy_amount)?.saturating_sub(paid);
            mul_div(spared, order.buy_amount, order.sell_amount)?
        }
    };
    mul_div(surplus, price, U256::from(10).pow(U256::from(18)))
}
