//! Solutions as they are found, and the reply that is made of them.

use alloy_primitives::U256;
use axum::body::Bytes;
use ballast_wire::{Reply, Solution};
use bytesize::ByteSize;
use parking_lot::Mutex;

use super::failures::{Failures, Suspect, suspects};
use super::metrics;
use crate::archive::Summary;
use crate::auction::Auction;
use crate::config::Settings;
use crate::pipeline;
use crate::settlement::Verified;

/// A reply without solutions: what the driver takes as an ordinary outcome. An HTTP error it would count as a failure of this solver, so
/// that being late, busy or switched off is no error.
pub(super) const NOTHING: &[u8] = br#"{"solutions":[]}"#;

/// What has been found of an auction so far.
pub(super) struct Found {
    /// The orders that it has.
    orders: usize,
    /// `None` once a reply is being made of it.
    solutions: Mutex<Option<Vec<One>>>,
}

struct One {
    score: U256,
    solution: Solution,
    suspects: Vec<Suspect>,
}

impl Found {
    pub(super) fn new(orders: usize) -> Self {
        Self { orders, solutions: Mutex::new(Some(Vec::new())) }
    }

    /// Adds a solution, if it is not too late for it.
    pub(super) fn add(&self, auction: &Auction, settings: &Settings, verified: &Verified) {
        let solution = pipeline::finished(auction, settings, verified.solution().clone());
        let suspects = suspects(auction, &solution);
        tracing::debug!(order = solution.id, score = %verified.score(), "found");
        let one = One { score: verified.score(), solution, suspects };
        if let Some(found) = &mut *self.solutions.lock() {
            // A later one for the same orders takes the place of the one before.
            match found.iter_mut().find(|known| known.solution.id == one.solution.id) {
                Some(known) => *known = one,
                None => found.push(one),
            }
        }
    }

    /// The reply, the best solution first, and what it comes to; `None` if somebody else makes it. What it consists of is remembered.
    pub(super) fn reply(&self, auction: Option<&str>, most: ByteSize, failures: &Failures) -> Option<(Bytes, Summary)> {
        let mut found = self.solutions.lock().take()?;
        // The order in which they were found is not the same twice; they are numbered by order.
        found.sort_by(|a, b| b.score.cmp(&a.score).then(a.solution.id.cmp(&b.solution.id)));
        let summary = Summary::of(self.orders, found.iter().map(|one| (one.score, &one.solution)).collect());
        let (scores, rest): (Vec<_>, Vec<_>) = found.into_iter().map(|one| (one.score, (one.solution, one.suspects))).unzip();
        let (mut solutions, suspects): (Vec<_>, Vec<_>) = rest.into_iter().unzip();
        solutions.iter_mut().zip(0..).for_each(|(solution, id)| solution.id = id);
        let (text, kept) = write(solutions, most);
        if let Some(auction) = auction {
            failures.remember(auction, (0..).zip(suspects).take(kept));
            metrics::sent(kept, scores.iter().take(kept).map(|score| f64::from(*score) * 1e-18).sum());
        }
        tracing::info!(solutions = kept, "solved");
        Some((text, summary))
    }
}

/// The reply's text, with fewer solutions if it would be too long otherwise; how many are in it.
fn write(mut solutions: Vec<Solution>, most: ByteSize) -> (Bytes, usize) {
    while !solutions.is_empty() {
        let kept = solutions.len();
        let reply = Reply::Solutions { solutions };
        match serde_json::to_vec(&reply) {
            Ok(text) if text.len() as u64 <= most.as_u64() => return (text.into(), kept),
            Ok(text) => tracing::warn!(bytes = text.len(), "the reply is too long: the worse half of the solutions is left out"),
            Err(error) => {
                tracing::error!(%error, "a reply cannot be written");
                break;
            }
        }
        let Reply::Solutions { solutions: mut again } = reply else { break };
        again.truncate(kept / 2);
        solutions = again;
    }
    (Bytes::from_static(NOTHING), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_keeps_the_best_that_fit_and_is_made_once() {
        let mut auction = Auction::new(&ballast_fixtures::demo(), |_| true);
        auction.orders.truncate(3);
        let (settings, found, failures) = (Settings::default(), Found::new(3), Failures::new());
        let sink = |auction: &Auction, verified: &Verified| found.add(auction, &settings, verified);
        let report = pipeline::solve_with(&mut auction, &settings, &|| false, &sink);
        let all = report.solutions();
        let (text, summary) = found.reply(Some("1"), ByteSize::mb(1), &failures).unwrap();
        assert_eq!(summary, Summary { gap_bps: None, ..Summary::new(&report) });
        assert_eq!(text, serde_json::to_vec(&Reply::Solutions { solutions: all.clone() }).unwrap());
        assert_eq!(found.reply(Some("1"), ByteSize::mb(1), &failures), None);
        let (part, kept) = write(all.clone(), ByteSize::b(text.len() as u64 - 1));
        assert_eq!(kept, all.len() / 2);
        assert_eq!(part, serde_json::to_vec(&Reply::Solutions { solutions: all[..kept].to_vec() }).unwrap());
        assert_eq!(write(all, ByteSize::b(20)), (Bytes::from_static(NOTHING), 0));
    }
}
