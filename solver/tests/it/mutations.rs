//! The verifier refuses what has been tampered with, and says why.

use alloy_primitives::{Address, Bytes, U256, address};
use ballast_adapters::SwapError;
use ballast_fixtures::{Terms, add_order, demo};
use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::settlement::{Verified, Violation, verify};
use ballast_wire::{
    self as wire, Amount, Call, Class, CustomInteraction, Fulfillment, Interaction, LiquidityInteraction, OrderUid, Side,
    Solution, Trade,
};

use crate::support::{filled, solve, token};

const NOBODY: Address = address!("00000000000000000000000000000000000000aa");

/// The demo's pool that arbitrage has not reached.
const STALE: &str = "19";

/// One order with a valid solution.
struct Case {
    auction: Auction,
    order: wire::Order,
    solution: Solution,
}

impl Case {
    /// An order of the demo's market that sells ether for dollars, without the stale pool that would draw cycles.
    fn new(side: Side, class: Class, partially_fillable: bool) -> Self {
        let mut request = demo();
        request.liquidity.retain(|pool| pool.as_ref().is_ok_and(|pool| pool.id != STALE));
        let (sell, buy) = (token(&request, "WETH"), token(&request, "USDC"));
        let terms = Terms { usd: 50_000.0, side, class, partially_fillable, limit_bps: -200.0, ..Terms::sell(sell, buy, 1.0) };
        let uid = add_order(&mut request, &terms).unwrap();
        request.orders.retain(|order| order.as_ref().is_ok_and(|order| order.uid == uid));
        Self::of(&request, uid)
    }

    fn of(request: &wire::Auction, uid: OrderUid) -> Self {
        let (auction, report) = solve(request, &Config { batch: false, ..Config::default() });
        let solution =
            filled(&auction, &report, uid).unwrap_or_else(|| panic!("{:?}", report.answers)).verified.solution().clone();
        let order = request.orders.iter().flatten().find(|order| order.uid == uid).unwrap().clone();
        Self { auction, order, solution }
    }

    fn verify(&self, tamper: impl FnOnce(&mut Solution)) -> Result<Verified, Violation> {
        let mut solution = self.solution.clone();
        tamper(&mut solution);
        verify(&self.auction, &Config::default(), solution)
    }

    fn refused(&self, tamper: impl FnOnce(&mut Solution)) -> Violation {
        self.verify(tamper).expect_err("it passes")
    }
}

fn trade(solution: &mut Solution) -> &mut Fulfillment {
    match &mut solution.trades[0] {
        Trade::Fulfillment(fulfillment) => fulfillment,
        Trade::Jit(_) => panic!("a JIT trade"),
    }
}

fn swap(solution: &mut Solution, at: usize) -> &mut LiquidityInteraction {
    match &mut solution.interactions[at] {
        Interaction::Liquidity(swap) => swap,
        Interaction::Custom(_) => panic!("a custom interaction"),
    }
}

fn executed(case: &Case) -> U256 {
    trade(&mut case.solution.clone()).executed_amount.0
}

fn price(solution: &mut Solution, token: &Address) -> U256 {
    solution.prices[token].0
}

fn set(solution: &mut Solution, token: &Address, price: U256) {
    solution.prices.insert(*token, Amount(price));
}

#[test]
fn untouched_solutions_pass() {
    for side in [Side::Sell, Side::Buy] {
        for class in [Class::Limit, Class::Market] {
            for partial in [false, true] {
                let case = Case::new(side, class, partial);
                assert!(case.verify(|_| {}).is_ok(), "{side:?} {class:?} {partial}");
            }
        }
    }
}

