//! `ballast settle`.

mod show;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::Address;
use anyhow::bail;
use ballast_adapters::evm::Snapshot;
use ballast_wire::OrderUid;
use clap::Args;

use super::request::RequestArgs;
use super::table;
use crate::auction::{Auction, Drops, short};
use crate::batch::step::follow;
use crate::batch::{Liquidity, Swap};
use crate::config::Config;
use crate::engine::{self, Answer, Filled, Report};
use crate::settlement::encode::{Encoded, Encoder, Settlement};
use crate::settlement::ledger::{Entry, Ledger};
use crate::settlement::{Allowances, Difference, KeyName, Node, Settings, Verified, foreseen, simulate};
use show::{Fate, Settled};

/// Gas that a transaction may take over the node's estimate, in percent: pools move until it is mined.
const GAS_MARGIN: u64 = 20;

/// Where settlements are kept if nothing else is said.
const LEDGER: &str = "ballast-ledger.jsonl";

/// Solve an auction and settle it on a chain: encode, simulate, send, and compare what was promised with what was paid.
///
/// The batch of all orders that gain by going together is settled first, then what is left of the others one after another, the best
/// first. If the batch fails, orders that fail by themselves are left out of it. A solution whose pools an earlier one has moved is solved again on what
/// the earlier one leaves. Each is simulated at the node before it is sent, and one that would fail is not. Afterwards the receipt's events
/// are compared with the promise to the wei. Exits with 1 if an outcome is worse than its promise, or if
/// nothing could be settled.
#[derive(Debug, Args)]
pub(super) struct SettleArgs {
    #[command(flatten)]
    request: RequestArgs,

    /// The node, such as http://127.0.0.1:8545; over the configuration's `rpc`.
    #[arg(long, value_name = "URL", env = "BALLAST_RPC", hide_env_values = true)]
    rpc: Option<String>,

    /// The variable that holds the solver's private key, as env:NAME; over the configuration's `key`.
    // Read by hand: clap would repeat a value that it refuses, and it may be the key itself.
    #[arg(long, value_name = "env:NAME")]
    key: Option<String>,

    /// The slippage ledger that each settlement is added to; over the configuration's `ledger`, which is `ballast-ledger.jsonl` if left out.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,

    /// Encode and simulate, each solution by itself, and send nothing. Without a node it is only encoded.
    #[arg(long)]
    dry_run: bool,

    /// Print calldata, promises and outcomes on stdout, as JSON.
    #[arg(long)]
    json: bool,

    /// Time to stop solving at.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    budget: Duration,
}

impl SettleArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.settle())
    }

    async fn settle(self) -> anyhow::Result<ExitCode> {
        let file = self.request.settings()?;
        let key = match &self.key {
            Some(name) => Some(name.parse::<KeyName>()?),
            None => file.submission.key.clone(),
        };
        let key = if self.dry_run { None } else { key.map(|key| key.read()).transpose()? };
        let solver = key.as_ref().map(PrivateKeySigner::address).or(file.submission.solver);
        let node = match self.rpc.as_deref().or(file.submission.rpc.as_deref()) {
            Some(url) => Some(Node::connect(url, file.settlement.contracts).await?),
            None => None,
        };
        let party = match (node, solver, key) {
            (Some(node), Some(solver), Some(key)) => Party::Sender { node, solver, key },
            (Some(node), Some(solver), None) if self.dry_run => Party::Watcher { node, solver },
            _ if self.dry_run => Party::Nobody,
            (None, ..) => bail!("no node to settle at: name one with --rpc or in [submission], or only look with --dry-run"),
            _ => bail!(
                "no key to settle with: name its variable with --key env:NAME or in [submission], or only look with --dry-run"
            ),
        };
        party.check().await?;
        let request = self.request.request()?;
        let auction = self.request.auction(&request)?;
        let folder = self.request.folder();
        let ledger = self.ledger.or(file.submission.ledger.map(|ledger| folder.join(ledger))).unwrap_or_else(|| LEDGER.into());
        let mut run = Run {
            config: file.engine,
            settings: file.settlement,
            market: auction,
            request,
            party,
            snapshot: None,
            ledger: Ledger::new(ledger),
        };
        let settled = run.all(self.budget).await;
        table::say(&show::table(&run.market, &settled));
        if self.json {
            table::print(&show::json(&settled)?)?;
        }
        Ok(verdict(&settled))
    }
}

