//! The space of policies: a policy file, and keys of it that vary.

use std::path::{Path, PathBuf};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Values for the parameters, in the space's order.
pub type Candidate = Vec<Value>;

/// A value a key can take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A word or a length of time.
    Text(String),
}

/// A key of the policy that varies: over `values`, or from `from` to `to`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The key, dotted, list places as numbers: `trigger.any_of.0.band`.
    pub key: String,
    /// The values to try.
    #[serde(default)]
    pub values: Vec<Value>,
    /// Least value of a range.
    #[serde(default)]
    pub from: Option<f64>,
    /// Greatest value of a range.
    #[serde(default)]
    pub to: Option<f64>,
    /// Number of grid points of a range.
    #[serde(default = "five")]
    pub steps: usize,
    /// Whether the range is even in the logarithm.
    #[serde(default)]
    pub log: bool,
}

const fn five() -> usize {
    5
}

/// How candidates are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Search {
    /// Every combination of the grid.
    #[default]
    Grid,
    /// Drawn at random from ranges and values.
    Random,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    parameter: Vec<Parameter>,
}

/// A policy and the keys of it that vary.
#[derive(Debug, Clone)]
pub struct Space {
    base: toml::Table,
    parameters: Vec<Parameter>,
}

/// What is wrong with a space.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not the TOML expected.
    #[error("{path}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// A parameter makes no sense.
    #[error("{path}: parameter `{key}`: {reason}")]
    Parameter {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Why.
        reason: String,
    },
    /// The policy has no such key.
    #[error("`{key}`: the policy has no `{part}` there; write it into the policy file first")]
    NoKey {
        /// The key.
        key: String,
        /// The part of it that is missing.
        part: String,
    },
    /// The grid is too large.
    #[error("the grid has {0} candidates, more than a million; use a random search or fewer steps")]
    TooMany(u128),
}

impl Space {
    /// Reads a policy file and a space file (`[[parameter]]` tables).
    ///
    /// # Errors
    /// If a file cannot be read or parsed, or a parameter names no key of the policy or no values.
    pub fn read(policy: &Path, space: &Path) -> Result<Self, SpaceError> {
        let text =
            |path: &Path| std::fs::read_to_string(path).map_err(|source| SpaceError::Read { path: path.to_owned(), source });
        let wrong = |path: &Path, e| SpaceError::Parse { path: path.to_owned(), source: Box::new(e) };
        let base: toml::Table = toml::from_str(&text(policy)?).map_err(|e| wrong(policy, e))?;
        let file: File = toml::from_str(&text(space)?).map_err(|e| wrong(space, e))?;
        for p in &file.parameter {
            let invalid = |reason: &str| {
                Err(SpaceError::Parameter { path: space.to_owned(), key: p.key.clone(), reason: reason.to_owned() })
            };
            match (p.values.is_empty(), p.from, p.to) {
                (false, None, None) => {}
                (true, Some(from), Some(to)) if from < to && from.is_finite() && to.is_finite() => {
                    if p.log && from <= 0.0 {
                        return invalid("a logarithmic range starts above zero");
                    }
                    if !(2..=1_000_000).contains(&p.steps) {
                        return invalid("a range takes from two to a million steps");
                    }
                }
                _ => return invalid("give either `values`, or `from` below `to`"),
            }
        }
        let space = Self { base, parameters: file.parameter };
        let first: Candidate = space.parameters.iter().filter_map(|p| p.grid().into_iter().next()).collect();
        space.apply(&first)?;
        Ok(space)
    }

    /// Names of the parameters.
    pub fn keys(&self) -> Vec<String> {
        self.parameters.iter().map(|p| p.key.clone()).collect()
    }

    /// `key = value` of a candidate.
    pub fn describe(&self, candidate: &Candidate) -> String {
        let each: Vec<String> = self.parameters.iter().zip(candidate).map(|(p, v)| format!("{} = {v}", p.key)).collect();
        each.join(", ")
    }

    /// Every combination.
    ///
    /// # Errors
    /// If there are more than a million.
    pub fn grid(&self) -> Result<Vec<Candidate>, SpaceError> {
        let grids: Vec<Vec<Value>> = self.parameters.iter().map(Parameter::grid).collect();
        let count: u128 = grids.iter().map(|g| g.len() as u128).product();
        if count > 1_000_000 {
            return Err(SpaceError::TooMany(count));
        }
        let extend = |all: Vec<Candidate>, grid: &Vec<Value>| {
            let with =
                |head: &Candidate| grid.iter().map(|v| head.iter().cloned().chain([v.clone()]).collect()).collect::<Vec<_>>();
            all.iter().flat_map(with).collect()
        };
        Ok(grids.iter().fold(vec![Vec::new()], extend))
    }

    /// `count` candidates from a seed.
    pub fn random(&self, count: usize, seed: u64) -> Vec<Candidate> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| self.parameters.iter().filter_map(|p| p.draw(&mut rng)).collect()).collect()
    }

    /// The policy with a candidate's values in place.
    ///
    /// # Errors
    /// If a key is not in the policy.
    pub fn apply(&self, candidate: &Candidate) -> Result<toml::Table, SpaceError> {
        let mut table = toml::Value::Table(self.base.clone());
        for (parameter, value) in self.parameters.iter().zip(candidate) {
            let mut place = &mut table;
            for part in parameter.key.split('.') {
                let inner = match place {
                    toml::Value::Table(table) => table.get_mut(part),
                    toml::Value::Array(list) => part.parse::<usize>().ok().and_then(|i| list.get_mut(i)),
                    _ => None,
                };
                place = inner.ok_or_else(|| SpaceError::NoKey { key: parameter.key.clone(), part: part.to_owned() })?;
            }
            *place = match value {
                Value::Integer(i) => toml::Value::Integer(*i),
                Value::Number(x) => toml::Value::Float(*x),
                Value::Text(text) => toml::Value::String(text.clone()),
            };
        }
        match table {
            toml::Value::Table(table) => Ok(table),
            _ => Ok(self.base.clone()),
        }
    }
}

impl Parameter {
    fn at(&self, from: f64, to: f64, part: f64) -> Value {
        let value = if self.log { (from.ln() + part * (to.ln() - from.ln())).exp() } else { from + part * (to - from) };
        // Four digits are enough of a parameter, and readable.
        Value::Number(format!("{value:.3e}").parse().unwrap_or(value))
    }

    fn grid(&self) -> Vec<Value> {
        match (self.from, self.to) {
            (Some(from), Some(to)) => {
                (0..self.steps).map(|k| self.at(from, to, k as f64 / (self.steps - 1).max(1) as f64)).collect()
            }
            _ => self.values.clone(),
        }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Value> {
        match (self.from, self.to) {
            (Some(from), Some(to)) => Some(self.at(from, to, rng.random::<f64>())),
            _ => self.values.get(rng.random_range(0..self.values.len().max(1))).cloned(),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(i) => write!(f, "{i}"),
            Self::Number(x) => write!(f, "{x}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}
