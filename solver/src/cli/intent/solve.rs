//! `ballast intent solve`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use ballast_wire as wire;
use clap::Args;

use super::together::{json, text};
use super::{MarketArgs, Vault, VaultArgs, show};
use crate::auction::Auction;
use crate::cli::request::{read, timer};
use crate::cli::table;
use crate::config::Settings;
use crate::intent::size::{Answer, Rebalance};
use crate::intent::{size, together};
use crate::market::Market;

/// Size and route a rebalance over all pools at once, and print what it costs; or several, with each other and with orders.
///
/// Weights now and after, trades, cost in basis points split into fees, impact and gas, what arbitrage brings the vault, how far from
/// the optimum it is at most, and what the contract will say. Where no trade reaches the landing, the answer is the one that misses it
/// least, and the limits that keep it from more. With --rpc the call is run in an EVM of this process, where the node gives its state away.
///
/// Several intents, or one with --auction, go into one batch as orders whose limits hold what each may lose: they are matched with each other
/// and with the auction's orders, and printed is what each costs alone and together, and which left, and why.
///
/// Exits with 1 unless every intent's conditions would be met.
#[derive(Debug, Args)]
pub(super) struct SolveArgs {
    /// The intents (JSON).
    #[arg(required = true, value_name = "INTENT")]
    intents: Vec<PathBuf>,

    /// The vault's state (JSON), as `check` reads it: once for each intent, in their order.
    #[arg(long, value_name = "FILE")]
    state: Vec<PathBuf>,

    /// The node to read the vaults' state from, such as http://127.0.0.1:8545.
    #[cfg(feature = "chain")]
    #[arg(long, value_name = "URL", env = "BALLAST_RPC", hide_env_values = true, conflicts_with = "state")]
    rpc: Option<String>,

    #[command(flatten)]
    market: MarketArgs,

    /// A batch auction (JSON) whose orders are solved together with the intents; its tokens and pools join those of the market.
    #[arg(long, value_name = "FILE")]
    auction: Option<PathBuf>,

    /// Print the result on stdout as JSON; the tables go to stderr.
    #[arg(long)]
    json: bool,
}

