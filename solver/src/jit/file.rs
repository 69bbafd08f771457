//! A file of signed orders.

use std::path::{Path, PathBuf};

use ballast_wire as wire;
use serde::Deserialize;

use super::{JitSource, Offer};
use crate::auction::Auction;
use crate::settlement::Contracts;

/// Why a file of orders cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JitError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A field is missing, unknown or not as it should be.
    #[error("{}: {field}: {reason}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field, with the place of the order.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Orders of a file, read once: what they are filled up to is what they were signed for, so an owner who settles elsewhere
/// too has to take them out.
///
/// ```
/// use ballast_solver::jit::JitFile;
/// use ballast_solver::settlement::Contracts;
/// let error = JitFile::parse("jit.json".as_ref(), br#"{"orders": [{"kind": "swap"}]}"#, &Contracts::default()).unwrap_err();
/// assert!(error.to_string().starts_with("jit.json: orders[0].kind"));
/// ```
#[derive(Debug, Clone)]
pub struct JitFile {
    offers: Vec<Offer>,
}

impl JitFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not as it should be; the error names the field.
    pub fn read(path: &Path, contracts: &Contracts) -> Result<Self, JitError> {
        let json = std::fs::read(path).map_err(|source| JitError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &json, contracts)
    }

    /// Reads the text of a file; `path` is for errors.
    ///
    /// # Errors
    /// When it is not as it should be; the error names the field.
    pub fn parse(path: &Path, json: &[u8], contracts: &Contracts) -> Result<Self, JitError> {
        #[derive(Deserialize)]
        struct Document {
            orders: Vec<wire::JitOrder>,
        }
        let refused = |field: String, reason: String| JitError::Field { path: path.to_owned(), field, reason };
        let mut unknown = None;
        let mut track = serde_path_to_error::Track::new();
        let mut json = serde_json::Deserializer::from_slice(json);
        let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
        let read = serde_ignored::deserialize(tracked, |path| {
            unknown.get_or_insert_with(|| path.to_string());
        });
        let document: Document = read.map_err(|error| refused(track.path().to_string(), error.to_string()))?;
        json.end().map_err(|error| refused(".".to_owned(), error.to_string()))?;
        if let Some(field) = unknown {
            return Err(refused(field, "unknown".to_owned()));
        }
        let offers = document.orders.into_iter().enumerate().map(|(k, order)| {
            Offer::new(order, contracts).map_err(|e| refused(format!("orders[{k}].{}", e.field), e.reason.to_owned()))
        });
        Ok(Self { offers: offers.collect::<Result<_, _>>()? })
    }
}

impl JitSource for JitFile {
    fn offers(&self, _auction: &Auction) -> Vec<Offer> {
        self.offers.clone()
    }
}
