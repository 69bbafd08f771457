//! What the driver tells afterwards: `POST /notify`.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::item::RequestError;
#[cfg(feature = "openapi")]
use crate::openapi;

/// What became of a solution.
///
/// The kinds differ by what they carry; what is of no use to an engine is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// The auction; null for a quote.
    #[serde(default, deserialize_with = "text_or_number")]
    pub auction_id: Option<String>,
    /// The solution, or those that were merged into it; null if it is about the whole reply.
    #[serde(default)]
    pub solution_id: Option<SolutionIds>,
    /// `success`, `revert`, `simulationFailed`, `timeout` and others.
    pub kind: String,
    /// The transaction, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<openapi::Hash>))]
    pub transaction: Option<B256>,
    /// Why, in the driver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Notification {
    /// Reads a notification from JSON.
    ///
    /// # Errors
    /// When the document is none; the error names the field.
    pub fn from_json(json: &[u8]) -> Result<Self, RequestError> {
        RequestError::read(json)
    }
}

/// One solution, or several that the driver merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum SolutionIds {
    /// One.
    One(u64),
    /// Merged.
    Merged(Vec<u64>),
}

impl SolutionIds {
    /// Every id.
    pub fn as_slice(&self) -> &[u64] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Merged(ids) => ids,
        }
    }
}

/// Drivers write the auction's number as a string, older ones as a number.
fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected the auction's number as a string")]
    enum Id {
        Text(String),
        Number(u64),
    }
    Ok(Option::<Id>::deserialize(deserializer)?.map(|id| match id {
        Id::Text(text) => text,
        Id::Number(number) => number.to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_s_spellings_are_read() {
        let read = |json: &str| Notification::from_json(json.as_bytes()).unwrap();
        let simulated =
            read(r#"{"auctionId":"12","solutionId":3,"kind":"simulationFailed","block":7,"tx":{},"succeededOnce":true}"#);
        assert_eq!((simulated.auction_id.as_deref(), simulated.kind.as_str()), (Some("12"), "simulationFailed"));
        assert_eq!(simulated.solution_id.unwrap().as_slice(), [3]);
        assert_eq!(read(r#"{"auctionId":12,"solutionId":[3,4],"kind":"success"}"#).solution_id.unwrap().as_slice(), [3, 4]);
        let quote = read(r#"{"auctionId":null,"solutionId":null,"kind":"emptySolution"}"#);
        assert_eq!((quote.auction_id, quote.solution_id), (None, None));
        let error = Notification::from_json(br#"{"auctionId":"1","kind":7}"#).unwrap_err();
        assert_eq!(error.field, "kind");
    }
}
