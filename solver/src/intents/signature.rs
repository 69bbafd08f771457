//! Who has signed: a key, or the vault's contract, which is asked.

use alloy_primitives::{Address, B256, fixed_bytes};
use alloy_sol_types::sol;
use ballast_adapters::chain::View;
use ballast_wire::intent::{Scheme, Signature};

use crate::intent::{SignatureError, signed};

sol! {
    /// ERC-1271.
    interface Account {
        function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4);
    }
}

/// Why a signature does not count.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsigned {
    /// It is missing, malformed or another's.
    #[error(transparent)]
    Key(#[from] SignatureError),
    /// The contract says no, or is none.
    #[error("signature.data: the vault's contract {owner} does not take it: {reason}")]
    Contract { owner: Address, reason: String },
    /// Nobody could ask the contract.
    #[error("{0}")]
    Node(String),
}

/// Checks that an owner has signed a hash. `view` is taken only if a contract has to be asked.
pub(super) async fn check(
    owner: Address,
    hash: B256,
    signature: Option<&Signature>,
    view: impl AsyncFnOnce() -> Result<View, String>,
) -> Result<(), Unsigned> {
    let signature = signed(owner, &hash, signature)?;
    if signature.scheme == Scheme::Eip712 {
        return Ok(());
    }
    let call = Account::isValidSignatureCall { hash, signature: signature.data.clone() };
    match view().await.map_err(Unsigned::Node)?.ask_one(owner, call).await {
        Ok(Ok(answer)) if answer == fixed_bytes!("1626ba7e") => Ok(()),
        Ok(Ok(answer)) => Err(Unsigned::Contract { owner, reason: format!("it answers {answer}") }),
        Ok(Err(error)) => Err(Unsigned::Contract { owner, reason: error.reason }),
        Err(error) => Err(Unsigned::Node(error.to_string())),
    }
}
