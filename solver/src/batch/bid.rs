//! A plan as a bid: clearing prices, trades, interactions, and its worth.

use std::collections::BTreeMap;

use alloy_primitives::U256;
use ballast_routing::Token;
use ballast_wire::{self as wire, Amount, Class, Fulfillment, Interaction, JitTrade, LiquidityInteraction, Side, Solution};

use super::policy::Trade;
use super::{Joint, Plan, Swap};
use crate::auction::{Auction, Order};

/// A solution before anyone has checked it.
#[derive(Debug, Clone)]
pub struct Bid {
    /// What would be sent.
    pub solution: Solution,
}

impl Bid {
    /// A bid that fills one order by its plan.
    ///
    /// The two prices are the two amounts crosswise, so that the contract's own division is exact: a seller is paid
    /// ⌈sold·bought/sold⌉ = bought, a buyer is charged ⌊bought·sold/bought⌋ = sold. A fee of the protocol, where we are to take it, comes
    /// on top at these prices; `None` where it is more than what is there.
    pub fn single(id: u64, auction: &Auction, order: &Order, plan: &Plan) -> Option<Self> {
        let address = |token| auction.token(token).address;
        let prices = BTreeMap::from([(address(order.sell), Amount(plan.bought)), (address(order.buy), Amount(plan.sold))]);
        let executed = match order.side {
            Side::Sell => plan.sold,
            Side::Buy => plan.bought,
        };
        let (executed, fee) = match order.class {
            Class::Limit => {
                let trade = Trade { executed, fee: plan.fee, price_sell: plan.bought, price_buy: plan.sold }.charged(order)?;
                (trade.executed, Some(trade.fee))
            }
            Class::Market => (executed, None),
        };
        let solution = Solution {
            id,
            prices,
            trades: vec![trade(order, executed, fee)],
            pre_interactions: Vec::new(),
            interactions: interactions(auction, &plan.swaps),
            post_interactions: Vec::new(),
            gas: Some(plan.gas),
            flashloans: None,
            wrappers: order.wrappers.clone(),
        };
        Some(Self { solution })
    }

    /// A bid that fills many orders at uniform prices; `None` where the protocol's fee takes more than what is there.
    pub fn joint(id: u64, auction: &Auction, joint: &Joint) -> Option<Self> {
        let price = |token: Token| joint.prices.iter().find(|p| p.0 == token).map(|p| p.1);
        let mut trades = Vec::with_capacity(joint.fills.len());
        for fill in &joint.fills {
            let order = &auction.orders[fill.order];
            let (price_sell, price_buy) = (price(order.sell)?, price(order.buy)?);
            let charged = Trade { executed: fill.executed, fee: fill.fee, price_sell, price_buy }.charged(order)?;
            trades.push(trade(order, charged.executed, Some(charged.fee)));
        }
        let solution = Solution {
            id,
            prices: joint.prices.iter().map(|&(token, price)| (auction.token(token).address, Amount(price))).collect(),
            trades,
            pre_interactions: Vec::new(),
            interactions: interactions(auction, &joint.swaps),
            post_interactions: Vec::new(),
            gas: Some(joint.gas),
            flashloans: None,
            wrappers: Vec::new(),
        };
        Some(Self { solution })
    }
}

/// Swaps as they are sent.
pub(crate) fn interactions(auction: &Auction, swaps: &[Swap]) -> Vec<Interaction> {
    let address = |token| auction.token(token).address;
    let swap = |swap: &Swap| {
        Interaction::Liquidity(LiquidityInteraction {
            internalize: false,
            id: auction.pools[swap.pool].id.clone(),
            input_token: address(swap.input),
            output_token: address(swap.output),
            input_amount: Amount(swap.amount_in),
            output_amount: Amount(swap.amount_out),
        })
    };
    swaps.iter().map(swap).collect()
}

/// What the reply says of a fill: which order, or all of it where it comes with the solution. `executed` is without the fee.
pub(super) fn trade(order: &Order, executed: U256, fee: Option<U256>) -> wire::Trade {
    let (executed_amount, fee) = (Amount(executed), fee.map(Amount));
    match &order.jit {
        None => wire::Trade::Fulfillment(Fulfillment { order: order.uid, executed_amount, fee }),
        Some(jit) => wire::Trade::Jit(Box::new(JitTrade { executed_amount, fee, order: jit.order.clone() })),
    }
}
