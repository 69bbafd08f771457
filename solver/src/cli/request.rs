//! What the commands that read an auction share.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use anyhow::Context;
use ballast_wire::LiquidityKind;
use clap::{Args, ValueEnum};

use crate::archive;
use crate::auction::Auction;
use crate::config::Settings;

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

    /// A configuration as `ballast serve` takes it; what is said here goes before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Do not touch these tokens (addresses, separated by commas), besides those that the configuration denies.
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    deny_tokens: Vec<Address>,

    /// Do not touch these pools (contract addresses, separated by commas), besides those that the configuration denies.
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
    deny_pools: Vec<Address>,

    /// Leave out a pool whose price is off the consensus of deeper pools by more than this factor [default: 2].
    #[arg(long, value_name = "FACTOR", value_parser = above_one)]
    quarantine_factor: Option<f64>,

    /// The most that closed cycles may earn from one pool, in native tokens; a pool that gives more is not trusted [default: 2].
    #[arg(long, value_name = "NATIVE", value_parser = not_negative)]
    max_arbitrage_per_pool: Option<f64>,

    /// The most that closed cycles may earn in one solution of the auction, in native tokens [default: 20].
    #[arg(long, value_name = "NATIVE", value_parser = not_negative)]
    max_arbitrage_per_auction: Option<f64>,
}

fn above_one(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|x| x.is_finite() && *x > 1.0).ok_or_else(|| "expected a number above 1".to_owned())
}

fn not_negative(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|x| x.is_finite() && *x >= 0.0).ok_or_else(|| "expected a number of at least 0".to_owned())
}

impl EngineArgs {
    /// The configuration, with what is said besides it.
    pub(super) fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = match &self.config {
            Some(path) => Settings::read(path).with_context(|| path.display().to_string())?,
            None => Settings::default(),
        };
        let engine = &mut settings.engine;
        engine.denied_tokens.extend(&self.deny_tokens);
        engine.denied_pools.extend(&self.deny_pools);
        for (said, setting) in [
            (self.quarantine_factor, &mut engine.quarantine_factor),
            (self.max_arbitrage_per_pool, &mut engine.max_arbitrage_per_pool),
            (self.max_arbitrage_per_auction, &mut engine.max_arbitrage_per_auction),
        ] {
            *setting = said.unwrap_or(*setting);
        }
        Ok(settings)
    }

    /// The auction, with the kinds of liquidity that are wanted and the orders that the configuration offers.
    pub(super) fn auction(&self, request: &ballast_wire::Auction) -> anyhow::Result<Auction> {
        let mut auction = Auction::new(request, |kind| self.venues.is_empty() || self.venues.iter().any(|v| v.is(kind)));
        let settings = self.settings()?;
        if let Some(source) = settings.jit.open(&settings.settlement.contracts).context("[jit]")? {
            let offers = source.offers(&auction);
            auction.offer(offers);
        }
        Ok(auction)
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
    pub(super) fn settings(&self) -> anyhow::Result<Settings> {
        self.engine.settings()
    }

    /// Where the configuration lies.
    #[cfg(feature = "chain")]
    pub(super) fn folder(&self) -> &Path {
        self.engine.config.as_deref().and_then(Path::parent).unwrap_or(Path::new(""))
    }

    pub(super) fn read(&self) -> anyhow::Result<Auction> {
        self.auction(&self.request()?)
    }

    /// The auction as it is solved.
    pub(super) fn auction(&self, request: &ballast_wire::Auction) -> anyhow::Result<Auction> {
        self.engine.auction(request)
    }

    /// The request as it came, and the auction that is made of it.
    pub(super) fn read_both(&self) -> anyhow::Result<(ballast_wire::Auction, Auction)> {
        let request = self.request()?;
        let auction = self.auction(&request)?;
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
