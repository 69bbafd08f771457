//! The node under a devnet: anvil, as npm installs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use alloy::transports::http::reqwest::Url;
use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{ACCOUNTS, GENESIS};

/// A running node. It ends when this is dropped, at the latest.
pub(super) struct Node {
    child: Child,
    url: Url,
}

impl Node {
    /// Starts a node on loopback and waits until it listens. Port 0 takes any that is free.
    pub(super) async fn start(contracts: &Path, port: u16) -> anyhow::Result<Self> {
        let binary = binary(contracts)?;
        let mut child = Command::new(&binary)
            .args(["--host", "127.0.0.1", "--color", "never", "--no-mining"])
            .args(["--port", &port.to_string(), "--accounts", &ACCOUNTS.to_string(), "--balance", "1000000000"])
            // Nothing is paid for building; what a block may hold is set when traders come.
            .args(["--timestamp", &GENESIS.to_string(), "--gas-limit", "1000000000000", "--block-base-fee-per-gas", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let output = child.stdout.take().context("the node has no output")?;
        let mut output = BufReader::new(output).lines();
        let mut said = String::new();
        while let Some(line) = output.next_line().await? {
            if let Some(address) = line.strip_prefix("Listening on ") {
                let url = format!("http://{address}").parse().with_context(|| format!("no address of a node: {address:?}"))?;
                // What it says of each transaction is read and dropped: a node that cannot print stands still.
                tokio::spawn(async move { while let Ok(Some(_)) = output.next_line().await {} });
                return Ok(Self { child, url });
            }
            said = line;
        }
        bail!("the node ended before it listened on port {port}; is the port taken? It said last: {said:?}")
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Waits until the node ends by itself, which it should not.
    pub(super) async fn ended(&mut self) -> anyhow::Result<()> {
        let status = self.child.wait().await?;
        bail!("the node ended by itself: {status}")
    }

    /// Ends the node and waits until it is gone.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot end the node")
    }
}

fn binary(contracts: &Path) -> anyhow::Result<PathBuf> {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let binary = contracts.join(format!("@foundry-rs/anvil-{os}-{architecture}/bin/anvil{}", std::env::consts::EXE_SUFFIX));
    ensure!(
        binary.exists(),
        "{} is not there: run `make contracts` in the repository, or name the folder of the installed packages with --contracts",
        binary.display()
    );
    Ok(binary)
}
