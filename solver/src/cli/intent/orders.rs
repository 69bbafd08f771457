//! `ballast intent orders`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::{MarketArgs, VaultArgs, show};
use crate::cli::request::timer;
use crate::cli::table;
use crate::intent::orders::orders;
use crate::intent::size::{Answer, solve};
use crate::market::Market;
use crate::settlement::encode::domain_separator;

/// Export an intent as orders of a batch auction, whose limits keep any fills of them within what the intent may lose.
///
/// Prints a table to stderr, and the orders as JSON to stdout: the fields that CoW Protocol's order has, to be signed
/// by the vault for the settlement contract that the configuration names; `appData` is the intent's digest.
#[derive(Debug, Args)]
pub(super) struct OrdersArgs {
    #[command(flatten)]
    vault: VaultArgs,

    #[command(flatten)]
    market: MarketArgs,
}

impl OrdersArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let vault = self.vault.known()?;
        let settings = self.market.engine.settings()?;
        let auction = self.market.auction(self.market.file().snapshot()?.as_ref(), &settings)?;
        let moment = vault.state.moment();
        vault.state.admit(&vault.intent, &vault.portfolio)?;
        let task = vault.task(&moment);
        let mut drops = auction.drops.clone();
        let (auction, answer) = solve(&task, &auction, &settings.engine, &mut drops, &timer(self.market.budget))?;
        let Answer::Rebalance(rebalance) = answer else { bail!("nothing to do") };
        let exported = orders(&task, &rebalance.after, None).context("the vault's numbers do not fit an order")?;
        let mut table = table::table(&["sells", "for at least", "limit below the oracles, bps"], 0);
        let of = |token, amount| {
            let index = vault.intent.assets.iter().position(|asset| asset.token == token);
            let holding = index.and_then(|index| vault.portfolio.holdings.get(index));
            holding.map_or((String::new(), 0.0), |h| {
                let units = f64::from(amount) / f64::from(h.unit);
                (format!("{} {}", table::digits(units), show::name(Some(&auction), token)), f64::from(amount) * h.atom())
            })
        };
        for order in &exported.orders {
            let ((sold, paid), (bought, got)) = (of(order.sell, order.sell_amount), of(order.buy, order.buy_amount));
            table.add_row([sold, bought, format!("{:.3}", 1e4 * (1.0 - got / paid))]);
        }
        let money = |x| show::amount(f64::from(x) / 1e18);
        table::say(&format!(
            "{table}\nall of them lose at most {} of the {} allowed",
            money(exported.worst),
            money(exported.allowed)
        ));
        let orders = exported.json(&vault.intent, &domain_separator(&settings.settlement.contracts))?;
        table::print(&serde_json::to_string_pretty(&orders)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
