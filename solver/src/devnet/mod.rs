//! `ballast devnet`: a real chain on loopback, with the contracts that settlements meet.
//!
//! A node (anvil) is started and built on by ordinary transactions of the real contracts: tokens, two exchanges of pairs, pools with
//! positions, Balancer's vault with weighted and composable stable pools, GPv2's settlement with its relayer, and our own
//! settlement with a vault that is to be rebalanced. One deployer with
//! its nonces in a fixed order makes addresses, and blocks of fixed times make gas, the same in every start. Then everything
//! is read back from the chain, as for any other chain, and written as an auction with orders that traders have signed.

mod auction;
mod builder;
mod contracts;
mod deployment;
mod exchanges;
mod keys;
mod node;
mod orders;
mod rebalancing;
mod settlement;
mod universe;
mod vault;

use std::path::PathBuf;

use alloy::rpc::client::RpcClient;
use anyhow::Context;

use builder::Builder;
use node::Node;
use universe::Universe;

pub use deployment::{Balancer, Deployment, Exchange, Rebalancing};

/// Accounts of the node: the deployer, the solver, the traders.
const ACCOUNTS: usize = 2 + TRADERS;
/// Which account may settle.
const SOLVER: usize = 1;
/// The first trader's account.
const FIRST_TRADER: usize = 2;
const TRADERS: usize = 5;
/// When the chain begins, in Unix seconds: 2026-01-01.
const GENESIS: u64 = 1_767_225_600;
/// Seconds between blocks.
const BLOCK_TIME: u64 = 12;
/// Gas of a block once traders may come.
const BLOCK_GAS: u64 = 60_000_000;
/// Wei of a unit of gas: what the chain begins with, and the auction says.
const GAS_PRICE: u128 = 1_000_000_000;

/// What a devnet is to be like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many pools.
    pub pools: usize,
    /// How many signed orders.
    pub orders: usize,
    /// What the universe is drawn from.
    pub seed: u64,
    /// Where the node listens; 0 takes any free port.
    pub port: u16,
    /// Where the files go.
    pub out: PathBuf,
    /// The folder of the installed packages.
    pub contracts: PathBuf,
}

/// A running devnet; its node ends when this is dropped, at the latest.
pub struct Devnet {
    node: Node,
    deployment: Deployment,
    counts: [(&'static str, usize); 4],
    orders: usize,
}

impl Devnet {
    /// Starts a node, builds the chain, reads it back and writes its files.
    ///
    /// # Errors
    /// When the packages are not installed, the port is taken, or the files cannot be written.
    pub async fn start(settings: &Settings) -> anyhow::Result<Self> {
        let universe = Universe::new(settings.pools, settings.orders, TRADERS, settings.seed);
        let node = Node::start(&settings.contracts, settings.port).await?;
        let client = RpcClient::new_http(node.url().clone());
        let mut builder = Builder::new(client.clone(), &settings.contracts).await?;
        let mut deployment = contracts::deploy(&mut builder, node.url(), &universe).await?;
        settlement::fund_traders(&mut builder, &deployment, &universe)?;
        rebalancing::deploy(&mut builder, &mut deployment, &universe)?;
        builder.mine().await?;
        builder.open(GAS_PRICE).await?;

        let auction = auction::read(client, &builder, &deployment, &universe).await?;
        let counts = auction::counts(&auction);
        std::fs::create_dir_all(&settings.out).with_context(|| format!("cannot make {}", settings.out.display()))?;
        let write = |name: &str, json: serde_json::Result<Vec<u8>>| -> anyhow::Result<()> {
            let path = settings.out.join(name);
            std::fs::write(&path, json?).with_context(|| format!("cannot write {}", path.display()))
        };
        write("auction.json", serde_json::to_vec_pretty(&auction))?;
        write("intent.json", serde_json::to_vec_pretty(&rebalancing::intent(&deployment, &universe)?))?;
        write("deployment.json", serde_json::to_vec_pretty(&deployment))?;
        write("settle.toml", Ok(deployment.configuration()?.into_bytes()))?;
        write("solver.env", Ok(keys::environment()?.into_bytes()))?;
        Ok(Self { node, deployment, counts, orders: auction.orders.len() })
    }

    /// Where everything is.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// How many pools of each kind were read back.
    pub fn counts(&self) -> &[(&'static str, usize)] {
        &self.counts
    }

    /// How many signed orders there are.
    pub fn orders(&self) -> usize {
        self.orders
    }

    /// Waits until the node ends by itself, which is an error.
    ///
    /// # Errors
    /// When it did.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        self.node.ended().await
    }

    /// Takes the chain down.
    ///
    /// # Errors
    /// When the node cannot be ended.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.node.stop().await
    }
}
