use std::fmt;

use alloy_primitives::{Address, B256, Bytes};
use ballast_wire::{Amount, OrderUid};
use serde::{Deserialize, Serialize};

/// Where an intent stands, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Taken in, not looked at yet.
    Accepted,
    /// Watched: not to be settled now.
    Waiting,
    /// To be settled.
    Triggered,
    /// There is a plan.
    Solved,
    /// Its transaction is on its way, or not deep enough in the chain yet.
    Submitted,
    /// Its orders are at an order book.
    Ordered,
    /// Taken back by its owner, but for orders of it that may still be filled.
    Cancelling,
    /// Done.
    Settled,
    /// An attempt has failed; there will be another.
    Failed,
    /// What keeps it from being settled will not go by itself: left alone until the vault or its prices are others.
    Parked,
    /// Taken back by its owner.
    Cancelled,
    /// No longer valid.
    Expired,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Accepted,
        Self::Waiting,
        Self::Triggered,
        Self::Solved,
        Self::Submitted,
        Self::Ordered,
        Self::Cancelling,
        Self::Settled,
        Self::Failed,
        Self::Parked,
        Self::Cancelled,
        Self::Expired,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Waiting => "waiting",
            Self::Triggered => "triggered",
            Self::Solved => "solved",
            Self::Submitted => "submitted",
            Self::Ordered => "ordered",
            Self::Cancelling => "cancelling",
            Self::Settled => "settled",
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether nothing comes after it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Cancelled | Self::Expired)
    }

    /// Whether `next` may come after it.
    ///
    /// An intent that is submitted or ordered does not expire: what is on its way may still arrive. Nor is one that is ordered cancelled at once by its
    /// owner: it is cancelling until its orders have ended. Any live one may turn out to be settled, or revoked, on the chain, where anybody may have done it.
    pub const fn leads_to(self, next: Self) -> bool {
        use State::{
            Accepted, Cancelled, Cancelling, Expired, Failed, Ordered, Parked, Settled, Solved, Submitted, Triggered, Waiting,
        };
        match (self, next) {
            (Settled | Cancelled | Expired, _) | (_, Accepted) | (Submitted | Ordered, Expired | Triggered | Solved) => false,
            (Cancelling, to) => matches!(to, Settled | Cancelled),
            (_, Settled | Cancelled | Expired | Waiting | Parked) => true,
            (Accepted | Waiting | Triggered | Solved | Failed | Parked, Triggered) => true,
            (Triggered, Solved | Ordered) | (Solved | Submitted, Submitted) | (Ordered, Ordered | Cancelling) => true,
            (Triggered | Solved | Submitted | Ordered | Failed, Failed) => true,
            _ => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A block of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash, by which a reorganisation is noticed.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub hash: B256,
}

/// A transaction that was made to settle an intent. It is written down before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Its hash.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub transaction: B256,
    /// Who sends it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub sender: Address,
    /// The sender's number for it: of two with the same, one can be mined at most.
    pub account_nonce: u64,
    /// Wei for a unit of gas, at the most.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    #[serde(with = "decimal")]
    pub max_fee_per_gas: u128,
    /// When it was signed, Unix seconds.
    pub signed_at: u64,
    /// The transaction itself, to be sent again as it is.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub raw: Bytes,
    /// Where it was mined, by the last look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
}

/// An order that stands at an order book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// By which it is known, and its owner signs it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub uid: OrderUid,
    /// Atoms that it sells.
    pub sell_amount: Amount,
    /// All of it, as it is posted.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub order: serde_json::Value,
}

impl Status {
    /// For others to see: what is signed and may not be sent yet is left out.
    pub fn shown(mut self) -> Self {
        if let Self::Submitted { attempt, .. } = &mut self {
            attempt.raw = Bytes::new();
        }
        self
    }
}

/// Beyond what JSON has for numbers.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(x: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(x)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Where an intent stands, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum Status {
    /// [`State::Accepted`].
    Accepted,
    /// [`State::Waiting`].
    Waiting {
        /// For what.
        reason: String,
    },
    /// [`State::Triggered`].
    Triggered,
    /// [`State::Solved`].
    Solved {
        /// The settlement that it is, from 0.
        slice: u64,
    },
    /// [`State::Submitted`].
    Submitted {
        /// The settlement that it is, from 0.
        slice: u64,
        /// How it is made.
        attempt: Box<Attempt>,
    },
    /// [`State::Ordered`].
    // Each by itself: the document does not know `rename_all_fields`.
    #[serde(rename_all = "camelCase")]
    Ordered {
        /// What is to be filled.
        orders: Vec<Placed>,
        /// Until when, Unix seconds.
        valid_to: u64,
    },
    /// [`State::Cancelling`].
    #[serde(rename_all = "camelCase")]
    Cancelling {
        /// What may still be filled.
        orders: Vec<Placed>,
        /// Until when, Unix seconds.
        valid_to: u64,
    },
    /// [`State::Settled`].
    Settled {
        /// By what; none if it was somebody else's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        transaction: Option<B256>,
    },
    /// [`State::Failed`].
    #[serde(rename_all = "camelCase")]
    Failed {
        /// Why.
        reason: String,
        /// When it is tried again, Unix seconds.
        retry_at: u64,
        /// How often in a row by now.
        failures: u32,
    },
    /// [`State::Parked`].
    Parked {
        /// Why.
        reason: String,
    },
    /// [`State::Cancelled`].
    Cancelled,
    /// [`State::Expired`].
    Expired,
}

impl Status {
    /// Its name.
    pub const fn state(&self) -> State {
        match self {
            Self::Accepted => State::Accepted,
            Self::Waiting { .. } => State::Waiting,
            Self::Triggered => State::Triggered,
            Self::Solved { .. } => State::Solved,
            Self::Submitted { .. } => State::Submitted,
            Self::Ordered { .. } => State::Ordered,
            Self::Cancelling { .. } => State::Cancelling,
            Self::Settled { .. } => State::Settled,
            Self::Failed { .. } => State::Failed,
            Self::Parked { .. } => State::Parked,
            Self::Cancelled => State::Cancelled,
            Self::Expired => State::Expired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_leads_to_an_end_and_none_out_of_it() {
        for from in State::ALL {
            assert_eq!(from.is_final(), State::ALL.iter().all(|to| !from.leads_to(*to)), "{from}");
            assert!(!from.leads_to(State::Accepted), "{from}");
            let written: State = serde_json::from_str(&format!("\"{}\"", from.name())).unwrap();
            assert_eq!(written, from);
        }
    }

    /// Nothing new is made for an owner who has cancelled.
    #[test]
    fn cancelling_ends_as_settled_or_cancelled_and_nothing_else() {
        let after: Vec<State> = State::ALL.into_iter().filter(|to| State::Cancelling.leads_to(*to)).collect();
        assert_eq!(after, [State::Settled, State::Cancelled]);
        assert!(State::ALL.into_iter().all(|from| from.leads_to(State::Cancelling) == (from == State::Ordered)));
    }

    #[test]
    fn what_is_on_its_way_is_sent_once_and_waited_for() {
        assert!(!State::Submitted.leads_to(State::Solved) && !State::Submitted.leads_to(State::Triggered));
        assert!(!State::Submitted.leads_to(State::Expired));
        // Only what is solved is submitted, and only what is triggered solved.
        for from in State::ALL {
            assert_eq!(from.leads_to(State::Submitted), matches!(from, State::Solved | State::Submitted), "{from}");
            assert_eq!(from.leads_to(State::Solved), from == State::Triggered, "{from}");
        }
    }
}
