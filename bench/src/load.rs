//! A driver in a hurry: auctions at a steady rate against a running service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use ballast_fixtures::{Limits, OrderConfig, UniverseConfig, document, orders, universe};
use ballast_wire::{OrderUid, Reply, Trade};
use clap::Args;
use reqwest::blocking::Client;
use serde_json::json;

use crate::show::{Report, machine, short, table};

/// Sends auctions to a running `ballast serve` at a steady rate, and measures the replies.
///
/// Auctions go out by the clock whether or not earlier ones are answered, so that a service that falls behind is seen to.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Where the service listens.
    #[arg(long, default_value = "http://127.0.0.1:7872")]
    url: String,
    /// Auctions to send.
    #[arg(long, default_value_t = 200)]
    auctions: usize,
    /// Auctions a minute.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Orders of an auction.
    #[arg(long, default_value_t = 50)]
    orders: usize,
    /// Pools of an auction.
    #[arg(long, default_value_t = 842)]
    pools: usize,
    /// Time from sending an auction to its deadline.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    deadline: Duration,
    /// Different auctions, sent in turn.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..))]
    variants: u64,
    /// How much below the fair price limits are on average, in basis points: the more, the more orders can be filled.
    #[arg(long, default_value_t = 80.0, allow_negative_numbers = true)]
    room: f64,
}

/// The service's own figures of its memory, in bytes, and of its processor time; how often it is asked for the first.
const MEMORY: &str = "process_resident_memory_bytes";
const PROCESSOR: &str = "process_cpu_seconds_total";
const MEMORY_SAMPLES: usize = 10;

/// What became of one auction.
struct Answer {
    seconds: f64,
    /// Seconds to the deadline when all of the reply was there.
    left: f64,
    solutions: usize,
    /// Orders with a solution.
    filled: usize,
}

impl LoadArgs {
    pub(crate) fn run(self) -> anyhow::Result<Report> {
        ensure!(self.rate > 0.0 && self.rate.is_finite(), "--rate: expected a number above 0");
        let texts = (1..=self.variants).map(|seed| self.text(seed)).collect::<Result<Vec<_>, _>>()?;
        let client = Client::builder().timeout(self.deadline * 10).build()?;
        let figures = || Figures::read(&client, &self.url);
        let before = figures()?;
        let began = Instant::now();
        let (answered, answers) = channel();
        let mut memory = vec![(0, before.get(MEMORY)?)];
        for number in 0..self.auctions {
            let due = Duration::from_secs_f64(60.0 / self.rate * number as f64);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            self.send(&client, texts[number % texts.len()].clone(), number, answered.clone());
            // Once each variant has been seen a few times, memory has no reason to grow.
            let sent = number + 1;
            if sent < self.auctions && sent % self.auctions.div_ceil(MEMORY_SAMPLES) == 0 {
                memory.push((sent, figures()?.get(MEMORY)?));
            }
        }
        drop(answered);
        let answers = answers.iter().collect::<anyhow::Result<Vec<Answer>>>()?;
        let elapsed = began.elapsed().as_secs_f64();
        let after = figures()?;
        memory.push((self.auctions, after.get(MEMORY)?));
        let processor = after.get(PROCESSOR)? - before.get(PROCESSOR)?;
        let (outcomes, dropped) = (after.since(&before, "ballast_requests_total"), after.since(&before, "ballast_drops_total"));
        let (seconds, left) = (sorted(answers.iter().map(|a| a.seconds)), sorted(answers.iter().map(|a| a.left)));
        let missed = answers.iter().filter(|a| a.left < 0.0).count();
        let empty = answers.iter().filter(|a| a.solutions == 0).count();
        let each = |of: fn(&Answer) -> usize| answers.iter().map(of).sum::<usize>() as f64 / answers.len() as f64;
        let (filled, solutions) = (each(|a| a.filled), each(|a| a.solutions));
        let ms = |part| short(1e3 * quantile(&seconds, part));
        let rows = vec![vec![
            answers.len().to_string(),
            short(60.0 * answers.len() as f64 / elapsed),
            ms(0.5),
            ms(0.99),
            ms(1.0),
            short(1e3 * quantile(&left, 0.0)),
            missed.to_string(),
            empty.to_string(),
            short(filled),
            short(solutions),
            short(processor / elapsed),
        ]];
        let header = [
            "auctions",
            "a minute",
            "ms p50",
            "p99",
            "worst",
            "ms left, least",
            "missed",
            "empty",
            "orders filled each",
            "solutions each",
            "processors",
        ];
        let counts = |counts: &BTreeMap<String, f64>| {
            table(&["as the service counts", ""], counts.iter().map(|(name, count)| vec![name.clone(), count.to_string()]))
        };
        let text = format!(
            "{}\n\n{} orders on {} pools, limits {} bps below fair on average, deadline {:?} after sending, {} different auctions\n{}\n{}\n{}\n{}",
            machine(),
            self.orders,
            self.pools,
            self.room,
            self.deadline,
            self.variants,
            table(&header, rows),
            counts(&outcomes),
            counts(&dropped),
            table(
                &["auctions sent", "resident memory, MB"],
                memory.iter().map(|(sent, bytes)| vec![sent.to_string(), format!("{:.0}", bytes / 1e6)])
            )
        );
        let figures = json!({
            "auctions": answers.len(), "per_minute": 60.0 * answers.len() as f64 / elapsed,
            "seconds": { "p50": quantile(&seconds, 0.5), "p99": quantile(&seconds, 0.99), "worst": quantile(&seconds, 1.0) },
            "seconds_left_least": quantile(&left, 0.0), "missed": missed, "empty": empty, "filled_each": filled,
            "solutions_each": solutions, "processors": processor / elapsed, "outcomes": outcomes, "dropped": dropped,
            "resident_bytes": memory,
        });
        Ok(Report { text, figures })
    }

