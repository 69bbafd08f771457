//! `ballast replay`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use ballast_wire as wire;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::request::{EngineArgs, read, timer};
use super::table::{self, digits, eth};
use crate::archive::{self, Meta, Summary};
use crate::config::Config;
use crate::engine;

/// Solve archived auctions again, and compare with what was answered then.
///
/// Takes a folder of archived auctions (`*.tar.zst`, as the service writes them) or plain ones (`*.json`, as the driver posts them to
/// `/solve`), or one such file. The table has score, gap and time of each, then and now, and their ratios; what cannot be solved again is
/// named. Exits with 1 if nothing could be.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The folder, or a file.
    #[arg(value_name = "DIR")]
    path: PathBuf,

    #[command(flatten)]
    engine: EngineArgs,

    /// Time for each auction, such as `2s` or `500ms`.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    budget: Duration,

    /// Print the comparison on stdout, as JSON, instead of the table.
    #[arg(long)]
    json: bool,
}

/// An auction, then and now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    file: String,
    id: Option<String>,
    /// What was noted when it was answered; none of plain auctions.
    #[serde(skip_serializing_if = "Option::is_none")]
    then: Option<Meta>,
    now: Summary,
    now_ms: f64,
}

/// A file that could not be solved again.
#[derive(Debug, Serialize)]
struct Failed {
    file: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Comparison {
    auctions: Vec<Replayed>,
    failed: Vec<Failed>,
    totals: Totals,
}

/// Over the auctions that were solved then and now.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Totals {
    compared: usize,
    better: usize,
    worse: usize,
    filled: [usize; 2],
    /// Native tokens.
    score: [f64; 2],
    /// Medians.
    gap_bps: [f64; 2],
    /// Medians.
    ms: [f64; 2],
}

impl ReplayArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let files = files(&self.path)?;
        let config = self.engine.settings()?.engine;
        let bar = ProgressBar::new(files.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} auctions (eta {eta})") {
            bar.set_style(style);
        }
        let (mut auctions, mut failed) = (Vec::new(), Vec::new());
        for path in files {
            match self.again(&path, &config) {
                Ok(replayed) => auctions.push(replayed),
                Err(error) => failed.push(Failed { file: name(&path), reason: format!("{error:#}") }),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        for Failed { file, reason } in &failed {
            table::say(&format!("not solved again: {file}: {reason}"));
        }
        let code = if auctions.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        let totals = Totals::new(&auctions);
        if self.json {
            table::print(&serde_json::to_string_pretty(&Comparison { auctions, failed, totals })?)?;
        } else {
            table::print(&rows(&auctions))?;
            table::print(&totals.to_string())?;
        }
        Ok(code)
    }

    fn again(&self, path: &Path, config: &Config) -> anyhow::Result<Replayed> {
        let (then, json) = if archive::is_archived(path) {
            let record = archive::read(path)?;
            (Some(record.meta), record.auction)
        } else {
            (None, read(path)?.into())
        };
        let began = Instant::now();
        let request = wire::Auction::from_json(&json)?;
        let report = engine::run(&self.engine.auction(&request)?, config, &timer(self.budget));
        let now_ms = began.elapsed().as_secs_f64() * 1e3;
        Ok(Replayed { file: name(path), id: request.id, then, now: Summary::new(&report), now_ms })
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The auctions of a folder, by name and so by time.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let cannot = || format!("cannot list {}", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(cannot)? {
        let file = entry.with_context(cannot)?.path();
        if archive::is_archived(&file) || file.extension().is_some_and(|e| e == "json") {
            files.push(file);
        }
    }
    files.sort();
    anyhow::ensure!(!files.is_empty(), "{}: no archived auction (*.tar.zst) and no plain one (*.json)", path.display());
    Ok(files)
}

impl Replayed {
    fn found(&self) -> Option<(&Meta, &Summary)> {
        self.then.as_ref().and_then(|meta| Some((meta, meta.found.as_ref()?)))
    }
}

impl Totals {
    fn new(auctions: &[Replayed]) -> Self {
        let mut this = Self::default();
        let (mut gaps, mut times) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
        for (replayed, (meta, then)) in auctions.iter().filter_map(|a| a.found().map(|found| (a, found))) {
            this.compared += 1;
            this.better += usize::from(replayed.now.score.0 > then.score.0);
            this.worse += usize::from(replayed.now.score.0 < then.score.0);
            for (k, (summary, ms)) in [(then, meta.reply_ms), (&replayed.now, replayed.now_ms)].into_iter().enumerate() {
                this.filled[k] += summary.filled;
                this.score[k] += eth(summary.score.0);
                gaps[k].extend(summary.gap_bps);
                times[k].push(ms);
            }
        }
        this.gap_bps = gaps.map(median);
        this.ms = times.map(median);
        this
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The ratio of now to then.
fn ratio([then, now]: [f64; 2]) -> String {
    if then > 0.0 { format!("{:.4}", now / then) } else { "-".to_owned() }
}

fn gap(summary: &Summary) -> String {
    summary.gap_bps.map_or_else(|| "-".to_owned(), |gap| format!("{gap:.3}"))
}

fn rows(auctions: &[Replayed]) -> String {
    let header =
        ["auction", "answered", "orders", "filled", "then", "score", "then", "ratio", "gap bps", "then", "ms", "then", "ratio"];
    let mut table = table::table(&header, 2);
    for replayed in auctions {
        let Replayed { now, now_ms, .. } = replayed;
        let then = |show: fn(&Meta, &Summary) -> String| replayed.found().map_or_else(|| "-".to_owned(), |(m, s)| show(m, s));
        let ratios =
            replayed.found().map(|(meta, then)| [[eth(then.score.0), eth(now.score.0)], [meta.reply_ms, *now_ms]].map(ratio));
        let [score, time] = ratios.unwrap_or_else(|| ["-".to_owned(), "-".to_owned()]);
        table.add_row([
            replayed.id.clone().unwrap_or_else(|| "(quote)".to_owned()),
            replayed.then.as_ref().map_or_else(|| "-".to_owned(), |m| humantime::format_rfc3339_seconds(m.received).to_string()),
            now.orders.to_string(),
            now.filled.to_string(),
            then(|_, s| s.filled.to_string()),
            digits(eth(now.score.0)),
            then(|_, s| digits(eth(s.score.0))),
            score,
            gap(now),
            then(|_, s| gap(s)),
            format!("{now_ms:.1}"),
            then(|m, _| format!("{:.1}", m.reply_ms)),
            time,
        ]);
    }
    table.to_string()
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { compared, better, worse, filled, score, gap_bps, ms } = self;
        if *compared == 0 {
            return write!(f, "nothing to compare with: no file says what was answered then");
        }
        writeln!(f, "{compared} auctions compared: {better} better, {worse} worse, {} the same", compared - better - worse)?;
        writeln!(f, "orders filled  then {}, now {}", filled[0], filled[1])?;
        writeln!(f, "score native   then {}, now {}, ratio {}", digits(score[0]), digits(score[1]), ratio(*score))?;
        writeln!(f, "gap median     then {:.3}, now {:.3} bps", gap_bps[0], gap_bps[1])?;
        write!(f, "time median    then {:.1}, now {:.1} ms, ratio {}", ms[0], ms[1], ratio(*ms))
    }
}
