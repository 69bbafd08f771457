//! Rules on forecasts: tracking error, and the odds of leaving a band, by a price history that the configuration names.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use alloy_primitives::Address;
use ballast_policy::forecast::{Covariance, ForecastConfig, Forecaster};
use ballast_policy::history::{self, History, PriceFile, Strictness};
use ballast_policy::time::{Span, Time};
use ballast_policy::trigger::hit_probability;
use ballast_wire::intent::{Intent, Rule};
use parking_lot::Mutex;

use crate::intent::portfolio::Measured;
use crate::market::{FileMarket, Market};

/// A history that has ended so long ago says nothing of now.
const OLD: i64 = 7 * 86_400;

/// Forecasts, each made once for all intents with the same assets.
#[derive(Debug)]
pub(super) struct Forecasts {
    files: Vec<PathBuf>,
    /// For the tokens' symbols.
    market: FileMarket,
    read: Mutex<Read>,
}

/// What was read, or why it was not.
#[derive(Debug)]
struct Read {
    changed: Vec<Option<SystemTime>>,
    history: Result<History, String>,
    symbols: HashMap<Address, String>,
    made: HashMap<(Vec<Address>, Address), Result<Arc<Covariance>, String>>,
}

impl Forecasts {
    pub(super) fn new(files: Vec<PathBuf>, market: FileMarket) -> Self {
        let history = Err("its rules on forecasts take a price history, and intents.history names none".to_owned());
        let read = Read { changed: Vec::new(), history, symbols: HashMap::new(), made: HashMap::new() };
        let this = Self { files, market, read: Mutex::new(read) };
        this.refresh();
        this
    }

    /// Reads the files again if they have changed.
    pub(super) fn refresh(&self) {
        let changed: Vec<_> =
            self.files.iter().map(|file| std::fs::metadata(file).and_then(|about| about.modified()).ok()).collect();
        let mut read = self.read.lock();
        if read.changed == changed {
            return;
        }
        let files: Vec<PriceFile> = self.files.iter().map(|path| PriceFile { asset: None, path: path.clone() }).collect();
        let history = history::read(&files, Strictness::Strict).map_err(|error| format!("intents.history: {error}"));
        if let Err(error) = &history {
            tracing::warn!(error, "no forecasts");
        }
        let market = self.market.snapshot();
        let tokens = market.iter().flat_map(|market| &market.tokens);
        let symbols = tokens.filter_map(|(address, token)| Some((*address, token.symbol.clone()?))).collect();
        *read = Read { changed, history, symbols, made: HashMap::new() };
    }

    /// The rule on a forecast that calls for a rebalance, in words, if one does.
    ///
    /// # Errors
    /// Why there is no forecast.
    pub(super) fn calls(&self, intent: &Intent, held: &Measured, time: u64) -> Result<Option<String>, String> {
        let covariance = self.covariance(intent, time)?;
        let targets: Vec<f64> = intent.assets.iter().map(|asset| asset.target.to_f64()).collect();
        let drift: Vec<f64> =
            held.weights.iter().zip(&targets).map(|(weight, target)| f64::from(*weight) / 1e18 - target).collect();
        let mut relative = Vec::new();
        covariance.relative(&targets, &mut relative);
        let called = |rule: &Rule| match rule {
            Rule::TrackingErrorBps(bps) => {
                let error = covariance.quadratic(&drift).sqrt();
                (error >= f64::from(*bps) / 1e4).then(|| format!("the forecast tracking error is {:.0} bps", error * 1e4))
            }
            Rule::HitProbability { p, horizon_sec } => {
                let root = Span::from_seconds((*horizon_sec).into()).years().sqrt();
                let places = intent.assets.iter().zip(&drift).zip(&targets).zip(&relative);
                let odds = places.filter(|(((asset, _), _), _)| asset.tradable).map(|(((asset, drift), target), relative)| {
                    let (low, high) = (target - asset.band.low.to_f64(), asset.band.high.to_f64() - target);
                    (hit_probability(*drift, low.min(high), target * relative.sqrt() * root), asset.token)
                });
                let (odds, token) = odds.max_by(|a, b| a.0.total_cmp(&b.0))?;
                (odds >= p.to_f64())
                    .then(|| format!("{token} leaves its band within {horizon_sec} s with a probability of {odds:.3}"))
            }
            _ => None,
        };
        Ok(intent.trigger.any_of.iter().find_map(called))
    }

    /// The annual covariance of an intent's assets.
    fn covariance(&self, intent: &Intent, time: u64) -> Result<Arc<Covariance>, String> {
        let mut read = self.read.lock();
        let Read { history, symbols, made, .. } = &mut *read;
        let history = history.as_ref().map_err(Clone::clone)?;
        let (last, now) = (history.times().last().copied(), Time::from_unix(i64::try_from(time).unwrap_or(i64::MAX)));
        if let Some(last) = last.filter(|last| now.since(*last) > OLD) {
            return Err(format!("no forecast: the price history ends at {last}, more than a week ago"));
        }
        let key = (intent.assets.iter().map(|asset| asset.token).collect(), intent.numeraire.0);
        made.entry(key).or_insert_with(|| forecast(intent, history, symbols).map(Arc::new)).clone()
    }
}

/// What a history says of an intent's assets, whose columns are called by their tokens' symbols or addresses.
fn forecast(intent: &Intent, history: &History, symbols: &HashMap<Address, String>) -> Result<Covariance, String> {
    let column = |token: &Address| {
        let named = |column: &&String| {
            column.eq_ignore_ascii_case(&token.to_string()) || symbols.get(token).is_some_and(|symbol| symbol == *column)
        };
        history.assets().iter().find(named).cloned().unwrap_or_else(|| token.to_string())
    };
    let names: Vec<String> = intent.assets.iter().map(|asset| column(&asset.token)).collect();
    let place = intent.assets.iter().position(|asset| asset.token == intent.numeraire.0);
    let numeraire = place.and_then(|place| names.get(place)).map_or("", String::as_str);
    let columns: Vec<&str> = names.iter().map(String::as_str).collect();
    let history = history.select(&columns, numeraire).map_err(|error| format!("no forecast: intents.history: {error}"))?;
    let mut forecaster = Forecaster::new(&ForecastConfig::default(), names.len(), place, 0);
    history.bars().for_each(|bar| forecaster.push(&bar));
    forecaster.covariance().cloned().ok_or_else(|| "no forecast: the price history is too short".to_owned())
}
