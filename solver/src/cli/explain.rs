//! `ballast explain`.

mod text;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use ballast_wire::{self as wire, OrderUid};
use clap::Args;

use super::request::{RequestArgs, timer};
use super::table;
use crate::auction::Subject;
use crate::batch::Liquidity;
use crate::explain::Explanation;

/// Say why an order was filled as it was, or not at all.
///
/// Solves the one order and shows the swaps with their prices, what was paid for gas, what no solution could exceed, and what binds. For
/// an order that is not filled, or only in part, the engine is asked what limit would do, and the route it would then take is shown.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    request: RequestArgs,

    /// The order: its uid, the beginning of it, or its place in the auction, from 0.
    order: String,

    /// Draw the route: tokens in columns, swaps as bands as wide as the value that flows.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Time to stop at, such as `2s` or `500ms`.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration, value_name = "TIME")]
    budget: Duration,
}

impl ExplainArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (request, auction) = self.request.read_both()?;
        let config = self.request.settings()?.engine;
        let uid = match find(&request, &self.order)? {
            Found::Order(uid) => uid,
            Found::Malformed(why) => {
                table::print(&format!("NOT READ: {why}"))?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let mut drops = auction.drops.clone();
        let liquidity = Liquidity::new(&auction, &config, &mut drops);
        let Some(index) = auction.orders.iter().position(|order| order.uid == uid) else {
            let name = uid.to_string();
            let drop = drops.iter().find(|d| d.subject == Subject::Order && d.name.as_ref() == Some(&name));
            let why = drop.map_or_else(String::new, |d| format!("{}: {}", d.reason, d.detail));
            table::print(&format!("NOT SOLVED: {uid}: {why}"))?;
            return Ok(ExitCode::SUCCESS);
        };
        let explanation = Explanation::new(&request, &auction, &liquidity, &drops, &config, index, &timer(self.budget));
        table::print(&text::explanation(&auction, &liquidity, index, &explanation))?;
        if let Some(path) = self.svg {
            match text::picture(&auction, &liquidity, index, &explanation) {
                Some(picture) => {
                    std::fs::write(&path, picture.to_svg()).with_context(|| format!("cannot write {}", path.display()))?;
                }
                None => table::say("nothing to draw: there is no route"),
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

enum Found {
    Order(OrderUid),
    Malformed(String),
}

/// Finds an order by its uid, the beginning of it, or its place.
fn find(request: &wire::Auction, text: &str) -> anyhow::Result<Found> {
    let count = request.orders.len();
    let at = |place: usize| match &request.orders[place] {
        Ok(order) => Found::Order(order.uid),
        Err(malformed) => Found::Malformed(malformed.to_string()),
    };
    if let Ok(place) = text.parse::<usize>()
        && text.len() < 8
    {
        anyhow::ensure!(place < count, "no order {place}: the auction has {count}, counted from 0");
        return Ok(at(place));
    }
    let prefix = format!("0x{}", text.strip_prefix("0x").unwrap_or(text).to_ascii_lowercase());
    let name = |place: &usize| match &request.orders[*place] {
        Ok(order) => Some(order.uid.to_string()),
        Err(malformed) => malformed.name.clone(),
    };
    let places: Vec<usize> = (0..count).filter(|place| name(place).is_some_and(|name| name.starts_with(&prefix))).collect();
    match places[..] {
        [place] => Ok(at(place)),
        [] => bail!("no order begins with {text}"),
        // The same uid again is dropped, the first stands.
        [first, ..] if prefix.len() == 114 => Ok(at(first)),
        _ => bail!("{} orders begin with {text}: give more of the uid", places.len()),
    }
}
