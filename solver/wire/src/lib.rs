//! Wire types: the CoW solver-engine API as the driver speaks it, and [rebalancing intents](intent).
//!
//! Plain data: what a field means is said here, what to do with it is not. The engine turns an [`Auction`] into
//! its own types once; nothing downstream sees these.
//!
//! Reading is strict about each field and lenient about the whole: an order or a pool that does not parse becomes a
//! [`Malformed`] entry that names the field, and the rest of the auction stands. Fields this version does not know are ignored. An intent, which is signed, is read strictly.
//!
//! ```
//! let auction = ballast_wire::Auction::from_json(br#"{
//!     "id": "1", "tokens": {}, "orders": [{"uid": "0x12"}], "liquidity": [],
//!     "effectiveGasPrice": "15000000000", "deadline": "2026-01-01T00:00:00Z", "surplusCapturingJitOrderOwners": []
//! }"#).unwrap();
//! let malformed = auction.orders[0].as_ref().unwrap_err();
//! assert!(malformed.to_string().contains("uid"));
//! ```

mod auction;
pub mod intent;
mod item;
mod liquidity;
mod notification;
pub mod number;
#[cfg(feature = "openapi")]
pub mod openapi;
mod solution;

pub use auction::{Auction, Call, Class, FeePolicy, FlashloanHint, Order, OrderUid, PriceImprovementQuote, Side, Token, Wrapper};
pub use item::{Item, Malformed, RequestError};
pub use liquidity::{
    ConcentratedLiquidity, ConstantProduct, LimitOrder, Liquidity, LiquidityKind, Reserve, ScaledReserve, Stable,
    WeightedProduct, WeightedReserve, WeightedVersion,
};
pub use notification::{Notification, SolutionIds};
pub use number::{Bps, Decimal, DecimalError};
pub use solution::{
    Allowance, Amount, Asset, CustomInteraction, Flashloan, Fulfillment, Interaction, JitOrder, JitTrade, LiquidityInteraction,
    Reply, ReplyError, Solution, Trade,
};
