//! The figures that `/metrics` shows.

use std::time::{Duration, Instant};

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::deadline::Deadline;
use crate::archive::Counters;
use crate::auction::{Auction, Drops};
use crate::engine::Report;

const REQUESTS: &str = "ballast_requests_total";
const TIME_LEFT: &str = "ballast_reply_time_left_seconds";
const REPLY: &str = "ballast_reply_seconds";
const SOLUTIONS: &str = "ballast_solutions_total";
const ORDERS: &str = "ballast_orders_total";
const DROPS: &str = "ballast_drops_total";
const GAP: &str = "ballast_gap_bps";
const PROMISED: &str = "ballast_promised_native";
const QUEUED: &str = "ballast_queue_depth";
const WORKING: &str = "ballast_working";
const NOTIFICATIONS: &str = "ballast_notifications_total";
const RELOADS: &str = "ballast_config_reloads_total";
const PANICS: &str = "ballast_panics_total";
const ARCHIVED: &str = "ballast_archived_total";
const ARCHIVE_QUEUED: &str = "ballast_archive_queued_bytes";
const ARCHIVE_DISK: &str = "ballast_archive_disk_bytes";
const ENABLED: &str = "ballast_enabled";

const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 5.0, 10.0, 15.0, 30.0];
const BASIS_POINTS: [f64; 11] = [0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0];

/// The kinds of notification that the driver has; others are counted together, so that nobody outside decides how many series there are.
const KINDS: [&str; 20] = [
    "timeout",
    "emptySolution",
    "duplicatedSolutionId",
    "simulationFailed",
    "invalidClearingPrices",
    "missingPrice",
    "invalidExecutedAmount",
    "nonBufferableTokensUsed",
    "solverAccountInsufficientBalance",
    "settlementStarted",
    "success",
    "revert",
    "driverError",
    "cancelled",
    "expired",
    "fail",
    "postprocessingTimedOut",
    "deserializationError",
    "banned",
    "unsupportedToken",
];

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Solved in time, with or without solutions.
    Answered,
    /// The search had to be cut short; what it had found was sent.
    Cut,
    /// The deadline was past, or too close.
    PastDeadline,
    /// Nothing was there by the time to reply.
    Late,
    /// The queue was full.
    Overloaded,
    /// Solving is switched off, or the service is going down.
    Stopped,
    /// A panic.
    Failed,
}

impl Outcome {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Cut => "cut",
            Self::PastDeadline => "past_deadline",
            Self::Late => "late",
            Self::Overloaded => "overloaded",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// Starts to keep the figures of this process.
pub(super) fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bps".to_owned()), &BASIS_POINTS)?
        .install_recorder()?;
    describe_counter!(REQUESTS, Unit::Count, "requests to solve, by kind and by how they ended");
    describe_histogram!(TIME_LEFT, Unit::Seconds, "time left to the driver's deadline when a reply was ready, slack included");
    describe_histogram!(REPLY, Unit::Seconds, "time from the end of the request's head to the reply");
    describe_counter!(SOLUTIONS, Unit::Count, "solutions sent");
    describe_counter!(ORDERS, Unit::Count, "orders of auctions, by whether they were filled");
    describe_counter!(DROPS, Unit::Count, "orders and pools left out, by reason");
    describe_histogram!(GAP, "gap to the bound over all of an auction's filled orders, in basis points of what is traded");
    describe_gauge!(PROMISED, "score of all solutions sent since the start, in native tokens");
    describe_gauge!(QUEUED, Unit::Count, "requests that wait for a worker");
    describe_gauge!(WORKING, Unit::Count, "requests being worked on");
    describe_counter!(NOTIFICATIONS, Unit::Count, "notifications from the driver, by kind");
    describe_counter!(RELOADS, Unit::Count, "attempts to read the configuration again, by result");
    describe_counter!(PANICS, Unit::Count, "defects of ours that were caught");
    describe_counter!(
        ARCHIVED,
        Unit::Count,
        "auctions for the archive, by what came of them: stored, dropped unwritten, failed on the disk"
    );
    describe_gauge!(ARCHIVE_QUEUED, Unit::Bytes, "auctions and replies that wait for the archive's disk");
    describe_gauge!(ARCHIVE_DISK, Unit::Bytes, "what the archive takes on disk");
    describe_gauge!(ENABLED, "1 while auctions are solved, 0 while they are switched off");
    metrics_process::Collector::default().describe();
    for name in [PANICS, SOLUTIONS] {
        counter!(name).absolute(0);
    }
    Ok(handle)
}

