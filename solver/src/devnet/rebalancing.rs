//! What rebalances: our settlement contract, a vault of one of the traders, price feeds, and the intent that the trader has signed.

use std::collections::BTreeMap;

use alloy::signers::SignerSync;
use alloy_primitives::{Address, I256, U256};
use alloy_sol_types::{SolConstructor, SolValue, sol};
use anyhow::Context;
use ballast_wire::intent::{
    Asset, Costs, Execution, Intent, Numeraire, Oracle, Range, Risk, Rule, Scheme, Signature, Trigger, Version,
};
use ballast_wire::{Amount, Bps, Decimal};

use super::builder::Builder;
use super::contracts::{TestToken, Weth};
use super::deployment::{Deployment, Rebalancing};
use super::universe::{Token, Universe, WETH};
use super::{FIRST_TRADER, GENESIS, keys};
use crate::intent::abi::RebalanceSettlement as abi;
use crate::intent::digest;

sol!(Feed, "../fixtures/contracts/own/Feed.json");
sol!(OwnedVault, "contracts/OwnedVault.json");

/// Dollars in the vault.
const VALUE: f64 = 1_000_000.0;
/// What it holds and what it is to hold, in basis points of that.
const ASSETS: [(&str, u32, u32); 4] =
    [("WETH", 4_600, 4_000), ("USDC", 3_000, 3_000), ("WBTC", 1_400, 2_000), ("DAI", 1_000, 1_000)];
/// How far from its target a weight may land, and how far it may drift, in basis points of the portfolio.
const LANDING: u32 = 50;
const BAND: u32 = 300;
/// Decimals of the feeds.
const FEED_DECIMALS: u8 = 8;
/// How long the intent is valid, and prices count as fresh: nobody updates them here.
const YEAR: u32 = 365 * 24 * 60 * 60;

/// Deploys all of it, and fills the vault.
pub(super) fn deploy(builder: &mut Builder, deployment: &mut Deployment, universe: &Universe) -> anyhow::Result<()> {
    let settlement = builder.deploy_code("RebalanceSettlement", &abi::BYTECODE, &Address::ZERO.abi_encode())?;
    // The first that it makes.
    let module = settlement.create(1);
    let owner = builder.account(FIRST_TRADER)?;
    let args = OwnedVault::constructorCall { owner_: owner, module }.abi_encode();
    let vault = builder.deploy_code("OwnedVault", &OwnedVault::BYTECODE, &args)?;
    let mut feeds = BTreeMap::new();
    for (symbol, held, _) in ASSETS {
        let (index, token) = find(universe, symbol)?;
        let address = deployment.tokens.get(symbol).copied().context("no such token")?;
        let answer = I256::try_from((token.usd * f64::from(10_u32.pow(FEED_DECIMALS.into()))) as i64)?;
        let args = Feed::constructorCall { decimals_: FEED_DECIMALS, answer_: answer }.abi_encode();
        feeds.insert(symbol.to_owned(), builder.deploy_code("Feed", &Feed::BYTECODE, &args)?);
        let amount = token.atoms(VALUE * f64::from(held) / 1e4);
        if index == WETH {
            builder.call_from(0, address, &Weth::depositCall {}, amount)?;
            builder.call(address, &TestToken::transferCall { to: vault, amount })?;
        } else {
            builder.call(address, &TestToken::mintCall { to: vault, amount })?;
        }
    }
    deployment.rebalancing = Some(Rebalancing { settlement, vault, owner, feeds });
    Ok(())
}

fn find<'a>(universe: &'a Universe, symbol: &str) -> anyhow::Result<(usize, &'a Token)> {
    universe.tokens.iter().enumerate().find(|(_, token)| token.symbol == symbol).with_context(|| format!("no token {symbol}"))
}

/// The vault's intent, signed by its owner.
pub(super) fn intent(deployment: &Deployment, universe: &Universe) -> anyhow::Result<Intent> {
    let Rebalancing { settlement, vault, feeds, .. } = deployment.rebalancing.as_ref().context("no vault")?;
    let bps = |n: u16| Bps::new(n).context("basis points");
    let around = |target: u32, by: u32| Range { low: part(target.saturating_sub(by)), high: part(target.saturating_add(by)) };
    let assets = ASSETS.iter().map(|&(symbol, _, target)| {
        let (_, token) = find(universe, symbol)?;
        let price = |by: f64| Decimal::from_atoms(U256::from(token.usd * by * 1e18));
        anyhow::Ok(Asset {
            token: deployment.tokens.get(symbol).copied().context("no such token")?,
            target: part(target),
            band: around(target, BAND),
            landing: around(target, LANDING),
            min_balance: Amount(U256::ZERO),
            max_trade: Amount(U256::MAX),
            tradable: true,
            oracle: Some(Oracle {
                feed: feeds.get(symbol).copied().context("no feed")?,
                max_age: YEAR,
                min_price: price(0.1),
                max_price: price(10.0),
                twap_pool: None,
                max_deviation_bps: bps(0)?,
            }),
        })
    });
    let mut intent = Intent {
        version: Version::V1,
        chain_id: deployment.chain_id,
        owner: *vault,
        settlement: *settlement,
        nonce: Amount(U256::ONE),
        valid_from: GENESIS,
        valid_to: GENESIS.saturating_add(YEAR.into()),
        numeraire: Numeraire::USD,
        assets: assets.collect::<anyhow::Result<_>>()?,
        trigger: Trigger { any_of: vec![Rule::DriftAbsBps(300)], ..Trigger::default() },
        costs: Costs {
            max_loss_bps: bps(50)?,
            max_loss_per_day_bps: bps(100)?,
            max_loss_per_leg_bps: bps(200)?,
            max_gas_price_wei: Amount(U256::from(50_000_000_000_u64)),
            solver_fee_bps: bps(0)?,
            surplus_share_to_owner_bps: Bps::WHOLE,
        },
        execution: Execution::default(),
        risk: Risk::default(),
        signature: None,
    };
    intent.check()?;
    let data = keys::key(FIRST_TRADER)?.sign_hash_sync(&digest(&intent)).context("cannot sign")?.as_bytes().to_vec().into();
    intent.signature = Some(Signature { scheme: Scheme::Eip1271, data });
    Ok(intent)
}

/// So many basis points.
fn part(bps: u32) -> Decimal {
    Decimal::from_atoms(U256::from(bps).saturating_mul(U256::from(100_000_000_000_000_u64)))
}
