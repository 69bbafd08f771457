use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use ballast_adapters::balancer::{BatchStep, batch};
use ballast_adapters::encode::{Encode, Encoded, Exchange, Given, Parties, Via};
use ballast_adapters::{Exact, Market, Venue};
use ballast_wire::{Allowance, Amount, Call, Interaction, LiquidityInteraction, Solution};
use rustc_hash::FxHashMap;

use super::{Action, Buffers, Calls, EncodeError, Encoder};
use crate::wide::{mul_div, mul_div_up};

const BPS: U256 = U256::from_limbs([10_000, 0, 0, 0]);

/// The calls of a solution's swaps, and what has to be approved for them.
pub(super) struct Spending {
    pub calls: Calls,
    /// Each pair of token and spender once.
    pub approvals: Vec<Allowance>,
}

/// Encodes the interactions of a solution, and notes what they do to the buffers.
pub(super) fn swaps(encoder: &Encoder, solution: &Solution, buffers: &mut Buffers) -> Result<Spending, EncodeError> {
    let mut swaps = Swaps::new(encoder, solution);
    for interaction in &solution.interactions {
        match interaction {
            Interaction::Liquidity(swap) => swaps.swap(swap, buffers)?,
            Interaction::Custom(custom) => {
                swaps.flush()?;
                for asset in &custom.inputs {
                    buffers.take(asset.token, asset.amount.0)?;
                }
                for asset in &custom.outputs {
                    buffers.add(asset.token, asset.amount.0)?;
                }
                let (target, value, call_data) = (custom.target, custom.value.0, custom.call_data.clone());
                swaps.approve(&custom.allowances)?;
                swaps.calls.push(Call { target, value, call_data }, Action::Call);
            }
        }
    }
    swaps.flush()?;
    let approvals = swaps
        .approvals
        .into_iter()
        .map(|((token, spender), amount)| Allowance { token, spender, amount: Amount(amount) })
        .collect();
    Ok(Spending { calls: swaps.calls, approvals })
}

struct Swaps<'a> {
    encoder: &'a Encoder<'a>,
    parties: Parties,
    /// How often the solution goes through each pool.
    uses: FxHashMap<usize, usize>,
    /// Pools that it goes through more than once, as the swaps so far leave them.
    moved: FxHashMap<usize, Market>,
    calls: Calls,
    approvals: BTreeMap<(Address, Address), U256>,
    /// Swaps in the vault that are to be made in one call.
    waiting: Vec<(String, BatchStep)>,
}

impl<'a> Swaps<'a> {
    fn new(encoder: &'a Encoder<'a>, solution: &Solution) -> Self {
        let mut uses = FxHashMap::default();
        for interaction in &solution.interactions {
            if let Interaction::Liquidity(swap) = interaction
                && let Some(&pool) = encoder.pools.get(swap.id.as_str())
            {
                *uses.entry(pool).or_default() += 1;
            }
        }
        let contracts = encoder.contracts();
        Self {
            encoder,
            parties: Parties { payer: contracts.settlement, vault: contracts.vault },
            uses,
            moved: FxHashMap::default(),
            calls: Calls::default(),
            approvals: BTreeMap::new(),
            waiting: Vec::new(),
        }
    }

    fn swap(&mut self, swap: &LiquidityInteraction, buffers: &mut Buffers) -> Result<(), EncodeError> {
        let failed = |reason: String| EncodeError::Swap { id: swap.id.clone(), reason };
        let &pool = self.encoder.pools.get(swap.id.as_str()).ok_or_else(|| failed("not in the auction".into()))?;
        let market = &self.encoder.auction.pools[pool].market;
        let coin = |token: &Address| {
            market.tokens().iter().position(|t| t == token).ok_or_else(|| failed(format!("does not hold {token}")))
        };
        let (input, output) = (coin(&swap.input_token)?, coin(&swap.output_token)?);
        let once = self.uses.get(&pool) == Some(&1);
        let via = if self.encoder.settings.direct_pairs { Via::Pool } else { Via::Router };
        let (mut exchange, paid) = self.exchange(market, once, [input, output], [swap.input_amount.0, swap.output_amount.0])?;
        let mut taken = exchange.amount_in;
        if market.via(via) == Via::Pool {
            // Nobody computes what the input is worth: it is asked for.
            exchange.amount_out = paid;
        } else if exchange.given == Given::Out {
            // Asked for what it takes, which may be less than was promised.
            taken = self.taken(pool, market, &exchange).unwrap_or(taken);
        }
        buffers.take(swap.input_token, taken)?;
        buffers.add(swap.output_token, paid)?;
        if self.encoder.settings.batch_swaps
            && let Some(step) = market.batch_step(&exchange)
        {
            if self.waiting.first().is_some_and(|(_, first)| first.exchange.given != exchange.given) {
                self.flush()?;
            }
            self.waiting.push((swap.id.clone(), step));
            return Ok(());
        }
        self.flush()?;
        let encoded = match (market, self.encoder.limit_orders.get(&swap.id)) {
            (Market::LimitOrder(order), Some(signed)) => {
                order.encode_signed(signed, &exchange, self.encoder.contracts().chain_id)
            }
            _ => market.encode(via, &exchange, &self.parties),
        };
        let encoded = encoded.map_err(|e| failed(e.to_string()))?;
        self.add(encoded, vec![swap.id.clone()], swap.input_token, swap.output_token)
    }

