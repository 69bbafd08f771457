use alloy_primitives::{Address, U256};
use ballast_adapters::encode::call;
use ballast_adapters::erc20::Erc20::approveCall;
use ballast_wire::{Allowance, Amount, Call};
use rustc_hash::FxHashMap;

use super::Approvals;

/// What the settlement contract has approved: a view, by token and spender. What is not in it counts as nothing.
#[derive(Debug, Clone, Default)]
pub struct Allowances(FxHashMap<(Address, Address), U256>);

impl Allowances {
    /// Notes what `spender` may take of `token`, in atoms.
    pub fn set(&mut self, token: Address, spender: Address, amount: U256) {
        self.0.insert((token, spender), amount);
    }

    /// What `spender` may take of `token`, in atoms.
    pub fn get(&self, token: Address, spender: Address) -> U256 {
        self.0.get(&(token, spender)).copied().unwrap_or_default()
    }

    /// Notes that a settlement spends what is approved. How much is left then depends on slippage; an atom stands for it: too little for a
    /// swap, and reason enough to take the rest back first.
    pub(super) fn spend(&mut self, token: Address, spender: Address) {
        let held = self.0.entry((token, spender)).or_default();
        *held = U256::ONE;
    }

    /// The approvals that a need takes. Some tokens refuse to change an allowance that is not zero, so one that is short is
    /// taken back first.
    pub(super) fn short(&self, need: &Allowance, approvals: Approvals) -> Vec<Call> {
        let &Allowance { token, spender, amount: Amount(amount) } = need;
        let held = self.get(token, spender);
        if held >= amount {
            return Vec::new();
        }
        let approved = match approvals {
            Approvals::Exact => amount,
            Approvals::Unlimited => U256::MAX,
        };
        let mut amounts = vec![approved];
        if !held.is_zero() {
            amounts.insert(0, U256::ZERO);
        }
        amounts.into_iter().map(|amount| call(token, &approveCall { spender, amount })).collect()
    }
}

impl FromIterator<((Address, Address), U256)> for Allowances {
    /// From token, spender and atoms.
    fn from_iter<I: IntoIterator<Item = ((Address, Address), U256)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}
