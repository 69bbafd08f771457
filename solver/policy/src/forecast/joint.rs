//! How assets and macro series move together.
//!
//! A joint observation needs a fresh price of every asset; one that lacks any waits, and its returns span the gap. A macro
//! series enters by its change since the last observation (zero between publications), so a monthly series has a small
//! correlation with daily returns: compare like with like by the forecast's `step`.

use std::collections::VecDeque;

use nalgebra::DMatrix;

use super::{CorrelationConfig, Followed, ledoit_wolf};
use crate::{history::Bar, time::Time};

/// Fewest observations of a correlation.
pub(super) const FEWEST: usize = 10;

#[derive(Debug, Clone)]
pub(super) struct Joint {
    assets: usize,
    /// Prices, then macro values, of the last observation, and when it was.
    last: Vec<f64>,
    at: Time,
    now: Vec<f64>,
    count: usize,
    estimate: Estimate,
}

#[derive(Debug, Clone)]
enum Estimate {
    /// Sums of products; correlations need no normalisation.
    Ewma {
        lambda: f64,
        products: Vec<f64>,
    },
    LedoitWolf {
        window: usize,
        refit: usize,
        since: usize,
        rows: VecDeque<Vec<f64>>,
        covariance: Option<DMatrix<f64>>,
    },
}

impl Joint {
    pub fn new(config: &CorrelationConfig, assets: usize, macros: usize) -> Self {
        let p = assets + macros;
        let estimate = match *config {
            CorrelationConfig::Ewma { lambda } => Estimate::Ewma { lambda, products: vec![0.0; p * p] },
            CorrelationConfig::LedoitWolf { window, refit } => {
                Estimate::LedoitWolf { window, refit, since: refit, rows: VecDeque::new(), covariance: None }
            }
        };
        Self { assets, last: vec![f64::NAN; p], at: Time::from_unix(0), now: Vec::with_capacity(p), count: 0, estimate }
    }

    fn look(&mut self, bar: &Bar<'_>, followed: &[Followed]) {
        self.now.clear();
        self.now.extend(followed.iter().map(|f| f.price));
        self.now.extend(bar.macros);
    }

    /// Sets what the first returns are measured from.
    pub fn begin(&mut self, bar: &Bar<'_>, followed: &[Followed]) {
        self.look(bar, followed);
        std::mem::swap(&mut self.last, &mut self.now);
        self.at = bar.time;
    }

    /// Takes in a step, before the assets begin the next one.
    pub fn push(&mut self, bar: &Bar<'_>, followed: &[Followed], step: f64) {
        if !followed.iter().all(|f| f.any) {
            return;
        }
        self.look(bar, followed);
        let scale = (step / (bar.time.since(self.at) as f64).max(1.0)).sqrt();
        self.at = bar.time;
        // `now` turns from levels into changes, `last` takes the levels.
        for (i, (now, last)) in self.now.iter_mut().zip(&mut self.last).enumerate() {
            let before = std::mem::replace(last, *now);
            let change = if i < self.assets { (*now / before).ln() * scale } else { (*now - before) * scale };
            // Not finite before a macro series' first publication, or an asset's first price.
            *now = if change.is_finite() { change } else { 0.0 };
        }
        self.count += 1;
        match &mut self.estimate {
            Estimate::Ewma { lambda, products } => {
                for (row, (i, x)) in products.chunks_exact_mut(self.now.len()).zip(self.now.iter().enumerate()) {
                    for (product, y) in row.iter_mut().zip(&self.now).take(i + 1) {
                        *product = *lambda * *product + (1.0 - *lambda) * x * y;
                    }
                }
            }
            Estimate::LedoitWolf { window, refit, since, rows, covariance } => {
                if rows.len() == *window {
                    rows.pop_front();
                }
                rows.push_back(self.now.clone());
                *since += 1;
                if *since >= *refit && rows.len() >= FEWEST {
                    *since = 0;
                    let (n, p) = (rows.len(), self.now.len());
                    // Each variable in units of its own deviation: shrinking towards equal variances would otherwise
                    // weigh a rate in percent against a log return. Correlations do not depend on the units.
                    let mut table = DMatrix::from_row_iterator(n, p, rows.iter().flatten().copied());
                    for mut column in table.column_iter_mut() {
                        let size = column.norm() / (n as f64).sqrt();
                        if size > 0.0 {
                            column /= size;
                        }
                    }
                    *covariance = ledoit_wolf(&table).map(|shrunk| shrunk.covariance);
                }
            }
        }
    }

    /// Correlation of variables `a` and `b` (assets first, then macro series); none if one has not moved.
    pub fn correlation(&self, a: usize, b: usize) -> Option<f64> {
        let p = self.last.len();
        if self.count < FEWEST || a >= p || b >= p {
            return None;
        }
        let get = |i: usize, j: usize| match &self.estimate {
            Estimate::Ewma { products, .. } => products.get(i.max(j) * p + i.min(j)).copied(),
            Estimate::LedoitWolf { covariance, .. } => covariance.as_ref()?.get((i, j)).copied(),
        };
        let scale = (get(a, a)? * get(b, b)?).sqrt();
        if scale > 0.0 {
            Some((get(a, b)? / scale).clamp(-1.0, 1.0))
        } else {
            Some(0.0).filter(|_| a < self.assets && b < self.assets)
        }
    }
}