/// All figures as Prometheus reads them.
pub(super) fn render(handle: &PrometheusHandle, archive: Option<Counters>) -> String {
    metrics_process::Collector::default().collect();
    if let Some(Counters { stored, dropped, failed, queued_bytes, disk_bytes }) = archive {
        for (result, count) in [("stored", stored), ("dropped", dropped), ("failed", failed)] {
            counter!(ARCHIVED, "result" => result).absolute(count);
        }
        gauge!(ARCHIVE_QUEUED).set(queued_bytes as f64);
        gauge!(ARCHIVE_DISK).set(disk_bytes as f64);
    }
    handle.run_upkeep();
    handle.render()
}

pub(super) fn replied(quote: bool, outcome: Outcome, taken: Duration, deadline: Option<&Deadline>) {
    let kind = if quote { "quote" } else { "auction" };
    counter!(REQUESTS, "kind" => kind, "outcome" => outcome.name()).increment(1);
    histogram!(REPLY, "kind" => kind).record(taken);
    if let Some(deadline) = deadline {
        histogram!(TIME_LEFT, "kind" => kind).record(deadline.driver.saturating_duration_since(Instant::now()));
    }
}

pub(super) fn solved(auction: &Auction, report: &Report) {
    dropped(&report.drops);
    if auction.id.is_none() {
        return;
    }
    let (mut filled, mut gap, mut size) = (0_u32, 0.0, 0.0);
    for (_, one) in report.filled() {
        filled += 1;
        gap += one.gaps.total;
        size += one.gaps.size;
    }
    counter!(ORDERS, "result" => "filled").increment(filled.into());
    counter!(ORDERS, "result" => "unfilled").increment((report.answers.len() as u64).saturating_sub(filled.into()));
    if size > 0.0 && gap.is_finite() {
        histogram!(GAP).record(1e4 * gap / size);
    }
}

/// So many solutions are sent, which promise so many native tokens.
pub(super) fn sent(solutions: usize, promised: f64) {
    counter!(SOLUTIONS).increment(solutions as u64);
    gauge!(PROMISED).increment(promised);
}

fn dropped(drops: &Drops) {
    for ((subject, reason), group) in drops.by_reason() {
        // What follows a colon is particular.
        let reason = reason.split(':').next().unwrap_or_default().to_owned();
        counter!(DROPS, "subject" => subject.to_string(), "reason" => reason).increment(group.len() as u64);
    }
}

pub(super) fn queued(lane: &'static str, waiting: usize) {
    gauge!(QUEUED, "lane" => lane).set(waiting as f64);
}

pub(super) fn working(lane: &'static str, change: f64) {
    gauge!(WORKING, "lane" => lane).increment(change);
}

pub(super) fn notified(kind: &str) {
    let kind = KINDS.into_iter().find(|known| *known == kind).unwrap_or("other");
    counter!(NOTIFICATIONS, "kind" => kind).increment(1);
}

pub(super) fn reloaded(done: bool) {
    counter!(RELOADS, "result" => if done { "done" } else { "refused" }).increment(1);
}

pub(super) fn panicked() {
    counter!(PANICS).increment(1);
}

pub(super) fn enabled(enabled: bool) {
    gauge!(ENABLED).set(if enabled { 1.0 } else { 0.0 });
}
