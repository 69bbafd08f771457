//! What any solution must keep, worked out anew: from the reply, the auction and the venues' arithmetic, by whole numbers of 512 bits.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256, U512};
use ballast_adapters::{Exact, Venue};
use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::settlement::verify;
use ballast_wire::{Class, Side, Solution, Trade};

use crate::support::swaps;

/// What a trade comes to; atoms, and wei of the score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) order: usize,
    pub(crate) paid: U256,
    pub(crate) got: U256,
    pub(crate) fee: U256,
    pub(crate) score: U256,
}

fn wide(x: U256) -> U512 {
    U512::from(x)
}

fn narrow(x: U512) -> U256 {
    x.to()
}

fn down(a: U256, b: U256, c: U256) -> U256 {
    narrow(wide(a) * wide(b) / wide(c))
}

fn up(a: U256, b: U256, c: U256) -> U256 {
    narrow((wide(a) * wide(b)).div_ceil(wide(c)))
}

const WHOLE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// Checks a solution: fills, limits, one price for each token, fees that pay for the gas, swaps that the pools make, every token
/// conserved, no surplus below zero, and the verifier's amounts and score to the wei. Panics with `name` where something is not so.
pub(crate) fn check(name: &str, auction: &Auction, config: &Config, solution: &Solution) -> Vec<Filled> {
    let mut held: BTreeMap<Address, U512> = BTreeMap::new();
    let filled: Vec<Filled> = solution.trades.iter().map(|trade| fill(name, auction, solution, trade)).collect();
    assert!(!filled.is_empty(), "{name}: nothing is traded");
    for (k, one) in filled.iter().enumerate() {
        assert!(filled[..k].iter().all(|other| other.order != one.order), "{name}: order {} twice", one.order);
        *held.entry(auction.token(auction.orders[one.order].sell).address).or_default() += wide(one.paid);
    }
    let gas = replay(name, auction, config, solution, &mut held);
    let mut fees = U256::ZERO;
    for one in &filled {
        let order = &auction.orders[one.order];
        let (sell, buy) = (auction.token(order.sell), auction.token(order.buy));
        // Where several trade, a thousandth of each fee may go into rounding.
        let kept = if filled.len() > 1 { one.fee - one.fee / U256::from(1_000) } else { one.fee };
        for (token, amount) in [(sell.address, kept), (buy.address, one.got)] {
            let left = held.get(&token).copied().unwrap_or_default().checked_sub(wide(amount));
            let left = left.unwrap_or_else(|| panic!("{name}: {token} does not suffice for order {}", one.order));
            held.insert(token, left);
        }
        fees += down(kept, sell.reference_price.expect("a price for the fee's token"), WHOLE);
    }
    if filled.iter().any(|one| auction.orders[one.order].class == Class::Limit) {
        assert!(fees + U256::ONE >= auction.gas_price * U256::from(gas), "{name}: fees of {fees} wei for {gas} gas");
    }
    assert_eq!(solution.gas, Some(gas), "{name}");
    agrees(name, auction, config, solution, &filled);
    filled
}

/// The verifier says the same.
fn agrees(name: &str, auction: &Auction, config: &Config, solution: &Solution, filled: &[Filled]) {
    let verified = verify(auction, config, solution.clone()).unwrap_or_else(|violation| panic!("{name}: {violation}"));
    let fills = verified.fills().iter();
    let theirs: Vec<Filled> =
        fills.map(|f| Filled { order: f.order, paid: f.paid, got: f.got, fee: f.fee, score: f.score }).collect();
    assert_eq!(theirs, filled, "{name}");
    assert_eq!(verified.score(), filled.iter().map(|one| one.score).sum::<U256>(), "{name}");
}

