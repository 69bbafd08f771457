use std::path::PathBuf;

use alloy_primitives::Address;
use documented::{Documented, DocumentedFields};
use serde::{Deserialize, Serialize};

use crate::settlement::KeyName;

/// Through which node `ballast settle` settles, and by whom.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct Submission {
    /// The node's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc: Option<String>,
    /// The account that may settle: enough for a simulation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub solver: Option<Address>,
    /// The variable that holds its key, as `"env:NAME"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyName>,
    /// The slippage ledger, from the folder of this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<PathBuf>,
}
