//! Readings from a JSON file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bigdecimal::BigDecimal;
use serde::Deserialize;

use super::{PriceSource, Reading, Readings, Sequencer};
use crate::{
    policy::{number, optional_number},
    portfolio::approximate,
    time::Time,
};

/// Readings as their file states them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FileSource {
    feeds: BTreeMap<String, Feed>,
    #[serde(default)]
    sequencer: Option<Flag>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Feed {
    #[serde(deserialize_with = "number")]
    answer: BigDecimal,
    updated_at: Time,
    #[serde(default, deserialize_with = "optional_number")]
    twap: Option<BigDecimal>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Flag {
    up: bool,
    since: Time,
}

/// What is wrong with a file of readings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OracleError {
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
}

impl FileSource {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read or is not the JSON expected.
    pub fn open(path: &Path) -> Result<Self, OracleError> {
        let text = std::fs::read(path).map_err(|source| OracleError::Read { path: path.to_owned(), source })?;
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(&text)).map_err(|e| OracleError::Parse {
            path: path.to_owned(),
            field: e.path().to_string(),
            source: e.into_inner(),
        })
    }

    /// The answers, exactly as written, for prices that money is counted with.
    pub fn answer(&self, asset: &str) -> Option<&BigDecimal> {
        Some(&self.feeds.get(asset)?.answer)
    }
}

impl PriceSource for FileSource {
    type Error = OracleError;

    fn read(&mut self, assets: &[&str], _now: Time) -> Result<Readings, OracleError> {
        let reading = |asset: &&str| {
            let feed = self.feeds.get(*asset)?;
            let twap = feed.twap.as_ref().map(approximate);
            Some(Reading { answer: approximate(&feed.answer), updated_at: feed.updated_at, twap })
        };
        let sequencer = match &self.sequencer {
            None => Sequencer::None,
            Some(Flag { up: true, since }) => Sequencer::Up(*since),
            Some(_) => Sequencer::Down,
        };
        Ok(Readings { feeds: assets.iter().map(reading).collect(), sequencer })
    }
}
