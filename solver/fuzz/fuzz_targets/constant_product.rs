//! Pairs with x·y = k.
#![no_main]

use alloy_primitives::Address;
use ballast_adapters::constant_product::ConstantProductPool;
use ballast_fuzz::{Move, Number, Part, coin, swaps};
use ballast_wire::{ConstantProduct, Reserve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(u8, Number)>, Part, Vec<Move>)| {
    let (reserves, fee, moves) = input;
    let tokens = reserves.iter().map(|&(token, balance)| (coin(token), Reserve { balance: balance.get() })).collect();
    let pool = ConstantProduct { router: Address::ZERO, tokens, fee: fee.get() };
    let market = ConstantProductPool::from_wire(Address::ZERO, &pool).map(Into::into);
    swaps(market, |token| pool.tokens.get(token).map(|r| r.balance), true, &moves);
});