#[test]
fn prices_must_be_there_and_be_paid_for() {
    let case = Case::new(Side::Sell, Class::Limit, false);
    let (sell, buy) = (case.order.sell_token, case.order.buy_token);
    // The trader would get more than there is.
    let more = |s: &mut Solution| {
        let dear = price(s, &sell) * U256::from(101) / U256::from(100);
        set(s, &sell, dear);
    };
    assert!(matches!(case.refused(more), Violation::Short { token, .. } if token == buy));
    let wei = |s: &mut Solution| {
        let dear = price(s, &sell) + U256::ONE;
        set(s, &sell, dear);
    };
    assert!(matches!(case.refused(wei), Violation::Short { token, missing } if token == buy && missing == U256::ONE));
    // The trader would get less than the limit.
    let less = |s: &mut Solution| {
        let cheap = price(s, &sell) * U256::from(90) / U256::from(100);
        set(s, &sell, cheap);
    };
    assert!(matches!(case.refused(less), Violation::LimitPrice { order, .. } if order == case.order.uid));
    for token in [sell, buy] {
        assert_eq!(case.refused(|s| s.prices.retain(|known, _| *known != token)), Violation::MissingPrice(token));
        assert_eq!(case.refused(|s| set(s, &token, U256::ZERO)), Violation::MissingPrice(token));
    }
    assert_eq!(case.refused(|s| set(s, &sell, U256::MAX)), Violation::Overflow);
}

#[test]
fn a_buyer_is_charged_within_the_limit_and_enough() {
    let case = Case::new(Side::Buy, Class::Limit, false);
    let (sell, buy) = (case.order.sell_token, case.order.buy_token);
    // Charging less leaves the settlement short of what the swaps took.
    let less = |s: &mut Solution| {
        let cheap = price(s, &buy) * U256::from(99) / U256::from(100);
        set(s, &buy, cheap);
    };
    assert!(matches!(case.refused(less), Violation::Short { token, .. } if token == sell));
    let more = |s: &mut Solution| {
        let dear = price(s, &buy) * U256::from(110) / U256::from(100);
        set(s, &buy, dear);
    };
    assert!(matches!(case.refused(more), Violation::LimitPrice { .. } | Violation::BadFill { .. }));
    for wrong in [executed(&case) + U256::ONE, executed(&case) - U256::ONE, U256::ZERO] {
        assert!(matches!(case.refused(|s| trade(s).executed_amount = Amount(wrong)), Violation::BadFill { .. }), "{wrong}");
    }
}

#[test]
fn fills_must_be_whole_or_within_the_whole() {
    let case = Case::new(Side::Sell, Class::Limit, false);
    for wrong in [executed(&case) + U256::ONE, executed(&case) - U256::ONE, U256::ZERO] {
        assert!(matches!(case.refused(|s| trade(s).executed_amount = Amount(wrong)), Violation::BadFill { .. }), "{wrong}");
    }
    assert_eq!(case.refused(|s| trade(s).executed_amount = Amount(U256::MAX)), Violation::Overflow);
    let partial = Case::new(Side::Sell, Class::Limit, true);
    let beyond = partial.order.sell_amount + U256::ONE;
    assert!(matches!(partial.refused(|s| trade(s).executed_amount = Amount(beyond)), Violation::BadFill { .. }));
    let nothing = |s: &mut Solution| {
        trade(s).executed_amount = Amount(U256::ZERO);
        trade(s).fee = Some(Amount(U256::ZERO));
    };
    assert!(matches!(partial.refused(nothing), Violation::BadFill { .. }));
}

#[test]
fn fees_are_as_the_class_demands_and_pay_for_gas() {
    let limit = Case::new(Side::Sell, Class::Limit, false);
    let uid = limit.order.uid;
    assert_eq!(limit.refused(|s| trade(s).fee = None), Violation::FeeField(uid));
    let market = Case::new(Side::Sell, Class::Market, false);
    assert_eq!(market.refused(|s| trade(s).fee = Some(Amount(U256::ZERO))), Violation::FeeField(market.order.uid));
    let greedy = |s: &mut Solution| trade(s).fee = trade(s).fee.map(|fee| Amount(fee.0 + U256::ONE));
    assert!(matches!(limit.refused(greedy), Violation::BadFill { .. }));
    // Without a fee, all of it traded at prices that pay the trader just the same.
    let whole = limit.order.sell_amount;
    let unpaid = |s: &mut Solution| {
        trade(s).executed_amount = Amount(whole);
        trade(s).fee = Some(Amount(U256::ZERO));
        set(s, &limit.order.buy_token, whole);
    };
    assert!(matches!(limit.refused(unpaid), Violation::Underfunded { fees, .. } if fees.is_zero()));
    // A buyer's fee is on top, so half of it can just be left out.
    let buyer = Case::new(Side::Buy, Class::Limit, false);
    let half = |s: &mut Solution| trade(s).fee = trade(s).fee.map(|fee| Amount(fee.0 / U256::from(2)));
    assert!(matches!(buyer.refused(half), Violation::Underfunded { .. }));
}

