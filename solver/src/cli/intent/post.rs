//! `ballast intent post` and `ballast intent watch`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ballast_store::{Event, State, Status};
use ballast_wire::intent::Intent;
use clap::Args;
use reqwest::blocking::{Client, Response};

use crate::cli::request::read;
use crate::cli::table;
use crate::intent::digest;

/// How often a service is tried that does not listen yet.
const AGAIN: Duration = Duration::from_millis(50);

/// Post a signed intent to a running `ballast serve`, which watches it from then on.
#[derive(Debug, Args)]
pub(super) struct PostArgs {
    /// The signed intent (JSON).
    intent: PathBuf,

    #[command(flatten)]
    service: ServiceArgs,

    /// Watch it to its end, as `ballast intent watch` does.
    #[arg(long)]
    watch: bool,
}

/// Watch an intent at a running `ballast serve`: its events so far, and those to come until its end. Exits with 1 unless it is settled.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// The intent: the digest that was signed, as posting answers it.
    id: String,

    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Debug, Args)]
struct ServiceArgs {
    /// Where the service listens.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7872", env = "BALLAST_URL")]
    url: String,

    /// How long to wait for it to listen.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    patience: Duration,
}

impl PostArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let intent = Intent::from_json(&read(&self.intent)?).with_context(|| self.intent.display().to_string())?;
        let body = serde_json::to_vec(&intent)?;
        let id = digest(&intent).to_string();
        let client = Client::builder().timeout(None).build()?;
        let url = format!("{}/v1/intents", self.service.url);
        let answer = self.service.ask(|| client.post(&url).body(body.clone()).send())?;
        let new = answer.status() == reqwest::StatusCode::CREATED;
        table::print(&format!("{} {id}", if new { "posted" } else { "known already:" }))?;
        if self.watch { self.service.watch(&client, &id) } else { Ok(ExitCode::SUCCESS) }
    }
}

impl WatchArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.service.watch(&Client::builder().timeout(None).build()?, &self.id)
    }
}

impl ServiceArgs {
    /// The service's answer, once it listens; what it refuses is an error in its own words.
    fn ask(&self, request: impl Fn() -> reqwest::Result<Response>) -> anyhow::Result<Response> {
        let began = Instant::now();
        let answer = loop {
            match request() {
                Err(error) if error.is_connect() && began.elapsed() < self.patience => std::thread::sleep(AGAIN),
                answer => break answer.with_context(|| format!("no service at {}", self.url))?,
            }
        };
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let problem: serde_json::Value = answer.json().unwrap_or_default();
        let word = |name: &str| problem[name].as_str().map(str::to_owned);
        match (word("field"), word("message")) {
            (Some(field), Some(message)) if !message.starts_with(&field) => bail!("{status}: {field}: {message}"),
            (_, Some(message)) => bail!("{status}: {message}"),
            _ => bail!("{status}"),
        }
    }

    /// Prints events as they come, until the last.
    fn watch(&self, client: &Client, id: &str) -> anyhow::Result<ExitCode> {
        let mut last = 0;
        loop {
            let url = format!("{}/v1/intents/{id}/events", self.url);
            let stream = self.ask(|| client.get(&url).header("last-event-id", last).send())?;
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let Some(event) = line.strip_prefix("data: ") else { continue };
                let event: Event = serde_json::from_str(event).context("the service's event cannot be read")?;
                last = event.position;
                table::print(&self::line(&event))?;
                let state = event.status.state();
                if state.is_final() {
                    return Ok(if state == State::Settled { ExitCode::SUCCESS } else { ExitCode::FAILURE });
                }
            }
            // It has ended, or been ended: what comes after the last event is asked for again.
        }
    }
}

/// An event in a line.
fn line(event: &Event) -> String {
    let name = format!("{:<10}", event.status.state().name());
    let more = match &event.status {
        Status::Submitted { attempt, .. } => format!(" ({})", attempt.transaction),
        _ => ["value", "cost", "valueAfter"]
            .iter()
            .find_map(|figure| event.numbers.get_key_value(*figure))
            .map(|(figure, number)| format!(" ({figure} {number})"))
            .unwrap_or_default(),
    };
    format!("{name} {}{more}", event.cause)
}
