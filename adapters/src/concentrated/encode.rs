use alloy_primitives::U160;
use alloy_primitives::aliases::U24;
use alloy_sol_types::sol;

use super::ConcentratedPool;
use crate::Venue;
use crate::encode::{DEADLINE, Encode, EncodeError, Encoded, Exchange, Given, Parties, Via, allowance, call, pair};

sol! {
    interface Router {
        struct InputParams {
            address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline; uint256 amountIn;
            uint256 amountOutMinimum; uint160 sqrtPriceLimitX96;
        }
        struct OutputParams {
            address tokenIn; address tokenOut; uint24 fee; address recipient; uint256 deadline; uint256 amountOut;
            uint256 amountInMaximum; uint160 sqrtPriceLimitX96;
        }
        function exactInputSingle(InputParams params) external returns (uint256 amountOut);
        function exactOutputSingle(OutputParams params) external returns (uint256 amountIn);
    }
}

/// Through the router only: the pool calls its caller back for the input, and the settlement contract has no such function.
impl Encode for ConcentratedPool {
    fn encode(&self, via: Via, exchange: &Exchange, parties: &Parties) -> Result<Encoded, EncodeError> {
        let (input, output) = pair(self.tokens(), exchange)?;
        let (fee, recipient, open) = (U24::from(self.fee_pips()), parties.payer, U160::ZERO);
        let swap = match exchange.given {
            Given::In => {
                let params = Router::InputParams {
                    tokenIn: input,
                    tokenOut: output,
                    fee,
                    recipient,
                    deadline: DEADLINE,
                    amountIn: exchange.amount_in,
                    amountOutMinimum: exchange.limit,
                    sqrtPriceLimitX96: open,
                };
                call(self.router(), &Router::exactInputSingleCall { params })
            }
            Given::Out => {
                let params = Router::OutputParams {
                    tokenIn: input,
                    tokenOut: output,
                    fee,
                    recipient,
                    deadline: DEADLINE,
                    amountOut: exchange.amount_out,
                    amountInMaximum: exchange.limit,
                    sqrtPriceLimitX96: open,
                };
                call(self.router(), &Router::exactOutputSingleCall { params })
            }
        };
        let allowances = vec![allowance(input, self.router(), exchange.most_in())];
        Ok(Encoded { calls: vec![swap], allowances, gas: self.gas(via, exchange.given) })
    }

    fn gas(&self, _via: Via, given: Given) -> u64 {
        match given {
            Given::In => 109_900,
            Given::Out => 115_000,
        }
    }
}
