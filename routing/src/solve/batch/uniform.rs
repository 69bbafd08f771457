//! What no batch can exceed at one price a token.
//!
//! [A bound](super::bound) has each order paid its limit, unless more is worth more to it than what that could be sold for: each has a price of
//! its own. At one price a token there is less to be had. At prices ν of the bound, and clearing prices at which a unit of what is sold buys q, an
//! order for A_s and A_b of which x is filled, and which pays a fee f in what it sells, has a surplus
//!
//! ```text
//! s = (x·A_s − f)·q − x·A_b
//! ```
//!
//! In the bound it brings x·(ν_s·A_s − ν_b·A_b), and its fee costs γ·f, γ ≤ ν_s. But its surplus is scored at σ ≤ ν_b, and what it is paid in
//! could be sold for ν_b. So of what the bound counts the batch is without
//!
//! ```text
//! (ν_b − σ)·s + (ν_s − γ)·f ≥ x·min{ (ν_b − σ)·A_b·(eᵈ − 1), (ν_s − γ)·A_s·(1 − e⁻ᵈ) },   d = ln(q·A_s / A_b)
//! ```
//!
//! (the least over fees, from none to all of the surplus), and without a part 1 − x of what it brings besides. Who buys an exact amount is left
//! with s of what he sells, and that is min{ν_s − σ·A_b/A_s, ν_s − γ}·A_s·(1 − e⁻ᵈ) at the least. What all lose together at any clearing prices is
//! a [programme](crate::program::one_price) of its own. The less a fee counts at, the more is lost to prices, and the less to gas.

use super::bound::{Bound, Bounds};
use super::tokens::Saved;
use super::{Batch, Order};
use crate::budget::Budget;
use crate::program::one_price::{Network, Tie};
use crate::program::uniform::Exact;
use crate::view::View;

/// What a unit of fees counts at where prices are to be the same for all, as parts of what the cheapest counts at: the best of these.
const FEES: [f64; 3] = [0.98, 0.95, 0.9];
/// How much of the most that an order can lose to its price is told of.
const MOST: f64 = 0.8;
/// How many times what an order loses to one price a token is set aside for that.
const AMPLE: f64 = 2.0;

/// What orders may lose to one price a token, and what each loses at some prices that are good.
struct Losses {
    network: Network,
    /// In all, and by order as a part of what it brings.
    lost: f64,
    parts: Vec<f64>,
}

impl Losses {
    /// Where such a share of what each order brings can be lost.
    fn new(orders: &[Order], bound: &Bound, share: impl Fn(usize) -> f64) -> Self {
        let ties = orders.iter().enumerate().filter_map(|(k, order)| Some((k, bound.tie(order, share(k))?)));
        let (places, ties): (Vec<usize>, Vec<Tie>) = ties.unzip();
        let network = Network::new(&ties);
        let each = network.descend();
        let mut parts = vec![0.0; orders.len()];
        places.iter().zip(&each).for_each(|(&k, lost)| parts[k] = lost / bound.earned(&orders[k]));
        Self { network, lost: each.iter().sum(), parts }
    }

    /// What is lost at any prices.
    fn least(&self) -> f64 {
        self.network.least(self.lost)
    }
}

impl Batch {
    /// The bounds where there is one price a token, and where tokens are looked at by themselves; `bounded` is one where a unit of fees counts at
    /// such a part of its cost.
    pub(super) fn at_one_price(&self, whole: &View, bounded: impl Fn(f64) -> Bound, budget: &Budget) -> Bounds {
        let found = FEES.map(bounded).map(|bound| (Losses::new(&self.orders, &bound, |_| 1.0), bound));
        let about = |(losses, bound): &(Losses, Bound)| bound.value - losses.lost;
        let Some((losses, bound)) = found.into_iter().min_by(|a, b| about(a).total_cmp(&about(b))) else {
            return Bounds { apart: f64::INFINITY, uniform: f64::INFINITY };
        };
        let uniform = bound.value - losses.least();
        if budget.is_spent() {
            return Bounds { apart: bound.value, uniform };
        }
        // What an order hardly loses to prices is of more use at its tokens.
        let shares: Vec<f64> = losses.parts.iter().map(|lost| 1.0 - (AMPLE * lost).min(1.0)).collect();
        let Saved { value, tokens } = self.saved_by_tokens(whole, &bound.prices, bound.gas_value, &shares);
        let is_at_tokens = |order: &Order| [order.sell, order.buy].iter().any(|&t| tokens[t as usize]);
        let left = |k: usize| if is_at_tokens(&self.orders[k]) { 1.0 - shares[k] } else { 1.0 };
        let apart = bound.value - value;
        Bounds { apart, uniform: uniform.min(apart - Losses::new(&self.orders, &bound, left).least()) }
    }
}

impl Bound {
    /// What an order sells and buys at the prices.
    fn worth(&self, order: &Order) -> [f64; 2] {
        [(order.sell, order.sell_amount), (order.buy, order.buy_amount)].map(|(t, amount)| self.prices[t as usize] * amount)
    }

    /// What an order earns at the prices.
    fn earned(&self, order: &Order) -> f64 {
        let [sold, bought] = self.worth(order);
        sold - bought - order.gas * self.gas_value
    }

    /// An order as one that loses by being paid more than its limit, or such a share of what it earns by being left out. `None` if there is nothing
    /// to lose.
    fn tie(&self, order: &Order, share: f64) -> Option<Tie> {
        let [sold, bought] = self.worth(order);
        let scored = if order.is_scored { order.buy_amount } else { 0.0 };
        let in_fees = sold - self.fee * order.sell_amount;
        // By the part that it is paid above its limit, and in fees or by a buyer, at the most.
        let (dear, at_most) = match order.exact {
            Exact::Sold => (bought - scored, in_fees),
            Exact::Bought => (f64::INFINITY, in_fees.min(sold - scored)),
        };
        let most = (share * self.earned(order)).min(MOST * at_most);
        let slope = dear.min(-most / (-most / at_most).ln_1p());
        (most > 0.0 && slope > 0.0).then(|| Tie { sold: order.sell, bought: order.buy, gain: (sold / bought).ln(), slope, most })
    }
}
