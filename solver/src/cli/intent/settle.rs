//! `ballast intent settle`.

use std::path::PathBuf;
use std::process::ExitCode;

use alloy_primitives::{Address, U256};
use anyhow::{Context, bail};
use clap::Args;

use super::{MarketArgs, Vault, from_chain, show};
use crate::auction::Auction;
use crate::cli::request::{read, timer};
use crate::cli::table;
use crate::intent::Verdict;
use crate::intent::abi::RebalanceSettlement as abi;
use crate::intent::size::{Answer, Rebalance, solve};
use crate::market::{ChainMarket, Market};
use crate::settlement::KeyName;
use ballast_wire::intent::Intent;

/// Gas over and above what the node estimates, in percent.
const GAS_MARGIN: u64 = 20;

/// Settle an intent on a chain: size it on the pools as the chain has them, simulate the contract's verdict, send, and compare.
///
/// The pools of `--market` are read again from the node, and so is the vault. The call is run in an EVM of this process first, where the
/// node gives its state away, and at the node: unless the contract accepts it there, nothing is sent. Exits with 1 if nothing was settled.
#[derive(Debug, Args)]
pub(super) struct SettleArgs {
    /// The signed intent (JSON).
    intent: PathBuf,

    #[command(flatten)]
    market: MarketArgs,

    /// The node, such as http://127.0.0.1:8545; over the configuration's `rpc`.
    #[arg(long, value_name = "URL", env = "BALLAST_RPC", hide_env_values = true)]
    rpc: Option<String>,

    /// The variable that holds the sender's private key, as env:NAME; over the configuration's `key`. Anybody may settle.
    #[arg(long, value_name = "env:NAME")]
    key: Option<String>,

    /// Simulate, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

impl SettleArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.settle())
    }

    async fn settle(self) -> anyhow::Result<ExitCode> {
        let file = self.market.engine.settings()?;
        let intent = Intent::from_json(&read(&self.intent)?).with_context(|| self.intent.display().to_string())?;
        crate::intent::check_signature(&intent)?;
        let url = self.rpc.as_deref().or(file.submission.rpc.as_deref());
        let url = url.context("no node to settle at: name one with --rpc or in [submission]")?;
        let name = self.key.as_deref().map(str::parse::<KeyName>).transpose()?.or(file.submission.key.clone());
        let key = name.map(|name| name.read()).transpose()?;
        let sender = key.as_ref().map(|key| key.address()).or(file.submission.solver).unwrap_or(Address::ZERO);
        let (vault, node) = from_chain(intent, url).await?;
        let pools = file.settlement.contracts.vault;
        let known = ChainMarket::read(&node.latest().await?, &self.market.file(), pools).await?;
        let request = known.snapshot()?.into_owned();
        let auction = self.market.auction(&request, &file)?;
        vault.state.admit(&vault.intent, &vault.portfolio)?;
        let moment = vault.state.moment();
        let mut drops = auction.drops.clone();
        let (auction, answer) = solve(&vault.task(&moment), &auction, &file.engine, &mut drops, &timer(self.market.budget))?;
        let rebalance = match answer {
            Answer::Idle(idle) => {
                table::print(&format!("nothing to do: {idle}"))?;
                return Ok(ExitCode::SUCCESS);
            }
            Answer::Rebalance(rebalance) => rebalance,
        };
        table::print(&show::rebalance(&vault, &auction, &rebalance))?;
        let execute = rebalance.call(&vault.intent, &vault.state, &auction, &request, &file.settlement)?;
        let gas = execute.foresee(&node, sender, file.settlement.gas_limit).await?;
        table::print(&format!("simulated: {gas} gas, {} bytes", execute.calldata.len()))?;
        let Some(key) = key.filter(|_| !self.dry_run) else {
            if !self.dry_run {
                bail!(
                    "no key to send with: name its variable with --key env:NAME or in [submission], or only look with --dry-run"
                );
            }
            return Ok(ExitCode::SUCCESS);
        };
        let most = gas.saturating_add(gas / 100 * GAS_MARGIN).min(file.settlement.gas_limit);
        let receipt = node.transact(key, execute.target, &execute.calldata, most).await?;
        let logs: Vec<_> = receipt.logs().iter().map(|log| log.inner.clone()).collect();
        table::print(&format!("mined: {} with {} gas", receipt.transaction_hash, receipt.gas_used))?;
        match Verdict::of_logs(&logs, execute.target) {
            Some(Verdict::Rebalanced(outcome)) => {
                table::print(&event(&vault, &auction, &rebalance, &outcome))?;
                Ok(ExitCode::SUCCESS)
            }
            Some(verdict) => bail!("{verdict}"),
            None => bail!("the transaction was mined, but the contract logged nothing"),
        }
    }
}

/// The contract's event beside the promise.
fn event(vault: &Vault, auction: &Auction, rebalance: &Rebalance, outcome: &abi::Outcome) -> String {
    let mut table = table::table(&["asset", "weight before", "after, promised", "after, by the event"], 1);
    let promised = rebalance.after.measure().map(|end| end.weights).unwrap_or_default();
    // The contract has the assets in the order of their tokens.
    let mut order: Vec<usize> = (0..vault.intent.assets.len()).collect();
    order.sort_by_key(|&index| vault.intent.assets[index].token);
    for (place, index) in order.into_iter().enumerate() {
        let percent = |weights: &[U256], at: usize| weights.get(at).map_or_else(String::new, |weight| show::percent(*weight));
        table.add_row([
            show::name(Some(auction), vault.intent.assets[index].token),
            percent(&outcome.weightsBefore, place),
            percent(&promised, index),
            percent(&outcome.weightsAfter, place),
        ]);
    }
    let money = |x: U256| show::amount(f64::from(x) / 1e18);
    let words = show::outcome(
        [outcome.valueBefore, outcome.valueAfter].map(money),
        [outcome.loss, outcome.credit].map(money),
        outcome.landed,
    );
    format!("{table}\nthe contract's event: Rebalanced, {words}")
}
