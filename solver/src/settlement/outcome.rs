//! What a settlement did on the chain, by its receipt, beside what was promised.

use std::collections::BTreeMap;
use std::fmt;

use alloy::rpc::types::{Log, TransactionReceipt};
use alloy_primitives::{Address, B256, I256, U256};
use alloy_sol_types::{SolEvent, sol};
use ballast_wire::OrderUid;

use super::Simulation;
use super::encode::{NATIVE, Settlement};

sol! {
    event Trade(address indexed owner, address sellToken, address buyToken, uint256 sellAmount, uint256 buyAmount, uint256 feeAmount,
        bytes orderUid);
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Deposit(address indexed to, uint256 value);
    event Withdrawal(address indexed from, uint256 value);
}

/// One order's part, by the settlement's own event; atoms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traded {
    /// The order.
    pub order: OrderUid,
    /// What was paid.
    pub paid: U256,
    /// What was received.
    pub got: U256,
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The transaction.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
    /// Gas used.
    pub gas: u64,
    /// Wei paid for a unit of gas.
    pub gas_price: u128,
    /// What the settlement says of each order.
    pub trades: Vec<Traded>,
    /// By how much the settlement contract's balances grew or fell, by the tokens' own events.
    pub buffers: BTreeMap<Address, I256>,
    /// What accounts other than the settlement received from it, by account and token.
    payments: BTreeMap<(Address, Address), U256>,
}

/// Where a transaction did something else than was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// An order that was not traded, or traded without a promise.
    Trade(OrderUid),
    /// An order that paid or got another amount: promised and real.
    Amounts {
        /// The order.
        order: OrderUid,
        /// Paid and got, as promised.
        promised: [U256; 2],
        /// Paid and got, as it was.
        real: [U256; 2],
    },
    /// A receiver who was sent another amount than the order got.
    Payment {
        /// The order.
        order: OrderUid,
        /// What was promised.
        promised: U256,
        /// What its receiver was sent.
        real: U256,
    },
    /// A balance that changed, or would, by another amount.
    Balance {
        /// Whose.
        account: Address,
        /// The token.
        token: Address,
        /// The change that was promised.
        promised: I256,
        /// The change.
        real: I256,
    },
}

impl Difference {
    /// Whether it is the settlement contract's gain, and nobody's loss: pools that moved to our favour, slippage that was spared.
    pub fn is_gain(&self) -> bool {
        matches!(self, Self::Balance { promised, real, .. } if real > promised)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trade(order) => write!(f, "order {order}: promised or traded, but not both"),
            Self::Amounts { order, promised: [paid, got], real } => {
                write!(f, "order {order}: paid {} for {} where {paid} for {got} was promised", real[0], real[1])
            }
            Self::Payment { order, promised, real } => {
                write!(
                    f,
                    "order {order}: its receiver was sent {real} where {promised} was promised; does the token take a fee on transfer?"
                )
            }
            Self::Balance { account, token, promised, real } => {
                write!(f, "what {account} has of {token} changes by {real} where {promised} was promised")
            }
        }
    }
}

impl Outcome {
    /// Reads a receipt of a transaction that settled at this contract.
    pub fn of(receipt: &TransactionReceipt, settlement: Address) -> Self {
        let mut outcome = Self {
            transaction: receipt.transaction_hash,
            block: receipt.block_number.unwrap_or_default(),
            gas: receipt.gas_used,
            gas_price: receipt.effective_gas_price,
            trades: Vec::new(),
            buffers: BTreeMap::new(),
            payments: BTreeMap::new(),
        };
        for log in receipt.logs() {
            outcome.read(log, settlement);
        }
        outcome.buffers.retain(|_, change| !change.is_zero());
        outcome
    }

