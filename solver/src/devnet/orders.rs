//! The traders' orders, signed.

use alloy::signers::SignerSync;
use alloy_primitives::{B256, Bytes};
use anyhow::Context;
use ballast_wire::{Class, Order, OrderUid, Side};

use super::deployment::Deployment;
use super::universe::{self, Universe};
use super::{FIRST_TRADER, keys};
use crate::settlement::encode::{digest, domain_separator, uid};

/// Has each trader sign.
pub(super) fn sign(deployment: &Deployment, universe: &Universe, valid_to: u32) -> anyhow::Result<Vec<Order>> {
    let domain = domain_separator(&deployment.contracts());
    universe.orders.iter().map(|order| sign_one(deployment, universe, &domain, valid_to, order)).collect()
}

fn sign_one(
    deployment: &Deployment,
    universe: &Universe,
    domain: &B256,
    valid_to: u32,
    order: &universe::Order,
) -> anyhow::Result<Order> {
    let token = |index: usize| {
        let token = universe.tokens.get(index).context("no such token")?;
        let address = deployment.tokens.get(&token.symbol).copied().context("no such token")?;
        anyhow::Ok((address, token))
    };
    let ((sell_token, sell), (buy_token, buy)) = (token(order.sell)?, token(order.buy)?);
    // The exact side is worth the order's dollars, the other is the limit.
    let (give, take) = match order.side {
        Side::Sell => (order.usd, order.usd * (1.0 - order.slack)),
        Side::Buy => (order.usd * (1.0 + order.slack), order.usd),
    };
    let (sell_amount, buy_amount) = (sell.atoms(give), buy.atoms(take));
    let trader = keys::key(FIRST_TRADER.saturating_add(order.trader))?;
    let owner = trader.address();
    let mut order = Order {
        uid: OrderUid::ZERO,
        sell_token,
        buy_token,
        sell_amount,
        buy_amount,
        full_sell_amount: sell_amount,
        full_buy_amount: buy_amount,
        valid_to,
        kind: order.side,
        receiver: Some(owner),
        owner,
        partially_fillable: order.partial,
        pre_interactions: Vec::new(),
        post_interactions: Vec::new(),
        sell_token_source: Some("erc20".to_owned()),
        buy_token_destination: Some("erc20".to_owned()),
        class: Class::Limit,
        app_data: B256::ZERO,
        signing_scheme: "eip712".to_owned(),
        signature: Bytes::new(),
        fee_policies: None,
        flashloan_hint: None,
        wrappers: Vec::new(),
    };
    let digest = digest(&order, domain)?;
    order.uid = uid(&digest, &owner, valid_to);
    order.signature = trader.sign_hash_sync(&digest).context("cannot sign")?.as_bytes().to_vec().into();
    Ok(order)
}
