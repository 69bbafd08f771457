//! Where prices come from.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use alloy_primitives::Address;
use ballast_adapters::chain::{NodeError, View};
use ballast_policy::oracle::{FileSource, PriceSource};
use ballast_policy::time::Time;

use crate::intent::{Prices, Quote};

/// Why there are no prices.
#[derive(Debug, thiserror::Error)]
pub(super) enum PriceError {
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("intents.prices: {0}")]
    File(#[from] ballast_policy::oracle::OracleError),
    #[error("{0} feeds do not answer, {1} among them")]
    Silent(usize, Address),
}

/// Where prices come from.
pub(super) trait Oracle {
    /// What these feeds say at a block.
    async fn prices(&mut self, view: &View, feeds: &HashSet<Address>) -> Result<Prices, PriceError>;
}

/// The feeds on the chain, with Chainlink's interface.
#[derive(Debug, Default)]
pub(super) struct ChainOracle {
    decimals: HashMap<Address, u8>,
}

impl Oracle for ChainOracle {
    async fn prices(&mut self, view: &View, feeds: &HashSet<Address>) -> Result<Prices, PriceError> {
        Ok(Prices::read(view, feeds, &mut self.decimals).await?)
    }
}

/// A file of readings, by the addresses of the feeds; it is read each time.
#[derive(Debug)]
pub(super) struct FileOracle<'a>(pub(super) &'a Path);

impl Oracle for FileOracle<'_> {
    async fn prices(&mut self, view: &View, feeds: &HashSet<Address>) -> Result<Prices, PriceError> {
        let mut file = FileSource::open(self.0)?;
        let names: Vec<String> = feeds.iter().map(|feed| format!("{feed:#x}")).collect();
        let named: Vec<&str> = names.iter().map(String::as_str).collect();
        let now = Time::from_unix(i64::try_from(view.timestamp()).unwrap_or(i64::MAX));
        let readings = file.read(&named, now)?;
        let quote = |((feed, name), reading): ((&Address, &String), Option<ballast_policy::oracle::Reading>)| {
            // Exactly as it is written.
            let price = file.answer(name)?.to_string().parse().ok()?;
            let updated_at = u64::try_from(reading?.updated_at.unix()).ok()?;
            Some((*feed, Quote { price, updated_at }))
        };
        Ok(Prices(feeds.iter().zip(&names).zip(readings.feeds).filter_map(quote).collect()))
    }
}

impl Prices {
    /// Whether a feed that has said something says something else now.
    pub(super) fn differ(&self, now: &Self) -> bool {
        self.0.iter().any(|(feed, quote)| now.0.get(feed) != Some(quote))
    }

    /// The feeds that have said something.
    pub(super) fn feeds(&self) -> impl Iterator<Item = Address> {
        self.0.keys().copied()
    }

    /// Whether every feed has said something.
    pub(super) fn complete(&self, feeds: &HashSet<Address>) -> Result<(), PriceError> {
        let mut silent = feeds.iter().filter(|feed| !self.0.contains_key(*feed));
        match silent.next() {
            Some(first) => Err(PriceError::Silent(silent.count().saturating_add(1), *first)),
            None => Ok(()),
        }
    }
}
