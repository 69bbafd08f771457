//! Orders of another protocol.
#![no_main]

use alloy_primitives::Address;
use ballast_adapters::limit_order::LimitOrder;
use ballast_fuzz::{Move, Number, coin, swaps};
use ballast_wire as wire;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: ([u8; 2], [Number; 3], Vec<Move>)| {
    let ([maker, taker], amounts, moves) = input;
    let [maker_amount, taker_amount, taker_token_fee_amount] = amounts.map(Number::get);
    let (maker_token, taker_token) = (coin(maker), coin(taker));
    let hash = Default::default();
    let order = wire::LimitOrder { hash, maker_token, taker_token, maker_amount, taker_amount, taker_token_fee_amount };
    let market = LimitOrder::from_wire(Address::ZERO, &order).map(Into::into);
    swaps(market, |token| (*token == maker_token).then_some(maker_amount), true, &moves);
});