    /// An auction's text, with marks where number and deadline go.
    fn text(&self, seed: u64) -> anyhow::Result<String> {
        let mut auction = universe(&UniverseConfig::new(self.pools, seed));
        let drawn = OrderConfig::new(self.orders, seed);
        let limits = Limits { mean_bps: -self.room, ..drawn.limits };
        orders(&mut auction, &OrderConfig { limits, ..drawn });
        (auction.id, auction.deadline) = (Some("@id".to_owned()), "@deadline".to_owned());
        Ok(document(&auction)?)
    }

    /// Sends an auction from a thread of its own.
    fn send(&self, client: &Client, text: String, number: usize, answered: Sender<anyhow::Result<Answer>>) {
        let (client, url, allowed) = (client.clone(), format!("{}/solve", self.url), self.deadline);
        std::thread::spawn(move || {
            let answer = || {
                let began = Instant::now();
                let deadline = humantime::format_rfc3339_millis(SystemTime::now() + allowed).to_string();
                let body = text.replacen("@id", &number.to_string(), 1).replacen("@deadline", &deadline, 1);
                let reply = client.post(url).body(body).send()?.error_for_status()?.bytes()?;
                let taken = began.elapsed();
                let solutions = match Reply::from_json(&reply)? {
                    Reply::Solutions { solutions } => solutions,
                    Reply::Error { .. } => Vec::new(),
                };
                let filled: BTreeSet<OrderUid> = solutions.iter().flat_map(|s| &s.trades).filter_map(order).collect();
                let seconds = taken.as_secs_f64();
                let left = allowed.as_secs_f64() - seconds;
                Ok(Answer { seconds, left, solutions: solutions.len(), filled: filled.len() })
            };
            // Whoever listened has given up.
            let _ = answered.send(answer());
        });
    }
}

/// One figure of a service's `/metrics`.
pub(crate) fn figure(client: &Client, url: &str, name: &str) -> anyhow::Result<f64> {
    Figures::read(client, url)?.get(name)
}

fn order(trade: &Trade) -> Option<OrderUid> {
    match trade {
        Trade::Fulfillment(fill) => Some(fill.order),
        Trade::Jit(_) => None,
    }
}

/// A service's `/metrics`, by name and labels.
struct Figures(BTreeMap<String, f64>);

impl Figures {
    fn read(client: &Client, url: &str) -> anyhow::Result<Self> {
        let reply = client.get(format!("{url}/metrics")).send().with_context(|| format!("no service at {url}"))?;
        let text = reply.error_for_status()?.text()?;
        let figure = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(Self(text.lines().filter_map(figure).collect()))
    }

    fn get(&self, name: &str) -> anyhow::Result<f64> {
        self.0.get(name).copied().with_context(|| format!("/metrics has no {name}"))
    }

    /// What a counter has counted since, by its labels, as far as it has.
    fn since(&self, before: &Self, name: &str) -> BTreeMap<String, f64> {
        let counted = self.0.iter().filter_map(|(figure, value)| {
            let labels = figure.strip_prefix(name)?.trim_matches(['{', '}']);
            let more = value - before.0.get(figure).copied().unwrap_or_default();
            (more > 0.0).then(|| (labels.to_owned(), more))
        });
        counted.collect()
    }
}

pub(crate) fn sorted(sample: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sample: Vec<f64> = sample.collect();
    sample.sort_by(f64::total_cmp);
    sample
}

/// The smallest of a sorted sample that this part of it is not above.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let index = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or_default()
}
