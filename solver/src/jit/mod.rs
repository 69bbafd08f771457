//! Orders that come with a solution instead of with the auction, just in time for it.
//!
//! Their owners have signed them for whoever settles them: market makers, and contracts such as AMMs that answer for what they trade
//! by EIP-1271. To the engine such an order is one like any other, only that the reply carries all of it. The surplus of those
//! whose owners the auction lists in `surplusCapturingJitOrderOwners` is scored as a trader's is; the others are liquidity.
//!
//! ```text
//! JitSource ─ offers ─→ Auction::offer ─→ as other orders are solved ─→ Trade::Jit ─→ verify ─→ encode: uid and signature
//! ```

mod file;

use std::path::PathBuf;

use alloy_primitives::Address;
use ballast_wire::{self as wire, OrderUid};
use documented::{Documented, DocumentedFields};
use serde::{Deserialize, Serialize};

pub use file::{JitError, JitFile};

use crate::auction::Auction;
use crate::settlement::Contracts;
use crate::settlement::encode::{EncodeError, Scheme, as_listed, digest, domain_separator, signer, uid};

/// Orders that come with solutions, signed for whoever settles them. Takes effect on start only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Documented, DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct JitConfig {
    /// A JSON file `{"orders": […]}` of such orders, each with the fields of a JIT order in a reply; none if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

impl JitConfig {
    /// Opens the source, if there is one. Orders are signed for `contracts`.
    ///
    /// # Errors
    /// When the file cannot be read, or one of its orders is not as it should be; the error names the field.
    pub fn open(&self, contracts: &Contracts) -> Result<Option<Box<dyn JitSource>>, JitError> {
        let file = self.file.as_ref().map(|path| JitFile::read(path, contracts)).transpose()?;
        Ok(file.map(|file| Box::new(file) as Box<dyn JitSource>))
    }
}

/// Where such orders come from.
pub trait JitSource: Send + Sync {
    /// What may be filled in an auction.
    fn offers(&self, auction: &Auction) -> Vec<Offer>;
}

/// A signed order, with what follows from its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name: digest, owner and expiry.
    pub uid: OrderUid,
    /// Who signed it.
    pub owner: Address,
    /// What was signed, and the signature.
    pub order: wire::JitOrder,
}

/// Why an order is none that could be settled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct OfferError {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Offer {
    /// Finds out who signed an order for `contracts`, and what it is called.
    ///
    /// # Errors
    /// When a field is none that the contract knows, or the signature is nobody's.
    pub fn new(order: wire::JitOrder, contracts: &Contracts) -> Result<Self, OfferError> {
        let refused = |field, reason| OfferError { field, reason };
        // The driver reads no other spelling.
        let scheme = Scheme::parse(&order.signing_scheme)
            .filter(|scheme| scheme.in_replies() == order.signing_scheme)
            .ok_or_else(|| refused("signingScheme", "expected eip712, ethSign, preSign or eip1271"))?;
        let unnamed = as_listed(&order, Address::ZERO, OrderUid::ZERO);
        let digest = digest(&unnamed, &domain_separator(contracts)).map_err(|error| match error {
            EncodeError::Field { field: "sellTokenSource", .. } => {
                refused("sellTokenBalance", "expected erc20, internal or external")
            }
            _ => refused("buyTokenBalance", "expected erc20 or internal"),
        })?;
        let owner = match scheme {
            Scheme::Eip712 | Scheme::EthSign => signer(scheme, &order.signature, &digest)
                .ok_or_else(|| refused("signature", "expected 65 bytes that a key made of this order"))?,
            Scheme::PreSign if order.signature.len() != 20 => {
                return Err(refused("signature", "expected the 20 bytes of the owner, and no more"));
            }
            Scheme::PreSign | Scheme::Eip1271 => order
                .signature
                .get(..20)
                .map(Address::from_slice)
                .ok_or_else(|| refused("signature", "expected the 20 bytes of the owner first"))?,
        };
        Ok(Self { uid: uid(&digest, &owner, order.valid_to), owner, order })
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{B256, Bytes};
    use ballast_wire::{Amount, Side};

    use super::*;

    fn order(scheme: &str, signature: Vec<u8>) -> wire::JitOrder {
        wire::JitOrder {
            sell_token: Address::repeat_byte(1),
            buy_token: Address::repeat_byte(2),
            receiver: Address::ZERO,
            sell_amount: Amount(alloy_primitives::U256::from(10)),
            buy_amount: Amount(alloy_primitives::U256::from(20)),
            partially_fillable: true,
            valid_to: 1_700_000_000,
            app_data: B256::ZERO,
            kind: Side::Sell,
            sell_token_balance: "erc20".into(),
            buy_token_balance: "erc20".into(),
            signing_scheme: scheme.into(),
            signature: Bytes::from(signature),
        }
    }

    #[test]
    fn contracts_and_transactions_name_their_owner() {
        let contracts = Contracts::default();
        for (scheme, signature) in [("eip1271", vec![7; 30]), ("eip1271", vec![7; 20]), ("preSign", vec![7; 20])] {
            let offer = Offer::new(order(scheme, signature), &contracts).unwrap();
            assert_eq!(offer.owner, Address::repeat_byte(7));
            assert_eq!(offer.uid[32..52], [7; 20]);
        }
    }

    #[test]
    fn what_the_contract_does_not_know_is_named() {
        let of = |order| Offer::new(order, &Contracts::default()).unwrap_err().field;
        assert_eq!(of(order("presign", vec![7; 20])), "signingScheme");
        assert_eq!(of(order("preSign", vec![7; 21])), "signature");
        assert_eq!(of(order("eip1271", vec![7; 19])), "signature");
        assert_eq!(of(order("eip712", vec![7; 64])), "signature");
        let eip1271 = || order("eip1271", vec![7; 20]);
        assert_eq!(of(wire::JitOrder { sell_token_balance: "bank".into(), ..eip1271() }), "sellTokenBalance");
        assert_eq!(of(wire::JitOrder { buy_token_balance: "external".into(), ..eip1271() }), "buyTokenBalance");
    }
}