/// Success unless an outcome is worse than its promise, or all that was solved failed.
fn verdict(settled: &[Settled]) -> ExitCode {
    let differs = settled
        .iter()
        .any(|s| matches!(&s.fate, Fate::Mined { differences, .. } if !differences.iter().all(Difference::is_gain)));
    let good = settled.iter().any(|s| !matches!(s.fate, Fate::Failed(_)));
    if differs || !good { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Who looks at settlements, or makes them.
enum Party {
    /// Nobody: what is encoded is only shown.
    Nobody,
    /// A node simulates them.
    Watcher { node: Node, solver: Address },
    /// They are sent.
    Sender { node: Node, solver: Address, key: PrivateKeySigner },
}

impl Party {
    async fn check(&self) -> anyhow::Result<()> {
        if let Self::Watcher { node, solver } | Self::Sender { node, solver, .. } = self {
            node.may_settle(*solver).await?;
        }
        Ok(())
    }

    fn node(&self) -> Option<&Node> {
        match self {
            Self::Nobody => None,
            Self::Watcher { node, .. } | Self::Sender { node, .. } => Some(node),
        }
    }
}

/// An auction on its way to the chain.
struct Run {
    request: ballast_wire::Auction,
    /// The auction with its pools as the settlements so far leave them.
    market: Auction,
    config: Config,
    settings: Settings,
    party: Party,
    /// The chain as it stands, where the node gives it away.
    snapshot: Option<Snapshot>,
    ledger: Ledger,
}

impl Run {
    async fn all(&mut self, budget: Duration) -> Vec<Settled> {
        let end = Instant::now().checked_add(budget);
        let stop = move || end.is_some_and(|end| Instant::now() >= end);
        let mut settled = Vec::new();
        let report = loop {
            let report = engine::run(&self.market, &self.config, &stop);
            let Ok(batch) = &report.batch else { break report };
            let tried = self.one(&batch.verified, &batch.joint.swaps).await;
            if tried.iter().all(|one| !matches!(one.fate, Fate::Failed(_))) {
                settled.extend(tried);
                break report;
            }
            // Who fails by himself would make every batch fail.
            let Some(culprits) = self.culprits(&report).await.filter(|culprits| !culprits.is_empty()) else { break report };
            for culprit in &culprits {
                table::say(&format!(
                    "order {}: fails by itself, and is left out of the batch",
                    short(&culprit.orders[0].to_string())
                ));
            }
            self.market.orders.retain(|order| culprits.iter().all(|culprit| !culprit.orders.contains(&order.uid)));
            settled.extend(culprits);
        };
        table::say(&table::solutions(&self.market, &report));
        table::say(&table::batch(&self.market, &report));
        if report.drops.iter().next().is_some() {
            table::say(&table::drops(&report.drops, false));
        }
        let done: Vec<OrderUid> = settled.iter().flat_map(|one| one.orders.clone()).collect();
        let mut moved: BTreeSet<usize> = BTreeSet::new();
        if let Ok(batch) = &report.batch
            && batch.verified.fills().iter().any(|fill| done.contains(&self.market.orders[fill.order].uid))
        {
            moved.extend(batch.joint.swaps.iter().map(|swap| swap.pool));
        }
        let mut ranked: Vec<(usize, &Filled)> =
            report.filled().filter(|(order, _)| !done.contains(&self.market.orders[*order].uid)).collect();
        ranked.sort_by_key(|(_, filled)| std::cmp::Reverse(filled.verified.score()));
        for (order, filled) in ranked {
            let again = filled.swaps.iter().any(|swap| moved.contains(&swap.pool)).then(|| self.again(order, &stop));
            let filled = match &again {
                None => filled,
                Some(Answer::Filled(filled)) => filled,
                Some(Answer::Unfilled(reason)) => {
                    let uid = self.market.orders.get(order).map(|order| order.uid.to_string()).unwrap_or_default();
                    table::say(&format!("order {}: not after what was settled before it: {reason}", short(&uid)));
                    continue;
                }
            };
            for one in self.one(&filled.verified, &filled.swaps).await {
                if matches!(one.fate, Fate::Mined { .. }) {
                    moved.extend(filled.swaps.iter().map(|swap| swap.pool));
                }
                settled.push(one);
            }
        }
        settled
    }

    /// The orders of a report whose own settlements fail, as simulated; `None` where nothing can be simulated.
    async fn culprits(&mut self, report: &Report) -> Option<Vec<Settled>> {
        self.look().await.ok()?;
        let mut culprits = Vec::new();
        for (_, filled) in report.filled() {
            let Ok(Encoded { settlements, .. }) = self.encode(&filled.verified).await else { continue };
            for settlement in settlements {
                if let Err(error) = self.foresee(&settlement) {
                    let orders = settlement.trades.iter().map(|t| t.order).collect();
                    culprits.push(Settled { orders, settlement: Some(settlement), fate: Fate::Failed(error) });
                }
            }
        }
        self.snapshot.as_ref().map(|_| culprits)
    }

    /// Solves an order again on what the settlements so far leave.
    fn again(&self, order: usize, stop: &(dyn Fn() -> bool + Sync)) -> Answer {
        let liquidity = Liquidity::new(&self.market, &self.config, &mut Drops::default());
        engine::answer(&self.market, &liquidity, &self.config, order, None, stop)
    }

    /// Brings a solution to the chain, or as far towards it as is wanted.
    async fn one(&mut self, verified: &Verified, swaps: &[Swap]) -> Vec<Settled> {
        let Encoded { settlements, refused } = match self.encode(verified).await {
            Ok(encoded) => encoded,
            Err(error) => return vec![Settled::unsent(verified, &self.market, error)],
        };
        let refused =
            refused.into_iter().map(|(orders, error)| Settled { orders, settlement: None, fate: Fate::Failed(error.into()) });
        let mut settled: Vec<Settled> = refused.collect();
        for settlement in settlements {
            let fate = match self.look().await {
                Ok(()) => self.bring(&settlement).await.unwrap_or_else(Fate::Failed),
                Err(error) => Fate::Failed(error),
            };
            if matches!(fate, Fate::Mined { .. }) {
                self.snapshot = None;
            }
            settled.push(Settled {
                orders: settlement.trades.iter().map(|t| t.order).collect(),
                settlement: Some(settlement),
                fate,
            });
        }
        if settled.iter().any(|one| matches!(one.fate, Fate::Mined { .. })) {
            follow(&mut self.market, swaps.iter().copied());
        }
        settled
    }

    async fn encode(&self, verified: &Verified) -> anyhow::Result<Encoded> {
        let encoder = Encoder::new(&self.market, &self.request, &self.settings);
        let encoded = encoder.encode(verified, &Allowances::default())?;
        let Some(node) = self.party.node() else { return Ok(encoded) };
        // What is needed is known, now what is approved of it.
        let needs: Vec<_> = encoded.settlements.iter().flat_map(|s| s.spending.clone()).collect();
        Ok(encoder.encode(verified, &node.allowances(&needs).await?)?)
    }

    /// Takes the state of the chain, unless it is known.
    async fn look(&mut self) -> anyhow::Result<()> {
        if let (None, Some(node)) = (&self.snapshot, self.party.node()) {
            self.snapshot = node.snapshot().await?;
        }
        Ok(())
    }

    /// Simulates a settlement in this process, if the state is at hand.
    fn foresee(&self, settlement: &Settlement) -> anyhow::Result<()> {
        let (Some(snapshot), Party::Watcher { solver, .. } | Party::Sender { solver, .. }) = (&self.snapshot, &self.party) else {
            return Ok(());
        };
        let simulation = simulate(snapshot, *solver, settlement);
        if let Some(failure) = simulation.failure {
            bail!("{failure}");
        }
        if let Some(loss) = foreseen(settlement, &simulation).iter().find(|difference| !difference.is_gain()) {
            bail!("as simulated, {loss}: pools have moved since the auction was made; read them again and solve anew");
        }
        Ok(())
    }

    async fn bring(&self, settlement: &Settlement) -> Result<Fate, anyhow::Error> {
        let (node, solver) = match &self.party {
            Party::Nobody => return Ok(Fate::Encoded),
            Party::Watcher { node, solver } | Party::Sender { node, solver, .. } => (node, *solver),
        };
        // In this process first, where failures are explained; then by the node itself, which knows its own rules.
        self.foresee(settlement)?;
        let gas = node.simulate(solver, settlement, self.settings.gas_limit).await?;
        let Party::Sender { key, .. } = &self.party else { return Ok(Fate::Simulated { gas }) };
        let most = gas.saturating_add(gas / 100 * GAS_MARGIN).min(self.settings.gas_limit);
        let outcome = node.submit(key.clone(), settlement, most).await?;
        let reference = outcome.transaction.to_string();
        let entry = Entry::new(self.market.id.as_deref(), settlement, &reference, outcome.buffers.clone());
        // The transaction stands, whatever becomes of the ledger.
        if let Err(error) = self.ledger.append(&entry) {
            table::say(&format!("{error}"));
        }
        let differences = outcome.differences(settlement);
        Ok(Fate::Mined { outcome: Box::new(outcome), differences })
    }
}
