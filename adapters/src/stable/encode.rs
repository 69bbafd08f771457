use alloy_primitives::B256;

use super::StablePool;
use crate::Venue;
use crate::balancer::single;
use crate::encode::{Encode, EncodeError, Encoded, Exchange, Given, Parties, Via};

impl Encode for StablePool {
    fn encode(&self, via: Via, exchange: &Exchange, parties: &Parties) -> Result<Encoded, EncodeError> {
        single(self.pool_id, self.tokens(), exchange, parties, self.gas(via, exchange.given))
    }

    fn via(&self, wanted: Via) -> Via {
        if wanted == Via::Batch { Via::Batch } else { Via::Router }
    }

    fn pool_id(&self) -> Option<B256> {
        Some(self.pool_id)
    }

    fn gas(&self, via: Via, given: Given) -> u64 {
        match (self.via(via), given) {
            (Via::Batch, Given::In) => 158_000,
            (Via::Batch, Given::Out) => 158_000,
            (_, Given::In) => 152_000,
            (_, Given::Out) => 152_000,
        }
    }
}
