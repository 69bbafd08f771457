//! What the commands that read an auction share.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use anyhow::Context;
use ballast_wire::LiquidityKind;
use clap::{Args, ValueEnum};

use crate::archive;
use crate::auction::Auction;
use crate::config::Config;

/// A kind of liquidity, named as in the auction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "camelCase")]
enum VenueKind {
    ConstantProduct,
    WeightedProduct,
    Stable,
    ConcentratedLiquidity,
    LimitOrder,
}

impl VenueKind {
    fn is(self, kind: &LiquidityKind) -> bool {
        matches!(
            (self, kind),
            (Self::ConstantProduct, LiquidityKind::ConstantProduct(_))
                | (Self::WeightedProduct, LiquidityKind::WeightedProduct(_))
                | (Self::Stable, LiquidityKind::Stable(_))
                | (Self::ConcentratedLiquidity, LiquidityKind::ConcentratedLiquidity(_))
                | (Self::LimitOrder, LiquidityKind::LimitOrder(_))
        )
    }
}

/// What the engine may use, and how.
#[derive(Debug, Args)]
pub(super) struct EngineArgs {
    /// Use only these kinds of liquidity, separated by commas; all of them if left out.
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    venues: Vec<VenueKind>,

    /// Do not touch these tokens (addresses, separated by commas).
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    deny_tokens: Vec<Address>,

    /// Do not touch these pools (contract addresses, separated by commas).
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    deny_pools: Vec<Address>,

    /// Leave out a pool whose price is off the consensus of deeper pools by more than this factor.
    #[arg(long, value_name = "FACTOR", default_value_t = Config::default().quarantine_factor, value_parser = above_one)]
    quarantine_factor: f64,

    /// The most that closed cycles may earn from one pool, in native tokens; a pool that gives more is not trusted.
    #[arg(long, value_name = "NATIVE", default_value_t = Config::default().max_arbitrage_per_pool, value_parser = not_negative)]
    max_arbitrage_per_pool: f64,

    /// The most that closed cycles may earn in one solution of the auction, in native tokens.
    #[arg(long, value_name = "NATIVE", default_value_t = Config::default().max_arbitrage_per_auction, value_parser = not_negative)]
    max_arbitrage_per_auction: f64,
}

fn above_one(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|x| x.is_finite() && *x > 1.0).ok_or_else(|| "expected a number above 1".to_owned())
}

fn not_negative(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|x| x.is_finite() && *x >= 0.0).ok_or_else(|| "expected a number of at least 0".to_owned())
}

impl EngineArgs {
    pub(super) fn config(&self) -> Config {
        Config {
            quarantine_factor: self.quarantine_factor,
            max_arbitrage_per_pool: self.max_arbitrage_per_pool,
            max_arbitrage_per_auction: self.max_arbitrage_per_auction,
            denied_tokens: self.deny_tokens.clone(),
            denied_pools: self.deny_pools.clone(),
            ..Config::default()
        }
    }

    /// The auction, with the kinds of liquidity that are wanted.
    pub(super) fn auction(&self, request: &ballast_wire::Auction) -> Auction {
        Auction::new(request, |kind| self.venues.is_empty() || self.venues.iter().any(|v| v.is(kind)))
    }
}

#[derive(Debug, Args)]
pub(super) struct RequestArgs {
    /// The auction: a JSON file as the driver posts it to `/solve`, or an archived one (`.tar.zst`); `-` reads standard input. Its
    /// deadline is ignored.
    auction: PathBuf,

    #[command(flatten)]
    engine: EngineArgs,
}

impl RequestArgs {
    pub(super) fn config(&self) -> Config {
        self.engine.config()
    }

    pub(super) fn read(&self) -> anyhow::Result<Auction> {
        Ok(self.auction(&self.request()?))
    }

    /// The auction as it is solved.
    pub(super) fn auction(&self, request: &ballast_wire::Auction) -> Auction {
        self.engine.auction(request)
    }

    /// The request as it came, and the auction that is made of it.
    pub(super) fn read_both(&self) -> anyhow::Result<(ballast_wire::Auction, Auction)> {
        let request = self.request()?;
        let auction = self.auction(&request);
        Ok((request, auction))
    }

    /// The auction as it is written.
    pub(super) fn request(&self) -> anyhow::Result<ballast_wire::Auction> {
        let json =
            if archive::is_archived(&self.auction) { archive::read(&self.auction)?.auction } else { read(&self.auction)?.into() };
        ballast_wire::Auction::from_json(&json).with_context(|| self.auction.display().to_string())
    }
}

/// Says when a time from now is over.
pub(super) fn timer(budget: Duration) -> impl Fn() -> bool + Sync {
    let end = Instant::now().checked_add(budget);
    move || end.is_some_and(|end| Instant::now() >= end)
}

/// A file's bytes, or those of standard input for `-`.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).context("cannot read standard input")?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
