//! Pools with ∏ xᵢ^wᵢ = k.
#![no_main]

use alloy_primitives::{Address, B256, U256};
use ballast_adapters::weighted::WeightedPool;
use ballast_fuzz::{Move, Number, Part, Scale, coin, swaps};
use ballast_wire::{Decimal, WeightedProduct, WeightedReserve, WeightedVersion};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(u8, Number, Scale, Part)>, bool, Part, bool, Vec<Move>)| {
    let (coins, balanced, fee, later, moves) = input;
    let mut tokens: std::collections::BTreeMap<_, _> = coins
        .iter()
        .map(|&(token, balance, scale, weight)| {
            (coin(token), WeightedReserve { balance: balance.get(), scaling_factor: scale.get(), weight: weight.get() })
        })
        .collect();
    // Weights that sum to one are rarely hit upon.
    if balanced && !tokens.is_empty() {
        let weight = Decimal::from_atoms(Decimal::ONE.atoms() / U256::from(tokens.len()));
        tokens.values_mut().for_each(|reserve| reserve.weight = weight);
    }
    let version = if later { WeightedVersion::V3Plus } else { WeightedVersion::V0 };
    let pool = WeightedProduct { balancer_pool_id: B256::ZERO, tokens, fee: fee.get(), version };
    let market = WeightedPool::from_wire(Address::ZERO, &pool).map(Into::into);
    swaps(market, |token| pool.tokens.get(token).map(|r| r.balance), true, &moves);
});
