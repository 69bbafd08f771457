//! GPv2: the settlement contract, who may settle, and traders with tokens and allowances.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolValue, sol};
use anyhow::Context;

use super::builder::Builder;
use super::contracts::{TestToken, Weth};
use super::deployment::Deployment;
use super::universe::{Universe, WETH};
use super::{FIRST_TRADER, SOLVER};

const CONTRACTS: &str = "@cowprotocol/contracts/lib/contracts";

sol! {
    function initializeManager(address manager) external;
    function addSolver(address solver) external;
}

/// The contracts of a settlement.
pub(super) struct Settlement {
    pub(super) settlement: Address,
    pub(super) authenticator: Address,
    pub(super) relayer: Address,
}

pub(super) fn deploy(builder: &mut Builder, vault: Address) -> anyhow::Result<Settlement> {
    let authenticator = builder.deploy(&format!("{CONTRACTS}/GPv2AllowListAuthentication.json"), &[])?;
    builder.call(authenticator, &initializeManagerCall { manager: builder.account(0)? })?;
    builder.call(authenticator, &addSolverCall { solver: builder.account(SOLVER)? })?;
    let args = (authenticator, vault).abi_encode_params();
    let settlement = builder.deploy(&format!("{CONTRACTS}/GPv2Settlement.json"), &args)?;
    // The settlement makes its relayer, and nothing before it.
    Ok(Settlement { settlement, authenticator, relayer: settlement.create(1) })
}

/// Gives traders what their orders sell, three times over, and the relayer leave to take it.
pub(super) fn fund_traders(builder: &mut Builder, deployment: &Deployment, universe: &Universe) -> anyhow::Result<()> {
    let mut needs: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for order in &universe.orders {
        *needs.entry((order.trader, order.sell)).or_default() += order.usd;
    }
    for ((trader, index), usd) in needs {
        let token = universe.tokens.get(index).context("no such token")?;
        let address = deployment.tokens.get(&token.symbol).copied().context("no such token")?;
        let (account, amount) = (FIRST_TRADER + trader, token.atoms(3.0 * usd));
        if index == WETH {
            builder.call_from(account, address, &Weth::depositCall {}, amount)?;
        } else {
            builder.call(address, &TestToken::mintCall { to: builder.account(account)?, amount })?;
        }
        let approve = TestToken::approveCall { spender: deployment.vault_relayer, amount: U256::MAX };
        builder.call_from(account, address, &approve, U256::ZERO)?;
    }
    Ok(())
}