    /// How a swap is made, and what it pays. Given in, it may pay more than was promised; where it would pay less, or where an atom
    /// more would move the pool for a later swap, it is given out.
    fn exchange(
        &self,
        market: &Market,
        once: bool,
        [input, output]: [usize; 2],
        [amount_in, amount_out]: [U256; 2],
    ) -> Result<(Exchange, U256), EncodeError> {
        let settings = self.encoder.settings;
        let bps = U256::from(settings.slippage_bps);
        if settings.slippage.given() == Given::In
            && once
            && let Some(paid) = market.amount_out(input, output, amount_in).ok().filter(|paid| *paid >= amount_out)
        {
            let limit = mul_div(amount_out, BPS.saturating_sub(bps), BPS).ok_or(EncodeError::Overflow)?;
            return Ok((Exchange { input, output, amount_in, amount_out, given: Given::In, limit }, paid));
        }
        let limit = mul_div_up(amount_in, BPS.saturating_add(bps), BPS).ok_or(EncodeError::Overflow)?;
        Ok((Exchange { input, output, amount_in, amount_out, given: Given::Out, limit }, amount_out))
    }

    /// What a swap that is given out takes, after those that went through its pool before.
    fn taken(&mut self, pool: usize, market: &Market, exchange: &Exchange) -> Option<U256> {
        let Exchange { input, output, amount_out, .. } = *exchange;
        if self.uses.get(&pool) == Some(&1) {
            return market.amount_in(input, output, amount_out).ok();
        }
        let moved = self.moved.entry(pool).or_insert_with(|| market.clone());
        moved.apply(input, output, Exact::Output(amount_out)).ok().map(|swapped| swapped.amount_in)
    }

    /// Makes the call for the swaps that wait.
    fn flush(&mut self) -> Result<(), EncodeError> {
        let waiting = std::mem::take(&mut self.waiting);
        let (Some((first, start)), Some((_, end))) = (waiting.first(), waiting.last()) else { return Ok(()) };
        let (input, output) = (start.input, end.output);
        let failed = |e: ballast_adapters::encode::EncodeError| EncodeError::Swap { id: first.clone(), reason: e.to_string() };
        let steps: Vec<BatchStep> = waiting.iter().map(|(_, step)| step.clone()).collect();
        let encoded = batch(&steps, &self.parties).map_err(failed)?;
        self.add(encoded, waiting.into_iter().map(|(id, _)| id).collect(), input, output)
    }

    fn add(&mut self, encoded: Encoded, pools: Vec<String>, input: Address, output: Address) -> Result<(), EncodeError> {
        self.approve(&encoded.allowances)?;
        let mut gas = encoded.gas;
        for call in encoded.calls {
            // All of it on the first of the calls.
            let gas = std::mem::take(&mut gas);
            self.calls.push(call, Action::Swap { pools: pools.clone(), input, output, gas });
        }
        Ok(())
    }

    fn approve(&mut self, allowances: &[Allowance]) -> Result<(), EncodeError> {
        for Allowance { token, spender, amount } in allowances {
            let sum = self.approvals.entry((*token, *spender)).or_default();
            *sum = sum.checked_add(amount.0).ok_or(EncodeError::Overflow)?;
        }
        Ok(())
    }
}
