//! `ballast intent history`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use ballast_store::{Event, Status};
use clap::Args;

use crate::cli::table;
use crate::config::Settings;
use crate::intents;

/// Events that are read at a time.
const TOGETHER: u32 = 1_000;

/// Show an intent's audit trail: every change of where it stands, with its time, cause and numbers.
///
/// It is read from the database that the configuration of `ballast serve` names, whether or not the service runs.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// The intent: the digest that was signed, as the service answers it.
    id: String,

    /// The configuration of the service.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Print the events as JSON, one a line.
    #[arg(long)]
    json: bool,
}

impl HistoryArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.show())
    }

    async fn show(self) -> anyhow::Result<ExitCode> {
        let settings = Settings::read(&self.config).with_context(|| self.config.display().to_string())?;
        let store = intents::open(&settings, self.config.parent().unwrap_or(Path::new(""))).await?;
        // That there is none is an error, not an empty table.
        store.get(&self.id).await?;
        let mut events: Vec<Event> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.position);
            let more = store.events(Some(&self.id), after, TOGETHER).await?;
            if more.is_empty() {
                break;
            }
            events.extend(more);
        }
        if self.json {
            for event in events {
                table::print(&serde_json::to_string(&event)?)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let mut rows = table::table(&["time", "state", "cause", "numbers"], 4);
        for event in &events {
            let time = UNIX_EPOCH.checked_add(Duration::from_millis(event.at)).unwrap_or(UNIX_EPOCH);
            let numbers: Vec<String> = event.numbers.iter().map(|(name, figure)| format!("{name} {figure}")).collect();
            rows.add_row([
                humantime::format_rfc3339_millis(time).to_string(),
                event.status.state().to_string(),
                cause(event),
                numbers.join("\n"),
            ]);
        }
        table::print(&rows.to_string())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Why, and by which transaction.
fn cause(event: &Event) -> String {
    let transaction = match &event.status {
        Status::Submitted { attempt, .. } => Some(attempt.transaction),
        Status::Settled { transaction } => *transaction,
        _ => None,
    };
    transaction.map_or_else(|| event.cause.clone(), |hash| format!("{}\n{hash}", event.cause))
}