    fn read(&mut self, log: &Log, settlement: Address) {
        let token = log.address();
        if let Ok(event) = Transfer::decode_log(&log.inner) {
            if event.to == settlement {
                self.change(token, event.value, false);
            }
            if event.from == settlement {
                self.change(token, event.value, true);
                let sent = self.payments.entry((event.to, token)).or_default();
                *sent = sent.saturating_add(event.value);
            }
        } else if let Ok(event) = Deposit::decode_log(&log.inner) {
            if event.to == settlement {
                self.change(token, event.value, false);
            }
        } else if let Ok(event) = Withdrawal::decode_log(&log.inner) {
            if event.from == settlement {
                self.change(token, event.value, true);
            }
        } else if token == settlement
            && let Ok(event) = Trade::decode_log(&log.inner)
            && let Ok(order) = OrderUid::try_from(event.orderUid.as_ref())
        {
            self.trades.push(Traded { order, paid: event.sellAmount, got: event.buyAmount });
        }
    }

    /// Amounts beyond 2^255 are of no token that could be settled; they show as a difference.
    fn change(&mut self, token: Address, amount: U256, falls: bool) {
        let amount = I256::try_from(amount).unwrap_or(I256::MAX);
        let held = self.buffers.entry(token).or_default();
        *held = if falls { held.saturating_sub(amount) } else { held.saturating_add(amount) };
    }

    /// Where this is not what was promised.
    pub fn differences(&self, promise: &Settlement) -> Vec<Difference> {
        let mut differences = Vec::new();
        for promised in &promise.trades {
            let order = promised.order;
            let Some(traded) = self.trades.iter().find(|t| t.order == order) else {
                differences.push(Difference::Trade(order));
                continue;
            };
            let (owed, real) = ([promised.paid, promised.got], [traded.paid, traded.got]);
            if owed != real {
                differences.push(Difference::Amounts { order, promised: owed, real });
            }
        }
        let unknown = self.trades.iter().filter(|t| promise.trades.iter().all(|p| p.order != t.order));
        differences.extend(unknown.map(|t| Difference::Trade(t.order)));
        differences.extend(self.underpaid(promise));
        for (&token, &promised) in &promise.buffers {
            let real = self.buffers.get(&token).copied().unwrap_or_default();
            if real != promised {
                differences.push(Difference::Balance { account: promise.target, token, promised, real });
            }
        }
        let unforeseen = self.buffers.iter().filter(|(token, _)| !promise.buffers.contains_key(*token));
        differences.extend(unforeseen.map(|(&token, &real)| Difference::Balance {
            account: promise.target,
            token,
            promised: I256::ZERO,
            real,
        }));
        differences
    }

    /// Orders whose receivers were sent less or more than all of theirs in that token got.
    fn underpaid(&self, promise: &Settlement) -> Vec<Difference> {
        // The native token moves without events.
        let paid_in_tokens = promise.trades.iter().filter(|trade| trade.buy != NATIVE);
        paid_in_tokens
            .filter_map(|trade| {
                let same = promise.trades.iter().filter(|t| (t.receiver, t.buy) == (trade.receiver, trade.buy));
                let promised = same.fold(U256::ZERO, |sum, t| sum.saturating_add(t.got));
                let real = self.payments.get(&(trade.receiver, trade.buy)).copied().unwrap_or_default();
                (real != promised).then_some(Difference::Payment { order: trade.order, promised, real })
            })
            .collect()
    }
}

/// Where a simulation's balances are not what is promised.
pub fn foreseen(promise: &Settlement, simulation: &Simulation) -> Vec<Difference> {
    let mut due: BTreeMap<(Address, Address), I256> =
        promise.buffers.iter().map(|(&token, &change)| ((promise.target, token), change)).collect();
    let mut add = |account, token, change: I256| {
        let sum = due.entry((account, token)).or_default();
        *sum = sum.saturating_add(change);
    };
    for trade in &promise.trades {
        let [paid, got] = [trade.paid, trade.got].map(|amount| I256::try_from(amount).unwrap_or(I256::MAX));
        add(trade.owner, trade.sell, paid.saturating_neg());
        add(trade.receiver, trade.buy, got);
    }
    due.into_iter()
        .map(|((account, token), promised)| (account, token, promised, simulation.change(account, token)))
        .filter(|(_, _, promised, real)| promised != real)
        .map(|(account, token, promised, real)| Difference::Balance { account, token, promised, real })
        .collect()
}
