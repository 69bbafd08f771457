use alloy_primitives::{Address, Bytes, U256};
use ballast_wire as wire;

use crate::{Exact, PoolError, SwapError, Swapped, Venue};

/// What is left of an order that may be taken. Token 0 is the taker's, token 1 the maker's, and only 0 → 1 is swapped.
///
/// ```
/// use alloy_primitives::{Address, U256};
/// use ballast_adapters::{Venue, limit_order::LimitOrder};
///
/// let order = serde_json::from_str(r#"{
///     "hash": "0x00",
///     "makerToken": "0x0000000000000000000000000000000000000001",
///     "takerToken": "0x0000000000000000000000000000000000000002",
///     "makerAmount": "3000", "takerAmount": "1000", "takerTokenFeeAmount": "10"
/// }"#).unwrap();
/// let order = LimitOrder::from_wire(Address::ZERO, &order).unwrap();
/// assert_eq!(order.amount_out(0, 1, U256::from(1010)), Ok(U256::from(3000)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitOrder {
    address: Address,
    hash: Bytes,
    /// The taker's and the maker's.
    tokens: [Address; 2],
    maker_amount: u128,
    taker_amount: u128,
    taker_fee: u128,
    /// Atoms of the taker's token that may still be filled.
    left: u128,
}

impl LimitOrder {
    /// Reads an order.
    ///
    /// # Errors
    /// When both tokens are the same, an amount is beyond 128 bits, or there is nothing to give or to take.
    pub fn from_wire(address: Address, order: &wire::LimitOrder) -> Result<Self, PoolError> {
        if order.taker_token == order.maker_token {
            return Err(PoolError::DuplicateToken(order.maker_token));
        }
        let maker_amount = narrow("makerAmount", order.maker_amount)?;
        let taker_amount = narrow("takerAmount", order.taker_amount)?;
        let taker_fee = narrow("takerTokenFeeAmount", order.taker_token_fee_amount)?;
        if maker_amount == 0 {
            return Err(PoolError::ZeroReserve(order.maker_token));
        }
        if taker_amount == 0 {
            return Err(PoolError::ZeroReserve(order.taker_token));
        }
        let tokens = [order.taker_token, order.maker_token];
        Ok(Self { address, hash: order.hash.clone(), tokens, maker_amount, taker_amount, taker_fee, left: taker_amount })
    }

    /// The contract that settles the order.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The digest of what was signed.
    pub fn hash(&self) -> &Bytes {
        &self.hash
    }

    /// What the maker gives for [`Self::taker_amount`], in atoms.
    pub fn maker_amount(&self) -> u128 {
        self.maker_amount
    }

    /// What the maker wants for [`Self::maker_amount`], in atoms, without the fee.
    pub fn taker_amount(&self) -> u128 {
        self.taker_amount
    }

    /// The fee on the whole order, in atoms of the taker's token, on top.
    pub fn taker_fee(&self) -> u128 {
        self.taker_fee
    }

    /// What may still be filled, in atoms of the taker's token, without the fee.
    pub fn left(&self) -> u128 {
        self.left
    }

    /// The fill, without its fee, that `amount_in` pays for: what the contract is to be called with. Atoms of the
    /// taker's token.
    ///
    /// # Errors
    /// When it is more than what is left.
    pub fn fill_of(&self, amount_in: U256) -> Result<u128, SwapError> {
        let taker_amount = U256::from(self.taker_amount);
        let whole = taker_amount + U256::from(self.taker_fee);
        // An input beyond the whole order is beyond what is left, and would leave 256 bits below.
        if amount_in > whole {
            return Err(SwapError::InsufficientLiquidity);
        }
        self.checked(((amount_in + U256::ONE) * taker_amount - U256::ONE) / whole)
    }

    /// A fill, if that much is left.
    fn checked(&self, fill: U256) -> Result<u128, SwapError> {
        u128::try_from(fill).ok().filter(|&fill| fill <= self.left).ok_or(SwapError::InsufficientLiquidity)
    }

    /// The fill of a swap, and what it moves.
    fn swap(&self, input: usize, output: usize, exact: Exact) -> Result<(u128, Swapped), SwapError> {
        if (input, output) != (0, 1) {
            return Err(SwapError::UnknownPair);
        }
        let (maker_amount, taker_amount) = (U256::from(self.maker_amount), U256::from(self.taker_amount));
        let fill = match exact {
            Exact::Input(amount_in) => self.fill_of(amount_in)?,
            Exact::Output(amount_out) => {
                if amount_out > maker_amount {
                    return Err(SwapError::InsufficientLiquidity);
                }
                self.checked((amount_out * taker_amount).div_ceil(maker_amount))?
            }
        };
        let filled = U256::from(fill);
        let amount_out = filled * maker_amount / taker_amount;
        if amount_out.is_zero() {
            return Err(SwapError::ZeroAmount);
        }
        let amount_in = filled + filled * U256::from(self.taker_fee) / taker_amount;
        Ok((fill, Swapped { amount_in, amount_out }))
    }
}

