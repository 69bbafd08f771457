//! CoW Protocol's order book: where orders are posted, to be signed by their owner on the chain, and filled by whoever solves its batches.

use std::time::{Duration, Instant};

use alloy_primitives::{B256, U256};
use ballast_adapters::chain::View;
use ballast_store::{Numbers, Placed, Status};
use ballast_wire::Amount;
use ballast_wire::intent::Intent;
use reqwest::Client;
use serde::Deserialize;

use super::health::Dependency;
use super::numbers;
use super::worker::{Trouble, Watched, Worker};
use crate::intent::orders::{Orders, to_sign};
use crate::settlement::Node;
use crate::settlement::encode::EncodeError;
use crate::settlement::encode::abi::GPv2Settlement;

/// How long the order book is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why an order is not there.
#[derive(Debug, thiserror::Error)]
enum Unposted {
    /// It may be the next time.
    #[error(transparent)]
    Unheard(#[from] reqwest::Error),
    #[error("answers {0}")]
    Unwell(reqwest::StatusCode),
    /// It will not.
    #[error("{error_type}: {description}")]
    Refused { error_type: String, description: String },
}

/// What the order book says of an order that it does not take.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    error_type: String,
    #[serde(default)]
    description: String,
}

/// Orders as they are posted: signed, in time, by their owner on the chain.
pub(super) fn placed(orders: &Orders, valid_to: u64, intent: &Intent, domain: &B256) -> Result<Vec<Placed>, EncodeError> {
    let until = u32::try_from(valid_to).unwrap_or(u32::MAX);
    let placed = |order: &crate::intent::orders::LimitOrder| {
        let listed = order.until(until, intent, domain)?;
        let mut body = to_sign(&listed);
        body["signingScheme"] = "presign".into();
        body["signature"] = "0x".into();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("uid");
        }
        Ok(Placed { uid: listed.uid, sell_amount: Amount(listed.sell_amount), order: body })
    };
    orders.orders.iter().map(placed).collect()
}

/// Posts an order. One that is there already is as good as posted.
async fn post(book: &str, order: &Placed) -> Result<(), Unposted> {
    let client = Client::builder().timeout(PATIENCE).build()?;
    let url = format!("{}/api/v1/orders", book.trim_end_matches('/'));
    // The URL may hold a key.
    let answer = client.post(url).json(&order.order).send().await.map_err(reqwest::Error::without_url)?;
    let status = answer.status();
    if status.is_success() {
        let uid: String = answer.json().await.map_err(reqwest::Error::without_url)?;
        let known = uid.eq_ignore_ascii_case(&order.uid.to_string());
        let another = || Unposted::Refused { error_type: "known to it as".to_owned(), description: uid };
        return if known { Ok(()) } else { Err(another()) };
    }
    if status.is_server_error() || status == reqwest::StatusCode::TOO_MANY_REQUESTS {
        return Err(Unposted::Unwell(status));
    }
    match answer.json::<Refusal>().await {
        Ok(refusal) if refusal.error_type == "DuplicatedOrder" => Ok(()),
        Ok(Refusal { error_type, description }) => Err(Unposted::Refused { error_type, description }),
        Err(_) => Err(Unposted::Refused { error_type: status.to_string(), description: String::new() }),
    }
}

/// How orders stand, by what the contract says of each: atoms that are filled, all there can be once its owner has revoked it (`invalidateOrder`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fills {
    /// All of them are filled.
    whole: bool,
    /// None can be filled any more.
    ended: bool,
    /// How many are filled, and how many in part, as far as that is known.
    filled: usize,
    part: usize,
    of: usize,
}

impl Fills {
    fn new(orders: &[Placed], filled: &[U256], late: bool) -> Self {
        let (mut whole, mut part, mut revoked) = (0_usize, 0_usize, 0_usize);
        for (order, filled) in orders.iter().zip(filled) {
            let of = match *filled {
                U256::MAX => &mut revoked,
                filled if filled >= order.sell_amount.0 => &mut whole,
                filled if !filled.is_zero() => &mut part,
                _ => continue,
            };
            *of = of.saturating_add(1);
        }
        let of = orders.len();
        Self { whole: whole == of, ended: late || whole.saturating_add(revoked) == of, filled: whole, part, of }
    }

    /// How they have ended.
    fn end(self) -> &'static str {
        if self.filled == 0 && self.part == 0 { "and nobody has filled them" } else { "filled in part" }
    }

    fn told(self) -> Numbers {
        let Self { filled, part, of, .. } = self;
        numbers([("orders", of.to_string()), ("filled", filled.to_string()), ("filledInPart", part.to_string())])
    }
}

