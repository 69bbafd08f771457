use alloy_primitives::{Address, U256};
use ballast_routing::Token;
use ballast_wire::{self as wire, Class, OrderUid, Side};

use super::Jit;
use crate::jit::Offer;

/// A checked order.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its name.
    pub uid: OrderUid,
    /// What is given.
    pub sell: Token,
    /// What is taken.
    pub buy: Token,
    /// Atoms that may be given, at the most.
    pub sell_amount: U256,
    /// Atoms wanted for all of `sell_amount`.
    pub buy_amount: U256,
    /// Which of the two is exact.
    pub side: Side,
    /// Who sets the fee.
    pub class: Class,
    /// Whether less than the whole may be filled.
    pub partial: bool,
    /// Contracts that the settlement is to be wrapped in.
    pub wrappers: Vec<wire::Wrapper>,
    /// What the protocol takes of it, where the engine is to see to that.
    pub fee_policies: Vec<wire::FeePolicy>,
    /// What the reply says of it, if it comes with the solution.
    pub jit: Option<Box<Jit>>,
}

/// Why an order cannot be solved for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// Nothing to sell or nothing to buy.
    #[error("{0}: zero")]
    ZeroAmount(&'static str),
    /// The driver takes no solution with both.
    #[error("wrappers: one that is needed, and a flashloan as well")]
    WrapperAndFlashloan,
    /// A policy that takes all of the order, or less than nothing.
    #[error("feePolicies: a factor that is not from 0 to below 1, or an empty quote")]
    FeePolicy,
    /// An amount beyond what any contract can move.
    #[error("{0}: beyond 2^160")]
    TooLarge(&'static str),
}

impl OrderError {
    /// Words that group.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ZeroAmount(_) => "zero amount",
            Self::WrapperAndFlashloan => "wrapper and flashloan",
            Self::FeePolicy => "fee policy",
            Self::TooLarge(_) => "amount too large",
        }
    }
}

impl Order {
    pub(super) fn read(order: &wire::Order, mut token: impl FnMut(Address) -> Token) -> Result<Self, OrderError> {
        let wrappers: Vec<_> = order.wrappers.iter().filter(|w| !w.is_omittable).cloned().collect();
        if !wrappers.is_empty() && order.flashloan_hint.is_some() {
            return Err(OrderError::WrapperAndFlashloan);
        }
        if !order.fee_policies.iter().flatten().all(sane) {
            return Err(OrderError::FeePolicy);
        }
        check_amounts(order.sell_amount, order.buy_amount)?;
        Ok(Self {
            uid: order.uid,
            sell: token(order.sell_token),
            buy: token(order.buy_token),
            sell_amount: order.sell_amount,
            buy_amount: order.buy_amount,
            side: order.kind,
            class: order.class,
            partial: order.partially_fillable,
            wrappers,
            fee_policies: order.fee_policies.clone().unwrap_or_default(),
            jit: None,
        })
    }

    /// An order that comes with the solution. The fee is the engine's to take, as with limit orders.
    pub(super) fn offered(offer: Offer, [sell, buy]: [Token; 2], captures_surplus: bool) -> Result<Self, OrderError> {
        let Offer { uid, owner, order } = offer;
        check_amounts(order.sell_amount.0, order.buy_amount.0)?;
        Ok(Self {
            uid,
            sell,
            buy,
            sell_amount: order.sell_amount.0,
            buy_amount: order.buy_amount.0,
            side: order.kind,
            class: Class::Limit,
            partial: order.partially_fillable,
            wrappers: Vec::new(),
            fee_policies: Vec::new(),
            jit: Some(Box::new(Jit { order, owner, captures_surplus })),
        })
    }

    /// Whether the driver scores its surplus.
    pub fn is_scored(&self) -> bool {
        self.jit.as_ref().is_none_or(|jit| jit.captures_surplus)
    }
}

fn check_amounts(sell: U256, buy: U256) -> Result<(), OrderError> {
    for (field, amount) in [("sellAmount", sell), ("buyAmount", buy)] {
        if amount.is_zero() {
            return Err(OrderError::ZeroAmount(field));
        }
        if amount.bit_len() > 160 {
            return Err(OrderError::TooLarge(field));
        }
    }
    Ok(())
}

fn sane(policy: &wire::FeePolicy) -> bool {
    let (factors, quoted) = match policy {
        wire::FeePolicy::Surplus { factor, max_volume_factor } => ([*factor, *max_volume_factor], true),
        wire::FeePolicy::PriceImprovement { factor, max_volume_factor, quote } => {
            ([*factor, *max_volume_factor], !quote.sell_amount.is_zero() && !quote.buy_amount.is_zero())
        }
        wire::FeePolicy::Volume { factor } => ([*factor; 2], true),
    };
    quoted && factors.iter().all(|factor| (0.0..1.0).contains(factor))
}
