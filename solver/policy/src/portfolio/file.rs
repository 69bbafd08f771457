//! The portfolio file (JSON).

use std::path::{Path, PathBuf};

use bigdecimal::{BigDecimal, num_bigint::Sign};
use serde::{Deserialize, Serialize};

use super::{Asset, Holdings};
use crate::{decide::Memory, policy::number};

/// A portfolio as its file states it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Portfolio {
    /// The unit of prices and values. If it is held too, its price is one and the price file needs no column for it.
    pub numeraire: String,
    /// The policy file, relative to this file; the command line can name another.
    #[serde(default)]
    pub policy: Option<PathBuf>,
    /// What is held.
    pub assets: Vec<Held>,
    /// What earlier decisions left to remember; copy it from the last decision's JSON.
    #[serde(default)]
    pub state: Memory,
}

/// One position.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Held {
    /// Its name: the column in the price file, the key in the policy.
    pub asset: String,
    /// How much, in whole units (not in wei); a string, so that no digit is lost.
    #[serde(deserialize_with = "number")]
    pub amount: BigDecimal,
    /// The token's decimal places; 18 if not given.
    #[serde(default = "eighteen")]
    pub decimals: u8,
    /// False if it must stay as it is.
    #[serde(default = "yes")]
    pub tradable: bool,
}

const fn eighteen() -> u8 {
    18
}

const fn yes() -> bool {
    true
}

/// What is wrong with a portfolio file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortfolioError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not the JSON expected; the message has field, line and column.
    #[error("{path}: field `{field}`: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where in it.
        field: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A value makes no sense.
    #[error("{path}: field `{field}`: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where in it.
        field: String,
        /// Why.
        reason: String,
    },
}

impl Portfolio {
    /// Reads and checks a portfolio file.
    ///
    /// # Errors
    /// If it cannot be read, is not the JSON expected, or an amount is negative, a name twice or nothing held.
    pub fn read(path: &Path) -> Result<Self, PortfolioError> {
        let text = std::fs::read(path).map_err(|source| PortfolioError::Read { path: path.to_owned(), source })?;
        let reader = &mut serde_json::Deserializer::from_slice(&text);
        let portfolio: Self = serde_path_to_error::deserialize(reader).map_err(|e| PortfolioError::Parse {
            path: path.to_owned(),
            field: e.path().to_string(),
            source: e.into_inner(),
        })?;
        let invalid = |field: String, reason: String| Err(PortfolioError::Invalid { path: path.to_owned(), field, reason });
        for (i, held) in portfolio.assets.iter().enumerate() {
            if held.amount.sign() == Sign::Minus {
                return invalid(format!("assets[{i}].amount"), format!("{} is negative", held.amount));
            }
            if portfolio.assets.iter().take(i).any(|other| other.asset == held.asset) {
                return invalid(format!("assets[{i}].asset"), format!("`{}` is listed twice", held.asset));
            }
        }
        if portfolio.assets.is_empty() {
            return invalid("assets".to_owned(), "nothing is held".to_owned());
        }
        Ok(portfolio)
    }

    /// The assets, in the file's order.
    pub fn universe(&self) -> Vec<Asset> {
        let asset = |held: &Held| Asset { name: held.asset.clone(), decimals: held.decimals, tradable: held.tradable };
        self.assets.iter().map(asset).collect()
    }

    /// The amounts, in the file's order.
    pub fn holdings(&self) -> Holdings {
        Holdings::new(self.assets.iter().map(|held| held.amount.clone()).collect())
    }
}

impl Serialize for Holdings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.amounts().iter().map(BigDecimal::to_plain_string))
    }
}