impl Venue for LimitOrder {
    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    fn amount_out(&self, input: usize, output: usize, amount_in: U256) -> Result<U256, SwapError> {
        self.swap(input, output, Exact::Input(amount_in)).map(|(_, swapped)| swapped.amount_out)
    }

    fn amount_in(&self, input: usize, output: usize, amount_out: U256) -> Result<U256, SwapError> {
        self.swap(input, output, Exact::Output(amount_out)).map(|(_, swapped)| swapped.amount_in)
    }

    fn apply(&mut self, input: usize, output: usize, exact: Exact) -> Result<Swapped, SwapError> {
        let (fill, swapped) = self.swap(input, output, exact)?;
        self.left = self.left.checked_sub(fill).ok_or(SwapError::InsufficientLiquidity)?;
        Ok(swapped)
    }
}

fn narrow(field: &'static str, amount: U256) -> Result<u128, PoolError> {
    u128::try_from(amount).map_err(|_| PoolError::Invalid { field, reason: "beyond 128 bits" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(maker_amount: U256, taker_amount: U256, taker_token_fee_amount: U256) -> Result<LimitOrder, PoolError> {
        let order = wire::LimitOrder {
            hash: Default::default(),
            maker_token: Address::repeat_byte(1),
            taker_token: Address::repeat_byte(2),
            maker_amount,
            taker_amount,
            taker_token_fee_amount,
        };
        LimitOrder::from_wire(Address::ZERO, &order)
    }

    fn small(maker_amount: u64, taker_amount: u64, fee: u64) -> LimitOrder {
        order(U256::from(maker_amount), U256::from(taker_amount), U256::from(fee)).unwrap()
    }

    #[test]
    fn fills_are_pro_rata_and_round_for_the_maker() {
        let order = small(10, 3, 0);
        assert_eq!(order.amount_out(0, 1, U256::from(1)), Ok(U256::from(3)));
        assert_eq!(order.amount_out(0, 1, U256::from(2)), Ok(U256::from(6)));
        assert_eq!(order.amount_in(0, 1, U256::from(4)), Ok(U256::from(2)));
        assert_eq!(order.amount_in(0, 1, U256::from(10)), Ok(U256::from(3)));
    }

    #[test]
    fn the_fee_is_on_top() {
        let order = small(3000, 1000, 10);
        assert_eq!(order.amount_in(0, 1, U256::from(3000)), Ok(U256::from(1010)));
        // 500 and ⌊5⌋; 499 and ⌊4.99⌋.
        assert_eq!(order.fill_of(U256::from(505)), Ok(500));
        assert_eq!(order.fill_of(U256::from(504)), Ok(499));
        assert_eq!(order.fill_of(U256::from(503)), Ok(499));
        assert_eq!(order.amount_out(0, 1, U256::from(504)), Ok(U256::from(1497)));
    }

    #[test]
    fn what_is_left_shrinks_with_each_fill() {
        let mut order = small(3000, 1000, 0);
        order.apply(0, 1, Exact::Input(U256::from(600))).unwrap();
        assert_eq!(order.left(), 400);
        assert_eq!(order.apply(0, 1, Exact::Input(U256::from(401))), Err(SwapError::InsufficientLiquidity));
        assert_eq!(order.apply(0, 1, Exact::Output(U256::from(1201))), Err(SwapError::InsufficientLiquidity));
        order.apply(0, 1, Exact::Output(U256::from(1200))).unwrap();
        assert_eq!(order.left(), 0);
    }

    #[test]
    fn errors_are_named() {
        let order = small(1, 1000, 0);
        assert_eq!(order.amount_out(1, 0, U256::ONE), Err(SwapError::UnknownPair));
        assert_eq!(order.amount_out(0, 1, U256::ZERO), Err(SwapError::ZeroAmount));
        assert_eq!(order.amount_out(0, 1, U256::from(999)), Err(SwapError::ZeroAmount));
        assert_eq!(order.amount_in(0, 1, U256::ZERO), Err(SwapError::ZeroAmount));
        assert_eq!(order.amount_out(0, 1, U256::MAX), Err(SwapError::InsufficientLiquidity));
        assert_eq!(order.amount_in(0, 1, U256::MAX), Err(SwapError::InsufficientLiquidity));
    }

    #[test]
    fn what_no_order_can_be_is_refused() {
        let one = U256::ONE;
        assert_eq!(order(U256::ZERO, one, one), Err(PoolError::ZeroReserve(Address::repeat_byte(1))));
        assert_eq!(order(one, U256::ZERO, one), Err(PoolError::ZeroReserve(Address::repeat_byte(2))));
        assert_eq!(order(one, one, one << 128).unwrap_err().to_string(), "takerTokenFeeAmount: beyond 128 bits");
    }
}
