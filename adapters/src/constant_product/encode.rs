use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::sol;

use super::ConstantProductPool;
use crate::Venue;
use crate::encode::{DEADLINE, Encode, EncodeError, Encoded, Exchange, Given, Parties, Via, allowance, call, pair};
use crate::erc20::Erc20;

sol! {
    interface Router {
        function swapExactTokensForTokens(uint256 amountIn, uint256 amountOutMin, address[] path, address to, uint256 deadline);
        function swapTokensForExactTokens(uint256 amountOut, uint256 amountInMax, address[] path, address to, uint256 deadline);
    }
    interface Pair {
        function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes data);
    }
}

impl Encode for ConstantProductPool {
    fn encode(&self, via: Via, exchange: &Exchange, parties: &Parties) -> Result<Encoded, EncodeError> {
        let (input, output) = pair(self.tokens(), exchange)?;
        let gas = self.gas(via, exchange.given);
        if self.via(via) == Via::Pool {
            let paid = Erc20::transferCall { to: self.address(), amount: exchange.amount_in };
            let calls = vec![call(input, &paid), call(self.address(), &take(exchange, parties.payer))];
            return Ok(Encoded { calls, allowances: Vec::new(), gas });
        }
        let (path, to, deadline): (_, Address, _) = (vec![input, output], parties.payer, DEADLINE);
        let swap = match exchange.given {
            Given::In => {
                let (amount_in, least) = (exchange.amount_in, exchange.limit);
                call(
                    self.router(),
                    &Router::swapExactTokensForTokensCall { amountIn: amount_in, amountOutMin: least, path, to, deadline },
                )
            }
            Given::Out => {
                let (amount_out, most) = (exchange.amount_out, exchange.limit);
                call(
                    self.router(),
                    &Router::swapTokensForExactTokensCall { amountOut: amount_out, amountInMax: most, path, to, deadline },
                )
            }
        };
        Ok(Encoded { calls: vec![swap], allowances: vec![allowance(input, self.router(), exchange.most_in())], gas })
    }

    fn via(&self, wanted: Via) -> Via {
        if wanted == Via::Pool { Via::Pool } else { Via::Router }
    }

    fn gas(&self, via: Via, given: Given) -> u64 {
        match (self.via(via), given) {
            (Via::Pool, _) => 74_700,
            (_, Given::In) => 80_500,
            (_, Given::Out) => 80_500,
        }
    }
}

/// The pair's own swap, which checks what it was paid before.
fn take(exchange: &Exchange, to: Address) -> Pair::swapCall {
    let (amount0, amount1) =
        if exchange.output == 0 { (exchange.amount_out, U256::ZERO) } else { (U256::ZERO, exchange.amount_out) };
    Pair::swapCall { amount0Out: amount0, amount1Out: amount1, to, data: Bytes::new() }
}
