use alloy_primitives::{Address, U256};
use ballast_wire as wire;

use crate::{Exact, PoolError, SwapError, Swapped, Venue};

/// TODO
#[derive(Debug, Clone)]
pub struct ConcentratedPool;

impl ConcentratedPool {
    /// TODO
    pub fn from_wire(address: Address, pool: &wire::ConcentratedLiquidity) -> Result<Self, PoolError> {
        let _ = (address, pool);
        todo!()
    }
}

impl Venue for ConcentratedPool {
    fn tokens(&self) -> &[Address] {
        todo!()
    }
    fn amount_out(&self, _input: usize, _output: usize, _amount_in: U256) -> Result<U256, SwapError> {
        todo!()
    }
    fn amount_in(&self, _input: usize, _output: usize, _amount_out: U256) -> Result<U256, SwapError> {
        todo!()
    }
    fn apply(&mut self, _input: usize, _output: usize, _exact: Exact) -> Result<Swapped, SwapError> {
        todo!()
    }
}
