//! Search over policy parameters: every candidate through the same backtest, walk-forward, and the frontier of cost
//! against tracking error.
//!
//! Each candidate runs once over the whole history; its metrics are also taken in `folds` equal parts. Walk-forward: for
//! each part but the first, the candidate with the least mean objective over the parts before is judged on that part, which it has not
//! been chosen by. The objective is cost plus `½γ TE²`, a year, what the corridor theory minimises.

mod space;

use rayon::prelude::*;
use serde::Serialize;

pub use space::{Candidate, Parameter, Search, Space, SpaceError, Value};

use crate::{
    backtest::{self, BacktestError, Metrics, Settings},
    history::History,
    policy::Policy,
};

/// A candidate and how it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// Its parameters, in the space's order.
    pub parameters: Candidate,
    /// Over the whole time.
    pub metrics: Metrics,
    /// The objective over the whole time.
    pub objective: f64,
    /// Over each fold.
    #[serde(skip)]
    pub folds: Vec<Metrics>,
    /// Whether no other candidate has both less cost and less tracking error.
    pub on_frontier: bool,
}

/// One step of the walk.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The fold judged on; those before it chose.
    pub fold: usize,
    /// The chosen candidate's place.
    pub chosen: usize,
    /// Its parameters.
    pub parameters: Candidate,
    /// Its mean objective on the folds before.
    pub in_sample: f64,
    /// Its objective on the fold.
    pub out_of_sample: f64,
    /// The least objective any candidate had on the fold, known only afterwards.
    pub hindsight: f64,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tuned {
    /// Names of the parameters.
    pub keys: Vec<String>,
    /// All candidates.
    pub trials: Vec<Trial>,
    /// The walk forward.
    pub walk: Vec<Step>,
    /// Candidates that could not be run, and why.
    pub failed: Vec<String>,
}

/// Runs every candidate, on as many threads as rayon has, and walks forward.
///
/// `progress` hears of each candidate done. Candidates that make no valid policy are named in `failed`.
///
/// # Errors
/// If not one candidate could be run.
pub fn run(
    space: &Space,
    candidates: Vec<Candidate>,
    prepare: &(dyn Fn(toml::Table) -> Result<Policy, String> + Sync),
    job: &Job<'_>,
    progress: &(dyn Fn() + Sync),
) -> Result<Tuned, TuneError> {
    let settings = Settings { parts: job.folds.max(1), points: 0, ..job.settings.clone() };
    let results: Vec<Result<Trial, String>> = candidates
        .into_par_iter()
        .map(|parameters| {
            let named = |e: String| format!("{}: {e}", space.describe(&parameters));
            let table = space.apply(&parameters).map_err(|e| named(e.to_string()))?;
            let policy = prepare(table).map_err(named)?;
            let outcome =
                backtest::run(&policy, job.history, job.numeraire, &settings, &|_| ()).map_err(|e| named(e.to_string()))?;
            progress();
            let folds = if outcome.parts.is_empty() { vec![outcome.metrics.clone()] } else { outcome.parts };
            let objective = outcome.metrics.objective(job.risk_aversion);
            Ok(Trial { parameters, metrics: outcome.metrics, objective, folds, on_frontier: false })
        })
        .collect();
    let (mut trials, mut failed) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(trial) => trials.push(trial),
            Err(reason) => failed.push(reason),
        }
    }
    if trials.is_empty() {
        return Err(TuneError::NoCandidate(failed.into_iter().next().unwrap_or_else(|| "the space is empty".to_owned())));
    }
    mark_frontier(&mut trials);
    let walk = walk_forward(&trials, job.folds, job.risk_aversion);
    Ok(Tuned { keys: space.keys(), trials, walk, failed })
}

/// What all candidates have in common.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The prices, one column an asset of the policy.
    pub history: &'a History,
    /// Unit of prices and values.
    pub numeraire: &'a str,
    /// How to run a backtest.
    pub settings: &'a Settings,
    /// Parts of the walk.
    pub folds: usize,
    /// Risk aversion `γ` of the objective.
    pub risk_aversion: f64,
}

/// Why a search has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuneError {
    /// No candidate could be run; this was the first one's reason.
    #[error("no candidate could be run: {0}")]
    NoCandidate(String),
    /// The backtest.
    #[error(transparent)]
    Backtest(#[from] BacktestError),
}

/// Marks the candidates that none beats in both cost and tracking error: by rising cost, those with the least tracking error so far.
fn mark_frontier(trials: &mut [Trial]) {
    let mut order: Vec<usize> = (0..trials.len()).collect();
    let key = |t: &Trial| (t.metrics.cost_rate, t.metrics.tracking_error);
    let cmp = |a: (f64, f64), b: (f64, f64)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1));
    order.sort_by(|&a, &b| match (trials.get(a), trials.get(b)) {
        (Some(a), Some(b)) => cmp(key(a), key(b)),
        _ => a.cmp(&b),
    });
    let mut least = f64::INFINITY;
    for i in order {
        if let Some(trial) = trials.get_mut(i).filter(|t| t.metrics.tracking_error < least) {
            least = trial.metrics.tracking_error;
            trial.on_frontier = true;
        }
    }
}

fn walk_forward(trials: &[Trial], folds: usize, risk_aversion: f64) -> Vec<Step> {
    let on = |trial: &Trial, fold: usize| trial.folds.get(fold).map_or(f64::INFINITY, |m| m.objective(risk_aversion));
    let step = |fold: usize| {
        let before = |trial: &Trial| (0..fold).map(|f| on(trial, f)).sum::<f64>() / fold as f64;
        let (chosen, trial) = trials.iter().enumerate().min_by(|a, b| before(a.1).total_cmp(&before(b.1)))?;
        let hindsight = trials.iter().map(|t| on(t, fold)).fold(f64::INFINITY, f64::min);
        let parameters = trial.parameters.clone();
        Some(Step { fold, chosen, parameters, in_sample: before(trial), out_of_sample: on(trial, fold), hindsight })
    };
    (1..folds).filter_map(step).collect()
}
