//! The order in which everything is deployed, which makes the addresses.

use alloy::transports::http::reqwest::Url;
use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolConstructor, sol};

use super::builder::Builder;
use super::deployment::Deployment;
use super::universe::{Token, Universe, WETH};
use super::{FIRST_TRADER, SOLVER, TRADERS, exchanges, settlement, vault};

const WETH9: &str = "canonical-weth/build/contracts/WETH9.json";
/// Ether that the deployer wraps.
const WRAPPED: u64 = 500_000_000;

sol!(TestToken, "../fixtures/contracts/own/Token.json");
sol! {
    interface Weth {
        function deposit() external payable;
    }
}

/// Deploys the tokens and all the contracts, and makes the pools.
pub(super) async fn deploy(builder: &mut Builder, rpc: &Url, universe: &Universe) -> anyhow::Result<Deployment> {
    let mut tokens = Vec::with_capacity(universe.tokens.len());
    for token in &universe.tokens {
        tokens.push(deploy_token(builder, token, tokens.len())?);
    }
    let weth = tokens.first().copied().unwrap_or_default();
    let balancer = vault::deploy(builder)?;
    let pairs = [exchanges::deploy_pairs(builder, weth)?, exchanges::deploy_pairs(builder, weth)?];
    let concentrated = exchanges::deploy_concentrated(builder, weth)?;
    let settlement = settlement::deploy(builder, balancer.vault)?;
    let spenders = [pairs[0].router, pairs[1].router, concentrated.manager, balancer.vault];
    for &token in &tokens {
        for spender in spenders {
            builder.call(token, &TestToken::approveCall { spender, amount: U256::MAX })?;
        }
    }
    builder.mine().await?;

    let place = exchanges::Place { tokens: &tokens, universe: &universe.tokens };
    for pool in &universe.pools {
        exchanges::create(builder, &place, &pairs, &concentrated, pool)?;
        balancer.create(builder, &place, pool)?;
    }
    builder.mine().await?;
    balancer.join(builder, &place, universe).await?;

    let traders = (FIRST_TRADER..FIRST_TRADER + TRADERS).map(|n| builder.account(n)).collect::<Result<_, _>>()?;
    Ok(Deployment {
        rpc: rpc.to_string(),
        chain_id: builder.chain_id().await?,
        settlement: settlement.settlement,
        authenticator: settlement.authenticator,
        vault_relayer: settlement.relayer,
        solver: builder.account(SOLVER)?,
        traders,
        wrapped_native: weth,
        balancer,
        pairs: pairs.to_vec(),
        concentrated: concentrated.exchange,
        tokens: universe.tokens.iter().zip(&tokens).map(|(token, &address)| (token.symbol.clone(), address)).collect(),
        rebalancing: None,
    })
}

/// A token that the deployer has plenty of.
fn deploy_token(builder: &mut Builder, token: &Token, index: usize) -> anyhow::Result<Address> {
    if index == WETH {
        let weth = builder.deploy(WETH9, &[])?;
        let value = U256::from(WRAPPED).saturating_mul(U256::from(10).pow(U256::from(18)));
        builder.call_from(0, weth, &Weth::depositCall {}, value)?;
        return Ok(weth);
    }
    let args = TestToken::constructorCall {
        name_: token.symbol.clone(),
        symbol_: token.symbol.clone(),
        decimals_: token.decimals,
        transferFeeBps_: U256::from(token.transfer_fee_bps),
    };
    let address = builder.deploy_code("Token", &TestToken::BYTECODE, &args.abi_encode())?;
    builder.call(address, &TestToken::mintCall { to: builder.account(0)?, amount: token.atoms(1e12) })?;
    Ok(address)
}
