//! Random numbers of all sizes.

use alloy_primitives::U256;
use rand::{Rng, RngExt};

/// A number of a random length of `low..high` bits: 2^low to 2^high − 1, each length as likely as another.
pub fn log_uniform(rng: &mut impl Rng, low: u32, high: u32) -> U256 {
    let bits = rng.random_range(low..high) as usize;
    let noise = U256::from_limbs(rng.random());
    (U256::ONE << bits) | (noise & ((U256::ONE << bits) - U256::ONE))
}
