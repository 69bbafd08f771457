//! Where liquidity comes from: one trait, behind which there may be a file, a chain, or a book that is kept up to date.

#[cfg(feature = "chain")]
mod chain;
mod file;

use std::borrow::Cow;

use ballast_wire::Auction;

#[cfg(feature = "chain")]
pub use chain::ChainMarket;
pub use file::FileMarket;

/// Why a market has no pools to offer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MarketError {
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is no market.
    #[error("{path}: {source}")]
    Format {
        /// Which.
        path: std::path::PathBuf,
        /// The field, and what is wrong with it.
        source: ballast_wire::RequestError,
    },
    /// A node that does not answer.
    #[cfg(feature = "chain")]
    #[error(transparent)]
    Node(#[from] ballast_adapters::chain::NodeError),
}

/// A source of liquidity.
pub trait Market {
    /// The pools as they stand now, the tokens they hold, and what gas costs: an auction, whose orders are those that are open. What is
    /// malformed is among them, for [`crate::auction::Auction::new`] to drop and name.
    ///
    /// # Errors
    /// When there are none to be had.
    fn snapshot(&self) -> Result<Cow<'_, Auction>, MarketError>;
}
