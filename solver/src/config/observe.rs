use std::collections::BTreeMap;

use documented::{Documented, DocumentedFields};
use serde::{Deserialize, Serialize};

use super::{Invalid, Secret};

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// The log, on stderr. Takes effect on start only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `"human"` or `"json"`.
    pub format: Format,
    /// What is logged, such as `"info"` or `"warn,ballast_solver=debug"`; the environment's `RUST_LOG` goes before it.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::Human, filter: "info".to_owned() }
    }
}

/// Export of traces by OTLP over HTTP. Takes effect on start only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Where traces are sent, such as `"http://localhost:4318/v1/traces"`; nowhere if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Headers sent along, such as `{ authorization = "env:OTLP_AUTHORIZATION" }`.
    pub headers: BTreeMap<String, Secret>,
    /// The part of all requests that is traced, 0 to 1.
    pub ratio: f64,
}

impl Default for Traces {
    fn default() -> Self {
        Self { endpoint: None, headers: BTreeMap::new(), ratio: 1.0 }
    }
}

impl Traces {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        Invalid::unless((0.0..=1.0).contains(&self.ratio), "traces.ratio", "expected 0 to 1")
    }
}
