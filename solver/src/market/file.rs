use std::borrow::Cow;
use std::path::PathBuf;

use ballast_wire::Auction;

use super::{Market, MarketError};

/// Pools as a file has them: an auction in the engine's own format.
#[derive(Debug, Clone)]
pub struct FileMarket {
    path: PathBuf,
}

impl FileMarket {
    /// The market of a file, which is read each time it is asked.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl Market for FileMarket {
    fn snapshot(&self) -> Result<Cow<'_, Auction>, MarketError> {
        let json = std::fs::read(&self.path).map_err(|source| MarketError::File { path: self.path.clone(), source })?;
        let auction = Auction::from_json(&json).map_err(|source| MarketError::Format { path: self.path.clone(), source })?;
        Ok(Cow::Owned(auction))
    }
}
