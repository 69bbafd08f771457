//! Prices over time: read, checked, joined, and handed out one bar at a time.
//!
//! A [`History`] is dense: every bar has a price for every asset. How gaps became prices is in its [`Findings`]: a bar is
//! *stale* for an asset whose price was carried forward, and forecasts skip stale prices (a carried price is no return).

mod csv;
mod findings;
pub mod generate;
mod macro_series;

use std::path::PathBuf;

pub use csv::{PriceFile, Strictness, read};
pub use findings::{Findings, Gap, Jump};
pub use macro_series::read_macro;

use crate::time::Time;

/// The open, high and low of a bar, in the numeraire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candle {
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
}

/// What is known at one timestamp. Slices run over the assets, in the order of [`History::assets`].
#[derive(Debug, Clone, Copy)]
pub struct Bar<'a> {
    /// When the bar closed.
    pub time: Time,
    /// Closing prices, in the numeraire.
    pub close: &'a [f64],
    /// Opens, highs and lows; empty if no asset has them.
    pub candles: &'a [Candle],
    /// Whether the price was carried forward from an earlier bar; empty if none ever was.
    pub stale: &'a [bool],
    /// Macro series, as last published before or at `time`; NaN before the first publication.
    pub macros: &'a [f64],
}

impl Bar<'_> {
    /// Whether asset `i` has a price of this very bar.
    pub fn fresh(&self, i: usize) -> bool {
        !self.stale.get(i).copied().unwrap_or(false)
    }
}

/// A table of bars.
#[derive(Debug, Clone)]
pub struct History {
    assets: Vec<String>,
    times: Vec<Time>,
    close: Vec<f64>,
    candles: Vec<Candle>,
    has_candles: Vec<bool>,
    stale: Vec<bool>,
    macro_names: Vec<String>,
    macros: Vec<f64>,
    findings: Findings,
}

/// What is wrong with a price file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ::csv::Error,
    },
    /// The header does not say what the columns are.
    #[error("{path}: header: {reason}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is missing or in the way.
        reason: String,
    },
    /// A cell makes no sense.
    #[error("{path}: line {line}, column `{column}`: {reason}")]
    Cell {
        /// The file.
        path: PathBuf,
        /// Line in the file; the header is line 1.
        line: u64,
        /// The column's name.
        column: String,
        /// What is wrong.
        reason: String,
    },
    /// No bar is left.
    #[error("{path}: {reason}")]
    Empty {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An asset has no prices.
    #[error("`{asset}` has no prices; the price file has {}", known.join(", "))]
    UnknownAsset {
        /// The asset asked for.
        asset: String,
        /// The assets there are.
        known: Vec<String>,
    },
    /// Two files have prices of one asset.
    #[error("{path}: `{asset}` has prices in another file already")]
    Twice {
        /// The second file.
        path: PathBuf,
        /// The asset.
        asset: String,
    },
}

impl History {
    /// A history of closing prices, made rather than read: `close` is row by row.
    pub fn of_closes(assets: Vec<String>, times: Vec<Time>, close: Vec<f64>) -> Self {
        let n = assets.len();
        debug_assert_eq!(close.len(), n * times.len());
        Self {
            findings: Findings { bars: times.len(), ..Findings::default() },
            assets,
            times,
            close,
            candles: Vec::new(),
            has_candles: vec![false; n],
            stale: Vec::new(),
            macro_names: Vec::new(),
            macros: Vec::new(),
        }
    }

    /// Names of the assets.
    pub fn assets(&self) -> &[String] {
        &self.assets
    }

    /// Number of bars.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no bar.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The timestamps.
    pub fn times(&self) -> &[Time] {
        &self.times
    }

    /// Whether asset `i` has opens, highs and lows.
    pub fn has_candles(&self, i: usize) -> bool {
        self.has_candles.get(i).copied().unwrap_or(false)
    }

    /// Names of the macro series.
    pub fn macro_names(&self) -> &[String] {
        &self.macro_names
    }

    /// What was found and repaired on reading.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// The bars in order.
    pub fn bars(&self) -> impl Iterator<Item = Bar<'_>> {
        (0..self.len()).filter_map(|t| self.bar(t))
    }

    /// Bar `t`.
    pub fn bar(&self, t: usize) -> Option<Bar<'_>> {
        let row = |width: usize| t * width..(t + 1) * width;
        let n = self.assets.len();
        Some(Bar {
            time: *self.times.get(t)?,
            close: self.close.get(row(n))?,
            candles: self.candles.get(row(n)).unwrap_or_default(),
            stale: self.stale.get(row(n)).unwrap_or_default(),
            macros: self.macros.get(row(self.macro_names.len())).unwrap_or_default(),
        })
    }

    /// These assets in this order, the numeraire at a price of one.
    ///
    /// # Errors
    /// If an asset is neither the numeraire nor in the history.
    pub fn select(&self, assets: &[&str], numeraire: &str) -> Result<Self, HistoryError> {
        let column = |name: &&str| match self.assets.iter().position(|a| a == name) {
            Some(column) => Ok(Some(column)),
            None if *name == numeraire => Ok(None),
            None => Err(HistoryError::UnknownAsset { asset: (*name).to_owned(), known: self.assets.clone() }),
        };
        let columns = assets.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let n = self.assets.len();
        fn pick<T: Copy>(from: &[T], n: usize, columns: &[Option<usize>], one: T) -> Vec<T> {
            let row = |row: &[T]| columns.iter().map(|c| c.and_then(|c| row.get(c).copied()).unwrap_or(one)).collect::<Vec<_>>();
            from.chunks_exact(n.max(1)).flat_map(row).collect()
        }
        Ok(Self {
            assets: assets.iter().map(|&a| a.to_owned()).collect(),
            times: self.times.clone(),
            close: pick(&self.close, n, &columns, 1.0),
            candles: pick(&self.candles, n, &columns, Candle { open: 1.0, high: 1.0, low: 1.0 }),
            has_candles: columns.iter().map(|c| c.is_none_or(|c| self.has_candles(c))).collect(),
            stale: pick(&self.stale, n, &columns, false),
            macro_names: self.macro_names.clone(),
            macros: self.macros.clone(),
            findings: self.findings.clone(),
        })
    }

    /// The same bars with other closing prices from bar `from` on, candles following: for tests of what a policy can see.
    pub fn with_future(&self, from: usize, mut price: impl FnMut(usize, usize) -> f64) -> Self {
        let mut changed = self.clone();
        let n = self.assets.len();
        for t in from..self.len() {
            for i in 0..n {
                let (Some(close), new) = (changed.close.get_mut(t * n + i), price(t, i)) else { continue };
                *close = new;
                if let Some(candle) = changed.candles.get_mut(t * n + i) {
                    *candle = Candle { open: new, high: new, low: new };
                }
            }
        }
        changed
    }
}
