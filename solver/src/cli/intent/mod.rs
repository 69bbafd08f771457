//! `ballast intent`.

mod decide;
#[cfg(feature = "serve")]
mod history;
mod orders;
#[cfg(feature = "serve")]
mod post;
#[cfg(feature = "chain")]
mod settle;
mod show;
mod solve;
mod together;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use ballast_wire::intent::{Intent, Scheme};
use clap::{Args, Subcommand};

use super::request::{EngineArgs, read};
use super::table;
use crate::auction::Auction;
use crate::batch::prices::WEI_PER_UNIT;
use crate::config::Settings;
use crate::intent::portfolio::Portfolio;
use crate::intent::state::State;
use crate::intent::{Moment, Task, judge};
use crate::market::FileMarket;
#[cfg(feature = "chain")]
use crate::settlement::{Contracts, Node};

/// Rebalance a vault by a signed intent: check it, decide, size and route it, settle it, or have `ballast serve` do so.
#[derive(Debug, Args)]
pub(super) struct IntentArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check an intent: its fields, its signature, and, with the vault's state, whether it may be settled now.
    Check(VaultArgs),
    Decide(decide::DecideArgs),
    Solve(solve::SolveArgs),
    #[cfg(feature = "chain")]
    Settle(settle::SettleArgs),
    Orders(orders::OrdersArgs),
    #[cfg(feature = "serve")]
    Post(post::PostArgs),
    #[cfg(feature = "serve")]
    Watch(post::WatchArgs),
    #[cfg(feature = "serve")]
    History(history::HistoryArgs),
}

impl IntentArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Check(args) => args.check(),
            Action::Decide(args) => args.run(),
            Action::Solve(args) => args.run(),
            #[cfg(feature = "chain")]
            Action::Settle(args) => args.run(),
            Action::Orders(args) => args.run(),
            #[cfg(feature = "serve")]
            Action::Post(args) => args.run(),
            #[cfg(feature = "serve")]
            Action::Watch(args) => args.run(),
            #[cfg(feature = "serve")]
            Action::History(args) => args.run(),
        }
    }
}

/// An intent, and what is known of its vault.
#[derive(Debug, Args)]
struct VaultArgs {
    /// The intent (JSON); its schema lies beside `solver/examples/intent.json`.
    intent: PathBuf,

    /// The vault's state (JSON): {"time": "…", "holdings": [{"token": "0x…", "balance": "…", "decimals": "18", "price": "2500"}, …]},
    /// and, where it was rebalanced before, `settled`, `rebalancedAt`, `lost`.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// The node to read the vault's state from, such as http://127.0.0.1:8545.
    #[cfg(feature = "chain")]
    #[arg(long, value_name = "URL", env = "BALLAST_RPC", hide_env_values = true, conflicts_with = "state")]
    rpc: Option<String>,
}

/// An intent with its vault.
struct Vault {
    intent: Intent,
    state: State,
    portfolio: Portfolio,
}

impl Vault {
    fn new(intent: Intent, state: State) -> anyhow::Result<Self> {
        let portfolio = state.portfolio(&intent)?;
        Ok(Self { intent, state, portfolio })
    }

    fn task<'a>(&'a self, moment: &'a Moment) -> Task<'a> {
        Task { intent: &self.intent, portfolio: &self.portfolio, moment }
    }
}

impl VaultArgs {
    fn intent(&self) -> anyhow::Result<Intent> {
        Intent::from_json(&read(&self.intent)?).with_context(|| self.intent.display().to_string())
    }

    /// The vault, if its state is to be had.
    fn vault(&self) -> anyhow::Result<Option<Vault>> {
        let intent = self.intent()?;
        if let Some(path) = &self.state {
            let state = State::from_json(&read(path)?).with_context(|| path.display().to_string())?;
            return Vault::new(intent, state).with_context(|| path.display().to_string()).map(Some);
        }
        #[cfg(feature = "chain")]
        if let Some(url) = &self.rpc {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return runtime.block_on(async { from_chain(intent, url).await.map(|(vault, _)| Some(vault)) });
        }
        Ok(None)
    }

    fn known(&self) -> anyhow::Result<Vault> {
        match self.vault()? {
            Some(vault) => Ok(vault),
            None => bail!("what does the vault hold? Name its state with --state, or a node with --rpc"),
        }
    }

    fn check(&self) -> anyhow::Result<ExitCode> {
        let intent = self.intent()?;
        table::print(&show::intent(&intent))?;
        let mut good = signature(&intent)?;
        if let Some(vault) = self.vault()? {
            let measured = vault.portfolio.measure().context("the vault is empty, or its numbers do not fit")?;
            table::print(&show::weights(&vault, &measured, None, None))?;
            let admitted = vault.state.admit(&vault.intent, &vault.portfolio);
            good &= admitted.is_ok();
            let verdict = match (admitted, judge::idle(&vault.intent, &measured, &vault.state.moment())) {
                (Err(breach), _) => format!("may not be settled now: {breach}"),
                (Ok(()), Some(idle)) => format!("nothing to do: {idle}"),
                (Ok(()), None) => "to be rebalanced".to_owned(),
            };
            table::print(&verdict)?;
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Says whether the signature is good, as far as that can be told without the chain.
fn signature(intent: &Intent) -> anyhow::Result<bool> {
    let by_contract = intent.signature.as_ref().is_some_and(|s| s.scheme == Scheme::Eip1271);
    #[cfg(feature = "evm")]
    let checked = crate::intent::check_signature(intent).map_err(|e| e.to_string());
    #[cfg(not(feature = "evm"))]
    let checked = intent.signature.as_ref().map(|_| ()).ok_or("signature: the intent is not signed".to_owned());
    match checked {
        Ok(()) if by_contract => table::print("signature: by the vault's contract, which is asked when it is settled")?,
        Ok(()) => table::print("signature: the owner's")?,
        Err(reason) => {
            table::print(&reason)?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// A vault as its chain has it, and the node that says so.
#[cfg(feature = "chain")]
async fn from_chain(intent: Intent, url: &str) -> anyhow::Result<(Vault, Node)> {
    let node = Node::connect(url, Contracts { chain_id: intent.chain_id, ..Contracts::default() }).await?;
    let state = State::read(&node.latest().await?, &intent, node.gas_price().await?).await?;
    Ok((Vault::new(intent, state)?, node))
}

/// Where the pools are, and what the engine may do with them.
#[derive(Debug, Args)]
struct MarketArgs {
    /// The pools: an auction as the engine reads it (JSON), with the tokens' reference prices and the price of gas.
    #[arg(long, value_name = "FILE")]
    market: PathBuf,

    #[command(flatten)]
    engine: EngineArgs,

    /// Time to stop at.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    budget: Duration,
}

impl MarketArgs {
    fn file(&self) -> FileMarket {
        FileMarket::new(&self.market)
    }

    /// A market's pools, priced from the wrapped native token on.
    fn auction(&self, request: &ballast_wire::Auction, settings: &Settings) -> anyhow::Result<Auction> {
        let mut auction = self.engine.auction(request)?;
        auction.anchor = auction.index.get(&settings.wrapped_native).map(|&native| (native, 1.0 / WEI_PER_UNIT));
        Ok(auction)
    }
}
