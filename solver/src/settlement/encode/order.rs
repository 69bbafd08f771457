//! Orders as they were signed: digest, uid, flags, and the form in which the contract wants the signature.

use alloy_primitives::{Address, B256, Bytes, Signature, U256, address, eip191_hash_message, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct};
use ballast_wire::{self as wire, Class, OrderUid, Side};

use super::EncodeError;
use super::abi;
use crate::settlement::Contracts;

/// What stands for the native token in an order that buys it.
pub const NATIVE: Address = address!("EeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE");

/// How an order was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The digest, by the owner's key.
    Eip712,
    /// The digest as a message, by the owner's key.
    EthSign,
    /// By a contract that answers for itself.
    Eip1271,
    /// By a transaction of the owner.
    PreSign,
}

impl Scheme {
    /// Reads a scheme as auctions spell it, or as replies do.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "eip712" => Self::Eip712,
            "ethsign" | "ethSign" => Self::EthSign,
            "eip1271" => Self::Eip1271,
            "presign" | "preSign" => Self::PreSign,
            _ => return None,
        })
    }

    /// As replies spell it.
    pub fn in_replies(self) -> &'static str {
        match self {
            Self::Eip712 => "eip712",
            Self::EthSign => "ethSign",
            Self::Eip1271 => "eip1271",
            Self::PreSign => "preSign",
        }
    }
}

/// Where a token is taken from, or put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Balance {
    Erc20,
    External,
    Internal,
}

impl Balance {
    fn parse(text: Option<&str>) -> Option<Self> {
        Some(match text {
            None | Some("erc20") => Self::Erc20,
            Some("external") => Self::External,
            Some("internal") => Self::Internal,
            Some(_) => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Erc20 => "erc20",
            Self::External => "external",
            Self::Internal => "internal",
        }
    }
}

/// The hash that ties signatures to a chain and a settlement contract.
pub fn domain_separator(contracts: &Contracts) -> B256 {
    let chain = U256::from(contracts.chain_id);
    Eip712Domain::new(Some("Gnosis Protocol".into()), Some("v2".into()), Some(chain), Some(contracts.settlement), None)
        .separator()
}

/// What an owner signs.
pub fn digest(order: &wire::Order, domain: &B256) -> Result<B256, EncodeError> {
    Terms::new(order).map(|terms| terms.digest(domain))
}

/// An order's name: its digest, its owner and its expiry.
pub fn uid(digest: &B256, owner: &Address, valid_to: u32) -> OrderUid {
    let mut uid = [0; 56];
    uid[..32].copy_from_slice(digest.as_slice());
    uid[32..52].copy_from_slice(owner.as_slice());
    uid[52..].copy_from_slice(&valid_to.to_be_bytes());
    uid.into()
}

/// Whose key made a signature of an order with this digest; nobody's where the scheme knows no keys.
pub fn signer(scheme: Scheme, signature: &[u8], digest: &B256) -> Option<Address> {
    let hash = match scheme {
        Scheme::Eip712 => *digest,
        Scheme::EthSign => eip191_hash_message(digest),
        Scheme::Eip1271 | Scheme::PreSign => return None,
    };
    Signature::from_raw(signature).ok()?.recover_address_from_prehash(&hash).ok()
}

/// An order that comes with a solution, in the form of those that come with the auction. Where its signature starts with the owner,
/// that of the other form does not.
pub fn as_listed(order: &wire::JitOrder, owner: Address, uid: OrderUid) -> wire::Order {
    let signature = match Scheme::parse(&order.signing_scheme) {
        Some(Scheme::Eip1271 | Scheme::PreSign) => order.signature.get(20..).map(Bytes::copy_from_slice).unwrap_or_default(),
        _ => order.signature.clone(),
    };
    wire::Order {
        uid,
        sell_token: order.sell_token,
        buy_token: order.buy_token,
        sell_amount: order.sell_amount.0,
        buy_amount: order.buy_amount.0,
        full_sell_amount: order.sell_amount.0,
        full_buy_amount: order.buy_amount.0,
        valid_to: order.valid_to,
        kind: order.kind,
        receiver: Some(order.receiver),
        owner,
        partially_fillable: order.partially_fillable,
        pre_interactions: Vec::new(),
        post_interactions: Vec::new(),
        sell_token_source: Some(order.sell_token_balance.clone()),
        buy_token_destination: Some(order.buy_token_balance.clone()),
        class: Class::Limit,
        app_data: order.app_data,
        signing_scheme: order.signing_scheme.clone(),
        signature,
        fee_policies: None,
        flashloan_hint: None,
        wrappers: Vec::new(),
    }
}

/// An order whose uid is that of what was signed.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub order: &'a wire::Order,
    pub terms: Terms,
    pub digest: B256,
    pub scheme: Scheme,
}