impl Worker {
    /// Looks after all orders: posts those that may not be there yet, and sees what was filled by what the contract says.
    pub(super) async fn follow_orders(&mut self, node: &Node, view: &View) -> Result<(), Trouble> {
        let ordered = |(key, watched): (&u64, &Watched)| match &watched.record.status {
            Status::Ordered { orders, valid_to } | Status::Cancelling { orders, valid_to } => {
                Some((*key, orders.clone(), *valid_to))
            }
            _ => None,
        };
        let all: Vec<_> = self.watched.iter().filter_map(ordered).collect();
        if all.is_empty() {
            return Ok(());
        }
        // What a reorganisation may take back does not count.
        let depth = self.intents.settings.intents.confirmations;
        let deep = match depth {
            0 => view.clone(),
            _ => self.ask(Dependency::Node, node.at(view.number().saturating_sub(depth)).await)?,
        };
        let contract = self.intents.settings.settlement.contracts.settlement;
        let uids = all.iter().flat_map(|(_, orders, _)| orders).map(|order| order.uid.to_vec());
        let asked: Vec<_> = uids.map(|uid| (contract, GPv2Settlement::filledAmountCall { orderUid: uid.into() })).collect();
        let answers = self.ask(Dependency::Node, deep.ask(asked).await)?;
        let filled: Result<Vec<U256>, _> = answers.into_iter().collect();
        let mut filled = self.ask(Dependency::Node, filled)?.into_iter();
        for (key, orders, valid_to) in all {
            let filled: Vec<U256> = filled.by_ref().take(orders.len()).collect();
            self.filled(key, &orders, Fills::new(&orders, &filled, deep.timestamp() > valid_to)).await?;
        }
        Ok(())
    }

    async fn filled(&mut self, key: u64, orders: &[Placed], fills: Fills) -> Result<(), Trouble> {
        let Some(watched) = self.watched.get(&key) else { return Ok(()) };
        let cancelled = matches!(watched.record.status, Status::Cancelling { .. });
        if fills.whole {
            let cause = if cancelled { "its orders were filled before they ended" } else { "its orders are filled" };
            self.advance(key, Status::Settled { transaction: None }, cause, fills.told()).await?;
        } else if !fills.ended {
            return if cancelled { Ok(()) } else { self.post_all(key, orders).await };
        } else if cancelled {
            let cause = format!("cancelled by its owner; its orders have ended, {}", fills.end());
            self.advance(key, Status::Cancelled, cause, fills.told()).await?;
        } else {
            let reason = format!("its orders have ended, {}", fills.end());
            if fills.filled == 0 && fills.part == 0 {
                self.fail(key, reason, fills.told()).await?;
            } else {
                self.advance(key, Status::Waiting { reason: reason.clone() }, reason, fills.told()).await?;
            }
        }
        self.posted.remove(&key);
        // All intents of the vault see it changed.
        let owner = orders.first().and_then(|order| order.uid.get(32..52)).unwrap_or_default();
        for watched in self.watched.values_mut().filter(|watched| watched.record.intent.owner.as_slice() == owner) {
            (watched.vault, watched.fresh) = (None, true);
        }
        Ok(())
    }

    /// Posts an intent's orders, unless this process has done so.
    async fn post_all(&mut self, key: u64, orders: &[Placed]) -> Result<(), Trouble> {
        let intents = self.intents.clone();
        let Some(book) = &intents.settings.intents.order_book else { return Ok(()) };
        if self.posted.contains(&key) || self.book_rests.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        let mut refused = Vec::new();
        for order in orders {
            // Its owner may have cancelled it while the one before was on its way.
            self.catch_up().await?;
            if !self.watched.get(&key).is_some_and(|watched| matches!(watched.record.status, Status::Ordered { .. })) {
                return Ok(());
            }
            let answer = match post(book, order).await {
                Err(Unposted::Refused { error_type, description }) => {
                    refused.push(format!("{}: {error_type}: {description}", order.uid));
                    continue;
                }
                answer => answer,
            };
            if intents.health.heard(Dependency::OrderBook, answer).is_err() {
                // The others, and this one again, after a while: whoever else is to be settled does not wait for it.
                self.book_rests = Instant::now().checked_add(intents.settings.intents.retry);
                return Ok(());
            }
        }
        self.posted.insert(key);
        tracing::info!(orders = orders.len(), refused = refused.len(), "orders posted");
        let status = self.watched.get(&key).map(|watched| watched.record.status.clone());
        if let Some(status) = status.filter(|_| !refused.is_empty()) {
            // Those that it has taken may be filled: it stays as it is until they have ended.
            let told = Numbers::from([("refused".to_owned(), refused.join("; "))]);
            self.advance(key, status, "the order book refuses some of its orders", told).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ballast_wire::OrderUid;

    use super::*;

    #[test]
    fn what_is_filled_is_told_from_what_is_revoked_and_what_has_ended() {
        let order =
            |amount: u64| Placed { uid: OrderUid::ZERO, sell_amount: Amount(U256::from(amount)), order: serde_json::Value::Null };
        let orders = [order(10), order(20)];
        let fills = |filled: [U256; 2], late: bool| Fills::new(&orders, &filled, late);
        let [none, some, all, revoked] = [U256::ZERO, U256::from(3), U256::from(20), U256::MAX];
        assert!(fills([all, all], false).whole);
        // Nothing is known to be filled of what was revoked.
        let ended = fills([revoked, revoked], false);
        assert!(ended.ended && !ended.whole);
        assert_eq!(ended.end(), "and nobody has filled them");
        let ended = fills([all, revoked], false);
        assert!(ended.ended && !ended.whole);
        assert_eq!(ended.end(), "filled in part");
        assert!(!fills([some, revoked], false).ended && !fills([none, all], false).ended);
        assert_eq!(fills([some, none], true).end(), "filled in part");
        assert!(fills([none, none], true).ended);
    }
}
