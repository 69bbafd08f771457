use alloy_primitives::{Address, B256, Signature as KeySignature};
use ballast_wire::intent::{Intent, Scheme, Signature};

use super::digest;

/// Why a signature is not the owner's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// There is none.
    #[error("signature: the intent is not signed")]
    Missing,
    /// Not 65 bytes of a signature on the curve.
    #[error("signature.data: {0}")]
    Malformed(String),
    /// Somebody else's, or of something else.
    #[error(
        "signature.data: signed by {signer}, not by the owner {owner}; another key, or the intent was changed after it was signed; a vault \
         that is a contract signs by scheme `eip1271`"
    )]
    Signer {
        /// Who signed this intent.
        signer: Address,
        /// Who should have.
        owner: Address,
    },
}

/// Checks what can be checked without the chain: a signature by key is the owner's, one by contract (ERC-1271) is there. The contract's own
/// answer comes with the simulation.
///
/// # Errors
/// When it is missing or not the owner's.
pub fn check_signature(intent: &Intent) -> Result<(), SignatureError> {
    signed(intent.owner, &digest(intent), intent.signature.as_ref()).map(|_| ())
}

/// The same of any hash that an owner is to sign.
pub(crate) fn signed<'a>(owner: Address, hash: &B256, signature: Option<&'a Signature>) -> Result<&'a Signature, SignatureError> {
    let signature = signature.ok_or(SignatureError::Missing)?;
    if signature.scheme == Scheme::Eip1271 {
        return Ok(signature);
    }
    let malformed = |e: alloy_primitives::SignatureError| SignatureError::Malformed(e.to_string());
    let parsed = KeySignature::from_raw(&signature.data).map_err(malformed)?;
    // The other of the two forms is as good to the curve, and not to the contract.
    if parsed.normalize_s().is_some() {
        return Err(SignatureError::Malformed("s is in the upper half of the curve".into()));
    }
    let signer = parsed.recover_address_from_prehash(hash).map_err(malformed)?;
    if signer == owner { Ok(signature) } else { Err(SignatureError::Signer { signer, owner }) }
}