impl<'a> Signed<'a> {
    /// Finds what was signed. Auctions tell less than that: the native token arrives as its wrapped one, and a receiver who is the
    /// owner may be written out; the uid decides.
    pub fn new(order: &'a wire::Order, domain: &B256, contracts: &Contracts) -> Result<Self, EncodeError> {
        let scheme = Scheme::parse(&order.signing_scheme).ok_or_else(|| EncodeError::field(order, "signingScheme"))?;
        let mut terms = Terms::new(order)?;
        let given = (order.buy_token, order.receiver.unwrap_or_default());
        let buys: &[Address] = if given.0 == contracts.weth { &[given.0, NATIVE] } else { &[given.0] };
        let receivers: &[Address] = if given.1 == order.owner { &[given.1, Address::ZERO] } else { &[given.1] };
        for &buy in buys {
            for &receiver in receivers {
                (terms.0.buyToken, terms.0.receiver) = (buy, receiver);
                let digest = terms.digest(domain);
                if uid(&digest, &order.owner, order.valid_to) == order.uid {
                    return Ok(Self { order, terms, digest, scheme });
                }
            }
        }
        (terms.0.buyToken, terms.0.receiver) = given;
        let computed = uid(&terms.digest(domain), &order.owner, order.valid_to);
        Err(EncodeError::Uid { given: order.uid, computed })
    }

    /// Who is paid.
    pub fn receiver(&self) -> Address {
        let receiver = self.terms.0.receiver;
        if receiver.is_zero() { self.order.owner } else { receiver }
    }

    /// The trade that fills the order: at what prices is said elsewhere.
    pub fn trade(&self, sell: usize, buy: usize, executed: U256) -> Result<abi::Trade, EncodeError> {
        let terms = &self.terms.0;
        Ok(abi::Trade {
            sellTokenIndex: U256::from(sell),
            buyTokenIndex: U256::from(buy),
            receiver: terms.receiver,
            sellAmount: terms.sellAmount,
            buyAmount: terms.buyAmount,
            validTo: terms.validTo,
            appData: terms.appData,
            feeAmount: terms.feeAmount,
            flags: self.flags(),
            // The contract does not look at it unless the order may be filled in part.
            executedAmount: if terms.partiallyFillable { executed } else { U256::ZERO },
            signature: self.signature()?,
        })
    }

    /// `GPv2Trade.extractFlags`, the other way round.
    fn flags(&self) -> U256 {
        let order = self.order;
        let side = match order.kind {
            Side::Sell => 0,
            Side::Buy => 1,
        };
        let from = match Balance::parse(order.sell_token_source.as_deref()) {
            Some(Balance::External) => 0b0_1000,
            Some(Balance::Internal) => 0b0_1100,
            _ => 0,
        };
        let to = match Balance::parse(order.buy_token_destination.as_deref()) {
            Some(Balance::Internal) => 0b1_0000,
            _ => 0,
        };
        U256::from(side | u32::from(order.partially_fillable) << 1 | from | to | (self.scheme as u32) << 5)
    }

    fn signature(&self) -> Result<Bytes, EncodeError> {
        let signature = &self.order.signature;
        match self.scheme {
            Scheme::Eip712 | Scheme::EthSign if signature.len() == 65 => Ok(signature.clone()),
            Scheme::Eip712 | Scheme::EthSign => Err(EncodeError::field(self.order, "signature (65 bytes are expected)")),
            Scheme::Eip1271 => Ok([self.order.owner.as_slice(), signature].concat().into()),
            Scheme::PreSign => Ok(self.order.owner.to_vec().into()),
        }
    }
}

/// What was signed.
#[derive(Debug)]
pub(super) struct Terms(pub abi::Order);

impl Terms {
    /// The order as the auction tells it. Since fees are the solver's to take, the signed one is zero.
    fn new(order: &wire::Order) -> Result<Self, EncodeError> {
        let from = Balance::parse(order.sell_token_source.as_deref());
        let to = Balance::parse(order.buy_token_destination.as_deref()).filter(|to| *to != Balance::External);
        let kind = match order.kind {
            Side::Sell => "sell",
            Side::Buy => "buy",
        };
        Ok(Self(abi::Order {
            sellToken: order.sell_token,
            buyToken: order.buy_token,
            receiver: order.receiver.unwrap_or_default(),
            sellAmount: order.full_sell_amount,
            buyAmount: order.full_buy_amount,
            validTo: order.valid_to,
            appData: order.app_data,
            feeAmount: U256::ZERO,
            kind: kind.to_owned(),
            partiallyFillable: order.partially_fillable,
            sellTokenBalance: from.ok_or_else(|| EncodeError::field(order, "sellTokenSource"))?.name().to_owned(),
            buyTokenBalance: to.ok_or_else(|| EncodeError::field(order, "buyTokenDestination"))?.name().to_owned(),
        }))
    }

