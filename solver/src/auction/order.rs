use alloy_primitives::{Address, U256};
use ballast_routing::Token;
use ballast_wire::{self as wire, Class, OrderUid, Side};

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
}

/// Why an order cannot be solved for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// Nothing to sell or nothing to buy.
    #[error("{0}: zero")]
    ZeroAmount(&'static str),
    /// Sells what it buys: there is nothing to route.
    #[error("buyToken: {0}, the same as sellToken; nothing to route")]
    SameToken(Address),
    /// An amount beyond what any contract can move.
    #[error("{0}: beyond 2^160")]
    TooLarge(&'static str),
}

impl OrderError {
    /// Words that group.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ZeroAmount(_) => "zero amount",
            Self::SameToken(_) => "sells what it buys",
            Self::TooLarge(_) => "amount too large",
        }
    }
}

impl Order {
    pub(super) fn read(order: &wire::Order, mut token: impl FnMut(Address) -> Token) -> Result<Self, OrderError> {
        if order.sell_token == order.buy_token {
            return Err(OrderError::SameToken(order.sell_token));
        }
        for (field, amount) in [("sellAmount", order.sell_amount), ("buyAmount", order.buy_amount)] {
            if amount.is_zero() {
                return Err(OrderError::ZeroAmount(field));
            }
            if amount.bit_len() > 160 {
                return Err(OrderError::TooLarge(field));
            }
        }
        Ok(Self {
            uid: order.uid,
            sell: token(order.sell_token),
            buy: token(order.buy_token),
            sell_amount: order.sell_amount,
            buy_amount: order.buy_amount,
            side: order.kind,
            class: order.class,
            partial: order.partially_fillable,
            wrappers: order.wrappers.iter().filter(|w| !w.is_omittable).cloned().collect(),
        })
    }
}
