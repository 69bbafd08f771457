//! 0x v4 limit orders. No package has the contract's bytecode, so these are properties of our own arithmetic and of a second,
//! literal reading of `_settleOrder`, not a comparison with the chain.

use alloy_primitives::{Address, U256};
use ballast_adapters::limit_order::LimitOrder;
use ballast_adapters::{Exact, Venue};
use ballast_wire as wire;
use proptest::prelude::*;

fn amount() -> impl Strategy<Value = u128> {
    (0..128u32, any::<u128>()).prop_map(|(bits, noise)| (1 << bits) | (noise & ((1 << bits) - 1)))
}

fn fee() -> impl Strategy<Value = u128> {
    prop_oneof![Just(0), amount()]
}

fn order(maker_amount: u128, taker_amount: u128, fee: u128) -> LimitOrder {
    let order = wire::LimitOrder {
        hash: Default::default(),
        maker_token: Address::repeat_byte(1),
        taker_token: Address::repeat_byte(2),
        maker_amount: U256::from(maker_amount),
        taker_amount: U256::from(taker_amount),
        taker_token_fee_amount: U256::from(fee),
    };
    LimitOrder::from_wire(Address::ZERO, &order).unwrap()
}

/// What the contract moves for a fill: out of the taker, fee included, and out of the maker.
fn settled(order: &LimitOrder, fill: u128) -> (U256, U256) {
    let part = |whole: u128| U256::from(fill) * U256::from(whole) / U256::from(order.taker_amount());
    (U256::from(fill) + part(order.taker_fee()), part(order.maker_amount()))
}

proptest! {
    #[test]
    fn reading_never_panics(limbs in any::<[[u64; 4]; 3]>(), same in any::<bool>()) {
        let [maker_amount, taker_amount, taker_token_fee_amount] = limbs.map(U256::from_limbs);
        let _ = LimitOrder::from_wire(Address::ZERO, &wire::LimitOrder {
            hash: Default::default(),
            maker_token: Address::repeat_byte(1),
            taker_token: Address::repeat_byte(if same { 1 } else { 2 }),
            maker_amount, taker_amount, taker_token_fee_amount,
        });
    }

    #[test]
    fn swapping_never_panics(maker in amount(), taker in amount(), fee in fee(), limbs in any::<[u64; 4]>(), shift in 0..256usize) {
        let amount = U256::from_limbs(limbs) >> shift;
        for exact in [Exact::Input(amount), Exact::Output(amount)] {
            let _ = order(maker, taker, fee).apply(0, 1, exact);
        }
    }

    /// A sequence of fills: each is the contract's to the atom, none takes more than was given or pays less than was asked,
    /// the next fill up would have been too dear and the next one down too little, and a failed one changes nothing.
    #[test]
    fn fills_are_the_contracts(
        maker in amount(), taker in amount(), fee in fee(), swaps in prop::collection::vec((any::<bool>(), any::<u128>(), 0..128u32), 1..8),
    ) {
        let mut order = order(maker, taker, fee);
        for (given_in, noise, shift) in swaps {
            let amount = U256::from(noise >> shift);
            let exact = if given_in { Exact::Input(amount) } else { Exact::Output(amount) };
            let before = order.clone();
            let Ok(swapped) = order.apply(0, 1, exact) else {
                prop_assert_eq!(&order, &before);
                continue;
            };
            let fill = before.left() - order.left();
            prop_assert_eq!((swapped.amount_in, swapped.amount_out), settled(&before, fill));
            if given_in {
                prop_assert!(swapped.amount_in <= amount);
                prop_assert_eq!(before.fill_of(amount), Ok(fill));
                if fill < before.left() {
                    prop_assert!(settled(&before, fill + 1).0 > amount);
                }
            } else {
                prop_assert!(swapped.amount_out >= amount);
                prop_assert!(fill == 0 || settled(&before, fill - 1).1 < amount);
            }
        }
    }

    #[test]
    fn quotes_are_monotone_and_agree(maker in amount(), taker in amount(), fee in fee(), a in amount(), b in amount()) {
        let order = order(maker, taker, fee);
        let (less, more) = (U256::from(a.min(b)), U256::from(a.max(b)));
        if let (Ok(a), Ok(b)) = (order.amount_out(0, 1, less), order.amount_out(0, 1, more)) {
            prop_assert!(a <= b);
        }
        if let (Ok(a), Ok(b)) = (order.amount_in(0, 1, less), order.amount_in(0, 1, more)) {
            prop_assert!(a <= b);
        }
        if let Ok(out) = order.amount_out(0, 1, more) {
            prop_assert!(order.amount_in(0, 1, out).unwrap() <= more);
        }
        if let Ok(cost) = order.amount_in(0, 1, more) {
            prop_assert!(order.amount_out(0, 1, cost).unwrap() >= more);
        }
    }
}
