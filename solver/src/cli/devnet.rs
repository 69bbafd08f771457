//! `ballast devnet`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::table;
use crate::devnet::{Devnet, Settings};

/// The last line that is printed before waiting.
const READY: &str = "ready";

/// Run a local chain with real contracts, pools and signed orders.
///
/// A node (anvil, installed by `make contracts`) on loopback gets WETH9, tokens of 6, 8 and 18 decimals and one that takes a fee on
/// transfer, two exchanges of pairs, pools with positions, Balancer's vault with weighted and composable stable pools, GPv2's
/// settlement, our own with a vault to be rebalanced and price feeds, and traders with tokens. Then the pools are read back from the chain and written as an auction, with orders that the
/// traders have signed. The same seed gives the same addresses. It runs until ctrl-c or SIGTERM, and takes the node along.
#[derive(Debug, Args)]
pub(super) struct DevnetArgs {
    /// How many pools, 10 to 1000.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(10..=1000))]
    pools: u16,

    /// How many signed orders, 1 to 500.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=500))]
    orders: u16,

    /// What tokens, pools and orders are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The port on loopback; 0 takes any that is free.
    #[arg(long, default_value_t = 8545)]
    port: u16,

    /// Where the files go: `auction.json`, `deployment.json` (addresses), `intent.json` (a vault's, signed), `settle.toml` and `solver.env` (for `ballast settle`),
    /// `devnet.pid`.
    #[arg(long, default_value = "devnet", value_name = "DIR")]
    out: PathBuf,

    /// The folder of the contracts' and the node's packages, as `make contracts` installs them.
    #[arg(long, default_value = "fixtures/contracts/node_modules", env = "BALLAST_CONTRACTS", value_name = "DIR")]
    contracts: PathBuf,

    /// Return when the chain is ready, and leave it running; `kill $(cat DIR/devnet.pid)` takes it down.
    #[arg(long)]
    detach: bool,
}

impl DevnetArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.detach {
            return detach(&self.out);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> anyhow::Result<ExitCode> {
        let began = Instant::now();
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let settings = Settings {
            pools: self.pools.into(),
            orders: self.orders.into(),
            seed: self.seed,
            port: self.port,
            out: self.out.clone(),
            contracts: self.contracts,
        };
        let stopped = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        tokio::pin!(stopped);
        // Dropping what has been started ends the node.
        let mut devnet = tokio::select! {
            () = &mut stopped => return Ok(ExitCode::SUCCESS),
            devnet = Devnet::start(&settings) => devnet?,
        };
        let pid = self.out.join("devnet.pid");
        std::fs::write(&pid, std::process::id().to_string()).with_context(|| format!("cannot write {}", pid.display()))?;
        table::print(&table::devnet(&devnet))?;
        table::print(&format!(
            "{READY} in {:.1} s at {}; ctrl-c ends it",
            began.elapsed().as_secs_f64(),
            devnet.deployment().rpc
        ))?;
        let ended = tokio::select! {
            () = &mut stopped => Ok(()),
            ended = devnet.ended() => ended,
        };
        let _ = std::fs::remove_file(&pid);
        devnet.stop().await?;
        ended.map(|()| ExitCode::SUCCESS)
    }
}

/// Starts the same command without `--detach`, and waits until it is ready. What it says later goes to a file.
fn detach(out: &Path) -> anyhow::Result<ExitCode> {
    let log = out.join("devnet.log");
    let errors = std::fs::create_dir_all(out)
        .and_then(|()| File::create(&log))
        .with_context(|| format!("cannot write {}", log.display()))?;
    let mut child = Command::new(std::env::current_exe().context("cannot find the own binary")?)
        .args(std::env::args_os().skip(1).filter(|argument| argument != "--detach"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        // Out of reach of the terminal's ctrl-c.
        .process_group(0)
        .spawn()
        .context("cannot start in the background")?;
    let output = child.stdout.take().context("the background has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        table::print(&line.replace("ctrl-c ends it", &format!("`kill {}` ends it", child.id())))?;
        if line.starts_with(READY) {
            return Ok(ExitCode::SUCCESS);
        }
    }
    child.wait()?;
    bail!("the devnet did not start: {}", std::fs::read_to_string(&log).unwrap_or_default().trim_start_matches("error: "))
}