#[test]
fn trades_are_of_known_orders_once() {
    let case = Case::new(Side::Sell, Class::Limit, false);
    let uid = case.order.uid;
    assert_eq!(case.refused(|s| s.trades.clear()), Violation::NoTrades);
    assert_eq!(case.refused(|s| s.trades.push(s.trades[0].clone())), Violation::OrderTwice(uid));
    let stranger = OrderUid::repeat_byte(0x11);
    assert_eq!(case.refused(|s| trade(s).order = stranger), Violation::UnknownOrder(stranger));
}

#[test]
fn swaps_must_be_affordable_where_they_stand() {
    let case = Case::new(Side::Sell, Class::Limit, false);
    let count = case.solution.interactions.len();
    for at in 0..count {
        // What is promised is just what the pool asks.
        let wei = case.refused(|s| swap(s, at).input_amount.0 -= U256::ONE);
        assert!(matches!(wei, Violation::Overdrawn { cost, promised, .. } if cost == promised + U256::ONE), "{wei}");
        let more = case.refused(|s| {
            let amount = &mut swap(s, at).output_amount.0;
            *amount = *amount * U256::from(1_001) / U256::from(1_000);
        });
        assert!(matches!(more, Violation::Overdrawn { .. } | Violation::Swap(..)), "{more}");
        let name = swap(&mut case.solution.clone(), at).id.clone();
        let none = case.refused(|s| swap(s, at).output_amount = Amount(U256::ZERO));
        assert_eq!(none, Violation::Swap(name.clone(), SwapError::ZeroAmount));
        assert!(matches!(case.refused(|s| swap(s, at).output_amount = Amount(U256::MAX)), Violation::Swap(id, _) if id == name));
        assert!(matches!(case.refused(|s| drop(s.interactions.remove(at))), Violation::Short { .. }));
        assert_eq!(case.refused(|s| swap(s, at).id = "none".into()), Violation::UnknownLiquidity("none".into()));
        assert_eq!(case.refused(|s| swap(s, at).input_token = NOBODY), Violation::UnknownCoin(name.clone(), NOBODY));
        assert_eq!(case.refused(|s| swap(s, at).output_token = NOBODY), Violation::UnknownCoin(name.clone(), NOBODY));
        let loops = case.refused(|s| swap(s, at).output_token = swap(s, at).input_token);
        assert_eq!(loops, Violation::Swap(name, SwapError::UnknownPair));
        let back = case.refused(|s| {
            let swap = swap(s, at);
            std::mem::swap(&mut swap.input_token, &mut swap.output_token);
        });
        assert!(matches!(back, Violation::Overdrawn { .. } | Violation::Short { .. } | Violation::Swap(..)), "{back}");
        let inside = case.refused(|s| swap(s, at).internalize = true);
        assert!(matches!(inside, Violation::Internalized(_)), "{inside}");
    }
    // A swap twice takes what is not there.
    assert!(matches!(
        case.refused(|s| s.interactions.push(s.interactions[0].clone())),
        Violation::Short { .. } | Violation::Overdrawn { .. } | Violation::Swap(..)
    ));
}

