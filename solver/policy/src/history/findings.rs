//! What reading a price file found: gaps, uneven steps, jumps, and every repair.

use std::fmt;

use serde::Serialize;

use crate::time::{Span, Time};

/// Returns beyond this many robust standard deviations are reported as jumps.
const JUMP: f64 = 8.0;

/// A run of missing prices that the last price was carried over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The asset.
    pub asset: String,
    /// Bars without a price, in all.
    pub bars: usize,
    /// The longest run of them.
    pub longest: usize,
    /// Where that run starts.
    pub from: Time,
}

/// The jumps of one asset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Jump {
    /// The asset.
    pub asset: String,
    /// Bars that jump.
    pub count: usize,
    /// The largest one's log return.
    pub largest: f64,
    /// When it was.
    pub at: Time,
    /// Its size in robust standard deviations of the asset's returns.
    pub sigmas: f64,
}

/// What was found in a price file, and what was done about it.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Findings {
    /// Bars in the history.
    pub bars: usize,
    /// Rows dropped at the start because an asset had no price yet.
    pub dropped_at_start: usize,
    /// The asset that began last, if rows were dropped.
    pub begins_with: Option<String>,
    /// Gaps inside: the last price was carried forward, and forecasts skip the bar.
    pub gaps: Vec<Gap>,
    /// The usual step between bars (the median).
    pub step: Span,
    /// Steps of another length; forecasts scale returns by the time that passed.
    pub uneven_steps: usize,
    /// The longest step.
    pub longest_step: Span,
    /// Returns beyond eight robust standard deviations, per asset.
    pub jumps: Vec<Jump>,
    /// Columns that were not used.
    pub ignored_columns: Vec<String>,
    /// Cells and rows repaired because repair was asked for, each with its line.
    pub repaired: Vec<String>,
}

impl Findings {
    /// Fills in steps and jumps from the finished table.
    pub(super) fn measure(&mut self, assets: &[String], times: &[Time], close: &[f64], stale: &[bool]) {
        self.bars = times.len();
        let steps: Vec<u64> = times.windows(2).filter_map(|w| u64::try_from(w.last()?.since(*w.first()?)).ok()).collect();
        let mut sorted = steps.clone();
        sorted.sort_unstable();
        let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
        self.step = Span::from_seconds(usual);
        self.uneven_steps = steps.iter().filter(|&&s| s != usual).count();
        self.longest_step = Span::from_seconds(sorted.last().copied().unwrap_or(0));
        let n = assets.len();
        for (i, asset) in assets.iter().enumerate() {
            // Returns between fresh prices, scaled to the usual step.
            let fresh = (0..times.len()).filter(|t| !stale.get(t * n + i).copied().unwrap_or(false));
            let points: Vec<(Time, f64)> = fresh.filter_map(|t| Some((*times.get(t)?, *close.get(t * n + i)?))).collect();
            let moves = points.windows(2).filter_map(|w| {
                let (&(before, p), &(at, q)) = (w.first()?, w.last()?);
                let scale = (usual.max(1) as f64 / at.since(before).max(1) as f64).sqrt();
                Some((at, (q / p).ln(), (q / p).ln() * scale))
            });
            let moves: Vec<(Time, f64, f64)> = moves.collect();
            let mut sizes: Vec<f64> = moves.iter().map(|m| m.2.abs()).collect();
            sizes.sort_unstable_by(f64::total_cmp);
            // The median of |r| is 0.6745 σ for a normal variable.
            let sigma = sizes.get(sizes.len() / 2).copied().unwrap_or(0.0) / 0.6745;
            let jumps: Vec<_> = moves.iter().filter(|m| sigma > 0.0 && m.2.abs() > JUMP * sigma).collect();
            if let Some(top) = jumps.iter().max_by(|a, b| a.2.abs().total_cmp(&b.2.abs())) {
                let (count, largest, sigmas) = (jumps.len(), top.1, top.2.abs() / sigma);
                self.jumps.push(Jump { asset: asset.clone(), count, largest, at: top.0, sigmas });
            }
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bars, one every {}", self.bars, self.step)?;
        if self.dropped_at_start > 0 {
            let last = self.begins_with.as_deref().unwrap_or("the last asset");
            write!(f, "\n  {} rows at the start dropped: {last} has no price before", self.dropped_at_start)?;
        }
        for gap in &self.gaps {
            write!(
                f,
                "\n  {}: {} bars without a price, at most {} in a row (from {}): last price carried forward, forecasts skip them",
                gap.asset, gap.bars, gap.longest, gap.from
            )?;
        }
        if self.uneven_steps > 0 {
            write!(
                f,
                "\n  {} steps are not {}, the longest is {}: returns are scaled by the time that passed",
                self.uneven_steps, self.step, self.longest_step
            )?;
        }
        for jump in &self.jumps {
            write!(
                f,
                "\n  {}: {} jumps beyond {JUMP} robust sigmas, the largest {:+.1}% at {} ({:.0} sigmas)",
                jump.asset,
                jump.count,
                jump.largest.exp_m1() * 100.0,
                jump.at,
                jump.sigmas
            )?;
        }
        if !self.ignored_columns.is_empty() {
            write!(f, "\n  columns not used: {}", self.ignored_columns.join(", "))?;
        }
        for repair in &self.repaired {
            write!(f, "\n  repaired: {repair}")?;
        }
        Ok(())
    }
}