    fn digest(&self, domain: &B256) -> B256 {
        let mut message = [0; 66];
        message[..2].copy_from_slice(&[0x19, 0x01]);
        message[2..34].copy_from_slice(domain.as_slice());
        message[34..].copy_from_slice(self.0.eip712_hash_struct().as_slice());
        keccak256(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> wire::Order {
        wire::Order {
            uid: OrderUid::ZERO,
            sell_token: Address::repeat_byte(1),
            buy_token: Address::repeat_byte(2),
            sell_amount: U256::from(10),
            buy_amount: U256::from(20),
            full_sell_amount: U256::from(10),
            full_buy_amount: U256::from(20),
            valid_to: 1_700_000_000,
            kind: Side::Sell,
            receiver: None,
            owner: Address::repeat_byte(3),
            partially_fillable: false,
            pre_interactions: Vec::new(),
            post_interactions: Vec::new(),
            sell_token_source: None,
            buy_token_destination: None,
            class: Class::Limit,
            app_data: B256::ZERO,
            signing_scheme: "presign".to_owned(),
            signature: Bytes::new(),
            fee_policies: None,
            flashloan_hint: None,
            wrappers: Vec::new(),
        }
    }

    fn named(mut order: wire::Order, domain: &B256) -> wire::Order {
        let digest = digest(&order, domain).unwrap();
        order.uid = uid(&digest, &order.owner, order.valid_to);
        order
    }

    /// `GPv2Order.TYPE_HASH`, and the domain of Ethereum's settlement contract as it returns it.
    #[test]
    fn hashes_are_the_contracts() {
        let type_hash = alloy_primitives::hex!("d5a25ba2e97094ad7d83dc28a6572da797d6b3e7fc6663bd93efb789fc17e489");
        assert_eq!(Terms::new(&order()).unwrap().0.eip712_type_hash(), type_hash);
        let domain = alloy_primitives::hex!("c078f884a2676e1345748b1feace7b0abee5d00ecadb6e574dcdd109a63e8943");
        assert_eq!(domain_separator(&Contracts::default()), domain);
    }

    /// Every combination, read back as `GPv2Trade.extractFlags` does.
    #[test]
    fn flags_say_side_fill_balances_and_scheme() {
        let (contracts, domain) = (Contracts::default(), B256::repeat_byte(9));
        for (kind, partial) in [(Side::Sell, false), (Side::Buy, true)] {
            for from in ["erc20", "external", "internal"] {
                for to in ["erc20", "internal"] {
                    for (scheme, name) in ["eip712", "ethsign", "eip1271", "presign"].into_iter().enumerate() {
                        let order = named(
                            wire::Order {
                                kind,
                                partially_fillable: partial,
                                sell_token_source: Some(from.to_owned()),
                                buy_token_destination: Some(to.to_owned()),
                                signing_scheme: name.to_owned(),
                                ..order()
                            },
                            &domain,
                        );
                        let flags: usize = Signed::new(&order, &domain, &contracts).unwrap().flags().to();
                        assert_eq!(flags & 1 != 0, kind == Side::Buy);
                        assert_eq!(flags & 2 != 0, partial);
                        let source = if flags & 8 == 0 {
                            "erc20"
                        } else if flags & 4 == 0 {
                            "external"
                        } else {
                            "internal"
                        };
                        assert_eq!(source, from);
                        assert_eq!(if flags & 16 == 0 { "erc20" } else { "internal" }, to);
                        assert_eq!(flags >> 5, scheme);
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_signed_is_found_by_the_uid() {
        let (contracts, domain) = (Contracts::default(), B256::repeat_byte(9));
        let mut bought = named(wire::Order { buy_token: NATIVE, ..order() }, &domain);
        bought.buy_token = contracts.weth;
        assert_eq!(Signed::new(&bought, &domain, &contracts).unwrap().terms.0.buyToken, NATIVE);
        let mut written_out = named(order(), &domain);
        written_out.receiver = Some(written_out.owner);
        assert_eq!(Signed::new(&written_out, &domain, &contracts).unwrap().terms.0.receiver, Address::ZERO);
        let changed = wire::Order { full_buy_amount: U256::from(19), ..named(order(), &domain) };
        let error = Signed::new(&changed, &domain, &contracts).unwrap_err().to_string();
        assert!(error.contains("[settlement.contracts]"), "{error}");
        let external = wire::Order { buy_token_destination: Some("external".to_owned()), ..order() };
        assert!(digest(&external, &domain).unwrap_err().to_string().contains("buyTokenDestination"));
    }
}
