//! The auction that describes the chain, read back from it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use alloy::eips::BlockNumberOrTag;
use alloy::rpc::client::RpcClient;
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::sol;
use anyhow::Context;
use ballast_adapters::chain::{NodeError, ReadError, View, pool_contract};
use ballast_adapters::{concentrated, constant_product, stable, weighted};
use ballast_wire::{Auction, Item, Liquidity, LiquidityKind, Token, WeightedVersion};

use super::builder::Builder;
use super::deployment::Deployment;
use super::exchanges::{PairCreated, PoolCreated};
use super::universe::{Universe, WETH};
use super::vault::{self, PoolRegistered};
use super::{GAS_PRICE, GENESIS, orders};

/// How long orders are valid, and the auction stands open, in seconds.
const OPEN: u32 = 365 * 24 * 60 * 60;
/// Gas of a swap of each kind, as the reference driver has it.
const GAS: [(&str, u64); 4] =
    [("constantProduct", 60_000), ("concentratedLiquidity", 106_000), ("weightedProduct", 100_000), ("stable", 183_520)];

sol! {
    interface Erc20 {
        function decimals() external view returns (uint8);
        function symbol() external view returns (string);
        function balanceOf(address owner) external view returns (uint256);
    }
}

/// Reads the chain as it stands, and has the traders sign their orders.
pub(super) async fn read(
    client: RpcClient,
    builder: &Builder,
    deployment: &Deployment,
    universe: &Universe,
) -> anyhow::Result<Auction> {
    let view = View::new(client, BlockNumberOrTag::Latest).await?;
    let valid_to = u32::try_from(view.timestamp())?.saturating_add(OPEN);
    Ok(Auction {
        id: Some("1".to_owned()),
        tokens: tokens(&view, deployment, universe).await?,
        orders: orders::sign(deployment, universe, valid_to)?.into_iter().map(Ok).collect(),
        liquidity: liquidity(&view, builder, deployment).await?,
        effective_gas_price: U256::from(GAS_PRICE),
        deadline: rfc3339(GENESIS.saturating_add(u64::from(OPEN))),
        surplus_capturing_jit_order_owners: Vec::new(),
    })
}

/// How many pools there are of each kind.
pub(super) fn counts(auction: &Auction) -> [(&'static str, usize); 4] {
    GAS.map(|(kind, _)| (kind, auction.liquidity.iter().flatten().filter(|pool| name(&pool.kind) == kind).count()))
}

async fn tokens(view: &View, deployment: &Deployment, universe: &Universe) -> anyhow::Result<BTreeMap<Address, Token>> {
    let addresses: Vec<Address> = deployment.tokens.values().copied().collect();
    let decimals = view.ask(addresses.iter().map(|&token| (token, Erc20::decimalsCall {}))).await?;
    let symbols = view.ask(addresses.iter().map(|&token| (token, Erc20::symbolCall {}))).await?;
    let owner = deployment.settlement;
    let held = view.ask(addresses.iter().map(|&token| (token, Erc20::balanceOfCall { owner }))).await?;
    let weth = universe.tokens.get(WETH).context("no wrapped native token")?;
    let mut tokens = BTreeMap::new();
    for (((address, decimals), symbol), held) in addresses.into_iter().zip(decimals).zip(symbols).zip(held) {
        let symbol = symbol?;
        let token = universe.tokens.iter().find(|t| t.symbol == symbol).with_context(|| format!("no token {symbol}"))?;
        let known = Token {
            decimals: Some(decimals?),
            reference_price: Some(U256::from(1e18 * weth.atoms_per_usd() / token.atoms_per_usd())),
            available_balance: held?,
            trusted: token.transfer_fee_bps == 0,
            symbol: Some(symbol),
        };
        tokens.insert(address, known);
    }
    Ok(tokens)
}

async fn liquidity(view: &View, builder: &Builder, deployment: &Deployment) -> anyhow::Result<Vec<Item<Liquidity>>> {
    let mut list = Vec::new();
    for exchange in &deployment.pairs {
        let made = builder.events::<PairCreated>(exchange.factory).await?;
        let fee = "0.003".parse()?;
        let pairs: Vec<_> = made
            .iter()
            .map(|event| constant_product::chain::PairRef { address: event.pair, router: exchange.router, fee })
            .collect();
        let addresses = pairs.iter().map(|p| p.address);
        let read = constant_product::chain::read(view, &pairs).await;
        add(&mut list, addresses, read, LiquidityKind::ConstantProduct)?;
    }

    let made = builder.events::<PoolCreated>(deployment.concentrated.factory).await?;
    let router = deployment.concentrated.router;
    let pools: Vec<_> = made.iter().map(|event| concentrated::chain::PoolRef { address: event.pool, router }).collect();
    let read = concentrated::chain::read(view, &pools).await;
    add(&mut list, pools.iter().map(|p| p.address), read, LiquidityKind::ConcentratedLiquidity)?;

    let balancer = &deployment.balancer;
    let registered = builder.events::<PoolRegistered>(balancer.vault).await?;
    let ids: BTreeMap<Address, B256> = registered.into_iter().map(|event| (event.poolAddress, event.poolId)).collect();
    let made = async |factory| -> anyhow::Result<Vec<B256>> {
        let made = builder.events::<vault::PoolCreated>(factory).await?;
        Ok(made.iter().filter_map(|event| ids.get(&event.pool).copied()).collect())
    };
    let pools: Vec<_> = made(balancer.weighted_factory)
        .await?
        .into_iter()
        .map(|id| weighted::chain::PoolRef { id, version: WeightedVersion::V3Plus })
        .collect();
    let read = weighted::chain::read(view, balancer.vault, &pools).await;
    add(&mut list, pools.iter().map(|p| pool_contract(p.id)), read, LiquidityKind::WeightedProduct)?;

    let pools = made(balancer.stable_factory).await?;
    let read = stable::chain::read(view, balancer.vault, &pools).await;
    add(&mut list, pools.iter().map(|&id| pool_contract(id)), read, LiquidityKind::Stable)?;
    Ok(list)
}

fn add<T>(
    list: &mut Vec<Item<Liquidity>>,
    addresses: impl Iterator<Item = Address>,
    read: Result<Vec<Result<T, ReadError>>, NodeError>,
    kind: fn(T) -> LiquidityKind,
) -> anyhow::Result<()> {
    for (address, pool) in addresses.zip(read?) {
        let kind = kind(pool?);
        let gas = GAS.iter().find(|(kind_name, _)| *kind_name == name(&kind)).map_or(0, |(_, gas)| *gas);
        list.push(Ok(Liquidity { id: list.len().to_string(), address, gas_estimate: U256::from(gas), kind }));
    }
    Ok(())
}

fn name(kind: &LiquidityKind) -> &'static str {
    match kind {
        LiquidityKind::ConstantProduct(_) => "constantProduct",
        LiquidityKind::WeightedProduct(_) => "weightedProduct",
        LiquidityKind::Stable(_) => "stable",
        LiquidityKind::ConcentratedLiquidity(_) => "concentratedLiquidity",
        LiquidityKind::LimitOrder(_) => "limitOrder",
    }
}

fn rfc3339(seconds: u64) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    humantime::format_rfc3339_seconds(time.unwrap_or(SystemTime::UNIX_EPOCH)).to_string()
}