/// An atom of dollars costs a pool of ether many wei: one more is never free.
#[test]
fn an_output_of_one_atom_more_is_overdrawn() {
    let case = Case::new(Side::Sell, Class::Limit, false);
    let (sell, buy) = (case.order.sell_token, case.order.buy_token);
    let mut seen = 0;
    for at in 0..case.solution.interactions.len() {
        let one = swap(&mut case.solution.clone(), at).clone();
        if one.input_token == sell && one.output_token == buy {
            seen += 1;
            let more = case.refused(|s| swap(s, at).output_amount.0 += U256::ONE);
            assert!(matches!(&more, Violation::Overdrawn { id, .. } if *id == one.id), "{more}");
        }
    }
    assert!(seen > 0, "the order takes no direct way");
}

/// In a chain each swap needs the one before it.
#[test]
fn the_order_of_swaps_matters() {
    let request = demo();
    let (auction, report) = solve(&request, &Config::default());
    let mut chains = 0;
    for (index, found) in report.filled() {
        let solution = found.verified.solution();
        let swaps: Vec<_> = (0..solution.interactions.len()).map(|at| swap(&mut solution.clone(), at).clone()).collect();
        let sell = auction.token(auction.orders[index].sell).address;
        let Some(at) = swaps.iter().position(|s| s.input_token != sell && !swaps.iter().any(|t| t.output_token == sell)) else {
            continue;
        };
        chains += 1;
        let mut tampered = solution.clone();
        let late = tampered.interactions.remove(at);
        tampered.interactions.insert(0, late);
        let violation = verify(&auction, &Config::default(), tampered).expect_err("it passes");
        assert!(matches!(&violation, Violation::Short { token, .. } if *token == swaps[at].input_token), "{violation}");
    }
    assert!(chains >= 3, "only {chains} solutions have a chain");
}

#[test]
fn the_auction_must_be_the_same() {
    let request = demo();
    let uid = request.orders.iter().flatten().next().unwrap().uid;
    let case = Case::of(&request, uid);
    let against = |change: fn(&mut wire::Auction)| {
        let mut other = request.clone();
        change(&mut other);
        verify(&Auction::new(&other, |_| true), &Config::default(), case.solution.clone())
    };
    assert!(against(|_| {}).is_ok());
    let dearer = against(|a| a.orders[0].as_mut().unwrap().buy_amount *= U256::from(2));
    assert!(matches!(dearer, Err(Violation::LimitPrice { .. })));
    let larger = against(|a| a.orders[0].as_mut().unwrap().sell_amount += U256::ONE);
    assert!(matches!(larger, Err(Violation::BadFill { .. })));
    let market = against(|a| a.orders[0].as_mut().unwrap().class = Class::Market);
    assert_eq!(market, Err(Violation::FeeField(uid)));
    let gas = against(|a| a.effective_gas_price *= U256::from(2));
    assert!(matches!(gas, Err(Violation::Underfunded { .. })));
    assert_eq!(against(|a| drop(a.orders.remove(0))), Err(Violation::UnknownOrder(uid)));
    assert!(matches!(against(|a| a.liquidity.clear()), Err(Violation::UnknownLiquidity(_))));
    let usdc = case.order.buy_token;
    let unpriced = against(|a| {
        let buy = a.orders[0].as_ref().unwrap().buy_token;
        a.tokens.get_mut(&buy).unwrap().reference_price = None;
    });
    assert_eq!(unpriced, Err(Violation::Unscored(usdc)));
}

#[test]
fn what_cannot_be_replayed_is_not_passed() {
    let case = Case::new(Side::Sell, Class::Limit, false);
    let call = || Call { target: NOBODY, value: U256::ZERO, call_data: Bytes::new() };
    assert!(matches!(case.refused(|s| s.pre_interactions.push(call())), Violation::Unsupported(_)));
    assert!(matches!(case.refused(|s| s.post_interactions.push(call())), Violation::Unsupported(_)));
    let custom = CustomInteraction {
        internalize: false,
        target: NOBODY,
        value: Amount(U256::ZERO),
        call_data: Bytes::new(),
        allowances: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
    };
    assert!(matches!(case.refused(|s| s.interactions.push(Interaction::Custom(custom))), Violation::Unsupported(_)));
}
