//! Pools with the StableSwap invariant.
#![no_main]

use alloy_primitives::{B256, U256};
use ballast_adapters::stable::StablePool;
use ballast_fuzz::{Move, Number, Part, Scale, coin, swaps};
use ballast_wire::{Decimal, ScaledReserve, Stable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<(u8, Number, Scale)>, u32, Part, Vec<Move>)| {
    let (own, coins, amp, fee, moves) = input;
    let tokens = coins
        .iter()
        .map(|&(token, balance, scale)| (coin(token), ScaledReserve { balance: balance.get(), scaling_factor: scale.get() }))
        .collect();
    let thousandth = Decimal::ONE.atoms() / U256::from(1000);
    let amplification_parameter = Decimal::from_atoms(U256::from(amp) * thousandth);
    let pool = Stable { balancer_pool_id: B256::ZERO, tokens, amplification_parameter, fee: fee.get() };
    let market = StablePool::from_wire(coin(own), &pool).map(Into::into);
    // The contract's iteration is off by units of 10⁻¹⁸: much, where a scaled balance is a few of them. The vault takes no fee below a
    // millionth, which is more than that.
    let sealed = pool.fee.atoms() >= U256::from(1_000_000_000_000_u64);
    swaps(market, |token| pool.tokens.get(token).map(|r| r.balance), sealed, &moves);
});