impl SolveArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let given = self.state.len();
        ensure!(
            given == 0 || given == self.intents.len(),
            "--state: {given} for {} intents; give one for each, in their order",
            self.intents.len()
        );
        let vault = |(k, intent): (usize, &PathBuf)| {
            let (intent, state) = (intent.clone(), self.state.get(k).cloned());
            #[cfg(feature = "chain")]
            let rpc = self.rpc.clone();
            VaultArgs {
                intent,
                state,
                #[cfg(feature = "chain")]
                rpc,
            }
            .known()
        };
        let vaults: Vec<Vault> = self.intents.iter().enumerate().map(vault).collect::<anyhow::Result<_>>()?;
        let settings = self.market.engine.settings()?;
        let mut request = self.market.file().snapshot()?.into_owned();
        if let Some(path) = &self.auction {
            let other = wire::Auction::from_json(&read(path)?).with_context(|| path.display().to_string())?;
            join(&mut request, other);
        } else {
            request.orders.clear();
        }
        let good = match vaults.as_slice() {
            [vault] if self.auction.is_none() => self.one(vault, &request, &settings)?,
            vaults => self.together(vaults, &request, &settings)?,
        };
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn show(&self, text: &str) -> anyhow::Result<()> {
        if self.json {
            table::say(text);
            return Ok(());
        }
        table::print(text)
    }

    fn one(&self, vault: &Vault, request: &wire::Auction, settings: &Settings) -> anyhow::Result<bool> {
        let auction = self.market.auction(request, settings)?;
        let mut drops = auction.drops.clone();
        let moment = vault.state.moment();
        let stop = timer(self.market.budget);
        let (auction, answer) = size::solve(&vault.task(&moment), &auction, &settings.engine, &mut drops, &stop)?;
        let good = match &answer {
            Answer::Idle(idle) => {
                self.show(&format!("nothing to do: {idle}"))?;
                true
            }
            Answer::Rebalance(rebalance) => {
                self.show(&show::rebalance(vault, &auction, rebalance))?;
                let admitted = vault.state.admit(&vault.intent, &vault.portfolio);
                if let Err(breach) = &admitted {
                    self.show(&format!("not now: {breach}"))?;
                }
                let good = rebalance.foreseen.is_ok();
                if good && admitted.is_ok() {
                    let simulated = self.simulate(vault, &auction, request, rebalance, settings);
                    self.show(&simulated.unwrap_or_else(|reason| format!("not simulated: {reason}")))?;
                }
                good
            }
        };
        if self.json {
            table::print(&show::json(vault, &auction, &answer)?)?;
        }
        Ok(good)
    }

    /// Runs the call where there is a chain to run it on.
    #[cfg(feature = "chain")]
    fn simulate(
        &self,
        vault: &Vault,
        auction: &Auction,
        request: &wire::Auction,
        rebalance: &Rebalance,
        settings: &Settings,
    ) -> anyhow::Result<String> {
        let url = self.rpc.as_deref().context("a vault's state in a file has no contracts; name a node with --rpc")?;
        let execute = rebalance.call(&vault.intent, &vault.state, auction, request, &settings.settlement)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let node = crate::settlement::Node::connect(url, settings.settlement.contracts);
        let simulated = runtime.block_on(async {
            let snapshot = node.await?.snapshot().await?.context(
                "the node does not give its state away, as development chains do; `ballast intent settle --dry-run` asks it to run the call",
            )?;
            anyhow::Ok(crate::intent::simulate(&snapshot, settings.submission.solver.unwrap_or_default(), &execute))
        })?;
        Ok(format!("simulated: {}, {} gas, {} bytes", simulated.verdict, simulated.gas_used, execute.calldata.len()))
    }

    #[cfg(not(feature = "chain"))]
    fn simulate(&self, _: &Vault, _: &Auction, _: &wire::Auction, _: &Rebalance, _: &Settings) -> anyhow::Result<String> {
        anyhow::bail!("this build has no chain to run it on")
    }

    fn together(&self, vaults: &[Vault], request: &wire::Auction, settings: &Settings) -> anyhow::Result<bool> {
        let auction = self.market.auction(request, settings)?;
        let moments: Vec<_> = vaults.iter().map(|vault| vault.state.moment()).collect();
        let tasks: Vec<_> = vaults.iter().zip(&moments).map(|(vault, moment)| vault.task(moment)).collect();
        let stop = timer(self.market.budget);
        let alone = together::alone(&tasks, &auction, &settings.engine, &stop);
        let together = together::solve(&tasks, &auction, &settings.settlement.contracts, &settings.engine, &stop);
        self.show(&text(vaults, &auction, &alone, &together))?;
        if self.json {
            table::print(&json(vaults, &alone, &together)?)?;
        }
        Ok(together.shares.iter().all(|share| matches!(share, Ok(_) | Err(together::Left::Idle(_)))))
    }
}

/// Adds another auction's orders, and of its tokens and pools those that are not there yet.
fn join(request: &mut wire::Auction, other: wire::Auction) {
    for (address, token) in other.tokens {
        request.tokens.entry(address).or_insert(token);
    }
    let ids: std::collections::BTreeSet<String> = request.liquidity.iter().flatten().map(|pool| pool.id.clone()).collect();
    let is_new = |item: &wire::Item<wire::Liquidity>| item.as_ref().map_or(true, |pool| !ids.contains(&pool.id));
    request.liquidity.extend(other.liquidity.into_iter().filter(is_new));
    request.orders = other.orders;
    request.surplus_capturing_jit_order_owners = other.surplus_capturing_jit_order_owners;
}
