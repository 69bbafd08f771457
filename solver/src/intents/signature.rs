//! Who has signed: a key, or the vault's contract, which is asked.

use alloy_primitives::{Address, B256, Bytes, Signature as KeySignature, fixed_bytes};
use alloy_sol_types::sol;
use ballast_adapters::chain::View;
use ballast_wire::intent::{Intent, Scheme, Signature};

use crate::intent::{SignatureError, cancellation, check_signature, digest};

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

/// Checks an intent's own signature. `view` is taken only if a contract has to be asked.
pub(super) async fn posted(intent: &Intent, view: impl AsyncFnOnce() -> Result<View, String>) -> Result<(), Unsigned> {
    check_signature(intent)?;
    match &intent.signature {
        Some(signature) if signature.scheme == Scheme::Eip1271 => {
            ask(&view().await.map_err(Unsigned::Node)?, intent.owner, digest(intent), &signature.data).await
        }
        _ => Ok(()),
    }
}

/// Checks the signature under a request to cancel.
pub(super) async fn cancelled(
    intent: &Intent,
    signature: &Signature,
    view: impl AsyncFnOnce() -> Result<View, String>,
) -> Result<(), Unsigned> {
    let (owner, hash) = (intent.owner, cancellation(intent));
    if signature.scheme == Scheme::Eip1271 {
        return ask(&view().await.map_err(Unsigned::Node)?, owner, hash, &signature.data).await;
    }
    let malformed = |e: alloy_primitives::SignatureError| SignatureError::Malformed(e.to_string());
    let signer =
        KeySignature::from_raw(&signature.data).and_then(|s| s.recover_address_from_prehash(&hash)).map_err(malformed)?;
    if signer == owner { Ok(()) } else { Err(SignatureError::Signer { signer, owner }.into()) }
}

async fn ask(view: &View, owner: Address, hash: B256, signature: &Bytes) -> Result<(), Unsigned> {
    let call = Account::isValidSignatureCall { hash, signature: signature.clone() };
    match view.ask_one(owner, call).await {
        Ok(Ok(answer)) if answer == fixed_bytes!("1626ba7e") => Ok(()),
        Ok(Ok(answer)) => Err(Unsigned::Contract { owner, reason: format!("it answers {answer}") }),
        Ok(Err(error)) => Err(Unsigned::Contract { owner, reason: error.reason }),
        Err(error) => Err(Unsigned::Node(error.to_string())),
    }
}
