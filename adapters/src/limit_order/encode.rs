use alloy_primitives::{Address, B256};
use alloy_sol_types::{Eip712Domain, SolStruct, sol};

use super::LimitOrder;
use crate::Venue;
use crate::encode::{Encode, EncodeError, Encoded, Exchange, Given, Parties, Via, allowance, call, pair};

mod abi {
    #![allow(missing_docs)]
    use super::sol;

    sol! {
        #[derive(Debug, PartialEq, Eq)]
        struct LimitOrder {
            address makerToken; address takerToken; uint128 makerAmount; uint128 takerAmount; uint128 takerTokenFeeAmount;
            address maker; address taker; address sender; address feeRecipient; bytes32 pool; uint64 expiry; uint256 salt;
        }

        #[derive(Debug, PartialEq, Eq)]
        struct Signature { uint8 signatureType; uint8 v; bytes32 r; bytes32 s; }

        interface Exchange0x {
            function fillOrKillLimitOrder(LimitOrder order, Signature signature, uint128 takerTokenFillAmount)
                external payable returns (uint128 makerTokenFilledAmount);
        }
    }
}

pub use abi::{LimitOrder as Terms, Signature};

/// A limit order as its maker signed it: what an auction does not tell, and a fill cannot do without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOrder {
    /// What was signed.
    pub terms: Terms,
    /// By whom, in the protocol's own form.
    pub signature: Signature,
}

impl SignedOrder {
    /// The order's name: its EIP-712 digest for an exchange on a chain.
    pub fn digest(&self, chain_id: u64, exchange: Address) -> B256 {
        let domain = Eip712Domain::new(
            Some("ZeroEx".into()),
            Some("1.0.0".into()),
            Some(chain_id.try_into().unwrap_or_default()),
            Some(exchange),
            None,
        );
        self.terms.eip712_signing_hash(&domain)
    }
}

impl LimitOrder {
    /// The call that fills the order for just the input of `exchange`, or not at all.
    ///
    /// # Errors
    /// When it is not the order that was signed, or less than that is left of it.
    pub fn encode_signed(&self, signed: &SignedOrder, exchange: &Exchange, chain_id: u64) -> Result<Encoded, EncodeError> {
        let (input, _) = pair(self.tokens(), exchange)?;
        if self.hash().as_ref() != signed.digest(chain_id, self.address()).as_slice() {
            return Err(EncodeError::Unsupported("the signed limit order is not the one of the auction: its digest differs"));
        }
        let fill = self.fill_of(exchange.amount_in).map_err(|_| EncodeError::Unsupported("the limit order has less left"))?;
        let fill = abi::Exchange0x::fillOrKillLimitOrderCall {
            order: signed.terms.clone(),
            signature: signed.signature.clone(),
            takerTokenFillAmount: fill,
        };
        let allowances = vec![allowance(input, self.address(), exchange.amount_in)];
        Ok(Encoded { calls: vec![call(self.address(), &fill)], allowances, gas: self.gas(Via::Router, exchange.given) })
    }
}

impl Encode for LimitOrder {
    fn encode(&self, _via: Via, _exchange: &Exchange, _parties: &Parties) -> Result<Encoded, EncodeError> {
        Err(EncodeError::Unsupported(
            "a limit order cannot be filled without what its maker signed, which an auction does not carry",
        ))
    }

    /// What reference drivers assume: no package has the contract, so it was not measured.
    fn gas(&self, _via: Via, _given: Given) -> u64 {
        66_358
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{U256, hex};
    use alloy_sol_types::SolCall;

    use super::*;

    /// The hash of the type and the selector, as they stand in the protocol's `LibNativeOrder.sol` and its deployed proxy.
    #[test]
    fn types_are_the_protocols() {
        let type_hash = hex!("ce918627cb55462ddbb85e73de69a8b322f2bc88f4507c52fcad6d4c33c29d49");
        assert_eq!(terms().eip712_type_hash(), type_hash);
        assert_eq!(abi::Exchange0x::fillOrKillLimitOrderCall::SELECTOR, hex!("9240529c"));
    }

    fn terms() -> Terms {
        Terms {
            makerToken: Address::repeat_byte(1),
            takerToken: Address::repeat_byte(2),
            makerAmount: 3000,
            takerAmount: 1000,
            takerTokenFeeAmount: 10,
            maker: Address::repeat_byte(3),
            taker: Address::ZERO,
            sender: Address::ZERO,
            feeRecipient: Address::repeat_byte(4),
            pool: B256::ZERO,
            expiry: 2_000_000_000,
            salt: U256::from(7),
        }
    }

    fn signed() -> SignedOrder {
        SignedOrder {
            terms: terms(),
            signature: Signature { signatureType: 2, v: 27, r: B256::repeat_byte(5), s: B256::repeat_byte(6) },
        }
    }

    fn model(hash: B256) -> LimitOrder {
        let Terms { makerToken: maker_token, takerToken: taker_token, .. } = terms();
        let wire = ballast_wire::LimitOrder {
            hash: hash.into(),
            maker_token,
            taker_token,
            maker_amount: U256::from(3000),
            taker_amount: U256::from(1000),
            taker_token_fee_amount: U256::from(10),
        };
        LimitOrder::from_wire(Address::repeat_byte(9), &wire).unwrap()
    }

    #[test]
    fn a_fill_states_the_takers_amount_without_the_fee() {
        let exchange = Exchange {
            input: 0,
            output: 1,
            amount_in: U256::from(505),
            amount_out: U256::from(1500),
            given: Given::In,
            limit: U256::from(1500),
        };
        let model = model(signed().digest(1, Address::repeat_byte(9)));
        let encoded = model.encode_signed(&signed(), &exchange, 1).unwrap();
        let call = abi::Exchange0x::fillOrKillLimitOrderCall::abi_decode(&encoded.calls[0].call_data).unwrap();
        assert_eq!((call.takerTokenFillAmount, call.order, encoded.calls[0].target), (500, terms(), Address::repeat_byte(9)));
        assert_eq!(encoded.allowances[0].amount.0, U256::from(505));
        assert!(model.encode_signed(&signed(), &exchange, 5).is_err(), "another chain, another digest");
    }
}