fn fill(name: &str, auction: &Auction, solution: &Solution, trade: &Trade) -> Filled {
    let (executed, fee) = match trade {
        Trade::Fulfillment(trade) => (trade.executed_amount.0, trade.fee),
        Trade::Jit(trade) => (trade.executed_amount.0, trade.fee),
    };
    let index = match trade {
        Trade::Fulfillment(trade) => auction.orders.iter().position(|order| order.jit.is_none() && order.uid == trade.order),
        Trade::Jit(trade) => {
            auction.orders.iter().position(|order| order.jit.as_ref().is_some_and(|jit| jit.order == trade.order))
        }
    };
    let index = index.unwrap_or_else(|| panic!("{name}: an order that nobody gave"));
    let order = &auction.orders[index];
    assert!(order.fee_policies.is_empty(), "{name}: the protocol's fees are none of these tests");
    assert_eq!(order.class == Class::Limit, fee.is_some(), "{name}: the fee of order {index}");
    let fee = fee.unwrap_or_default().0;
    // One price for each token is one price for each directed pair.
    let price = |token| solution.prices[&auction.token(token).address].0;
    let (paid, got, part, whole) = match order.side {
        Side::Sell => (executed + fee, up(executed, price(order.sell), price(order.buy)), executed + fee, order.sell_amount),
        Side::Buy => (down(executed, price(order.buy), price(order.sell)) + fee, executed, executed, order.buy_amount),
    };
    assert!(!part.is_zero() && part <= whole, "{name}: order {index} executes {part} of {whole}");
    assert!(order.partial || part == whole, "{name}: order {index} is to be filled whole: {part} of {whole}");
    let kept = wide(got) * wide(order.sell_amount) >= wide(paid) * wide(order.buy_amount);
    assert!(kept, "{name}: order {index} pays {paid} for {got}, worse than its limit");
    Filled { order: index, paid, got, fee, score: score(auction, index, paid, got) }
}

/// As the driver has it: surplus over the limit in the bought token at its price, a buyer's turned into that token at the limit.
fn score(auction: &Auction, index: usize, paid: U256, got: U256) -> U256 {
    let order = &auction.orders[index];
    if order.jit.as_ref().is_some_and(|jit| !jit.captures_surplus) {
        return U256::ZERO;
    }
    let surplus = match order.side {
        Side::Sell => got - up(paid, order.buy_amount, order.sell_amount),
        Side::Buy => down(down(got, order.sell_amount, order.buy_amount) - paid, order.buy_amount, order.sell_amount),
    };
    down(surplus, auction.token(order.buy).reference_price.expect("a price to score with"), WHOLE)
}

/// Makes the swaps as the settlement would, one after another from what is there, and answers with the gas of all.
fn replay(name: &str, auction: &Auction, config: &Config, solution: &Solution, held: &mut BTreeMap<Address, U512>) -> u64 {
    let mut gas = config.settlement_gas + config.trade_gas * (solution.trades.len() as u64 - 1);
    let mut markets = BTreeMap::new();
    for swap in swaps(solution) {
        let pool = auction.pools.iter().find(|pool| pool.id == swap.id).unwrap_or_else(|| panic!("{name}: no pool {}", swap.id));
        let market = markets.entry(&swap.id).or_insert_with(|| pool.market.clone());
        let coin = |token| pool.market.tokens().iter().position(|t| *t == token).expect("a coin of the pool");
        let output = Exact::Output(swap.output_amount.0);
        let done = market.apply(coin(swap.input_token), coin(swap.output_token), output);
        let done = done.unwrap_or_else(|error| panic!("{name}: pool {}: {error}", swap.id));
        assert!(done.amount_in <= swap.input_amount.0, "{name}: pool {} asks for {}", swap.id, done.amount_in);
        let input = held.entry(swap.input_token).or_default();
        let left = input.checked_sub(wide(done.amount_in));
        *input = left.unwrap_or_else(|| panic!("{name}: pool {} is paid {} of {input}", swap.id, done.amount_in));
        *held.entry(swap.output_token).or_default() += wide(done.amount_out);
        gas += pool.gas;
    }
    gas
}
