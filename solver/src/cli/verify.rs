//! `ballast verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use ballast_wire::{Reply, Trade};
use clap::Args;

use super::request::{RequestArgs, read};
use super::table;
use crate::jit::Offer;
use crate::settlement::verify;

/// Check a reply against its auction, independently of how it was found.
///
/// Every solution is replayed on the auction's pools with the venues' own arithmetic: prices, fills, limits, fees, every swap, and
/// every token's balance. Exits with 1 if a solution does not pass.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    request: RequestArgs,

    /// The reply: a JSON file as sent to the driver.
    reply: PathBuf,
}

impl VerifyArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut auction = self.request.read()?;
        let settings = self.request.settings()?;
        let config = settings.engine;
        let reply = Reply::from_json(&read(&self.reply)?).with_context(|| self.reply.display().to_string())?;
        let solutions = match reply {
            Reply::Solutions { solutions } => solutions,
            Reply::Error { error } => {
                table::say(&format!("the reply is an error: {}", error.code));
                return Ok(ExitCode::FAILURE);
            }
        };
        // Whoever offered them, they are checked as they are written.
        let trades = solutions.iter().flat_map(|solution| &solution.trades);
        let jit: Vec<_> = trades
            .filter_map(|trade| match trade {
                Trade::Jit(jit) if auction.order_of(trade).is_none() => {
                    Offer::new(jit.order.clone(), &settings.settlement.contracts).ok()
                }
                _ => None,
            })
            .collect();
        auction.offer(jit);
        let mut ids = std::collections::BTreeSet::new();
        let checked: Vec<_> = solutions
            .into_iter()
            .map(|solution| {
                let id = solution.id;
                let checked = if ids.insert(id) {
                    verify(&auction, &config, solution).map_err(|violation| violation.to_string())
                } else {
                    Err("id: used twice".to_owned())
                };
                (id, checked)
            })
            .collect();
        let bad = checked.iter().filter(|(_, c)| c.is_err()).count();
        table::print(&table::verdicts(&auction, &checked))?;
        table::print(&format!("{} valid, {bad} bad", checked.len() - bad))?;
        Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
