//! Vaults on a universe: what they hold of its deepest tokens, and where they are to be.

use alloy_primitives::{Address, U256};
use ballast_adapters::Venue;
use ballast_fixtures::{UniverseConfig, universe};
use ballast_solver::auction::Auction;
use ballast_solver::intent::Moment;
use ballast_solver::intent::portfolio::{Holding, Portfolio};
use ballast_wire::intent::{Asset, Costs, Execution, Intent, Numeraire, Oracle, Range, Risk, Rule, Trigger, Version};
use ballast_wire::{self as wire, Amount, Bps, Decimal};

use super::pairwise::Done;

/// Wei of a dollar, where a universe has no better idea.
const WEI_PER_DOLLAR: f64 = 1e18 / 2_500.0;

/// A universe to put vaults on.
pub struct Vaults {
    pub auction: Auction,
    /// The tokens that most pools hold, with dollars of an atom.
    tokens: Vec<(Address, f64, u8)>,
}

/// A vault with its intent.
pub struct Vault {
    pub intent: Intent,
    pub portfolio: Portfolio,
    pub moment: Moment,
}

impl Vault {
    /// In dollars.
    pub fn value(&self) -> f64 {
        self.portfolio.holdings.iter().map(|h| f64::from(h.balance) * h.atom()).sum()
    }

    /// The same with other balances.
    pub fn worth(&self, balances: &[U256]) -> f64 {
        self.portfolio.holdings.iter().zip(balances).map(|(h, balance)| f64::from(*balance) * h.atom()).sum()
    }
}

impl Vaults {
    pub fn generated(pools: usize, seed: u64) -> Self {
        Self::with_orders(universe(&UniverseConfig::new(pools, seed)))
    }

    pub fn of(json: &[u8]) -> anyhow::Result<Self> {
        Ok(Self::with_orders(wire::Auction { orders: Vec::new(), ..wire::Auction::from_json(json)? }))
    }

    /// The pools and the orders of an auction.
    pub fn with_orders(request: wire::Auction) -> Self {
        let auction = Auction::new(&request, |_| true);
        let mut held = vec![0_usize; auction.tokens.len()];
        for coin in auction.pools.iter().filter(|pool| pool.market.tokens().len() == 2).flat_map(|pool| &pool.coins) {
            held[*coin as usize] += 1;
        }
        let mut ranked: Vec<usize> = (0..held.len()).collect();
        ranked.sort_by_key(|&token| (std::cmp::Reverse(held[token]), token));
        let known = ranked.into_iter().filter_map(|token| {
            let info = &auction.tokens[token];
            let price = f64::from(info.reference_price?) * 1e-18 / WEI_PER_DOLLAR;
            Some((info.address, price, info.decimals?))
        });
        let tokens = known.collect();
        Self { auction, tokens }
    }

    /// Draws vaults whose weights are off their equal targets by up to a half of them.
    pub fn draw(&self, count: usize, assets: usize, usd: f64, landing: u32, seed: u64) -> Vec<Vault> {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let deepest = self.tokens.len().min(2 * assets);
        (1..=count)
            .map(|number| {
                let mut chosen: Vec<usize> = (0..deepest).collect();
                (0..deepest).for_each(|k| chosen.swap(k, (dice.part() * deepest as f64) as usize));
                chosen.truncate(assets);
                let drifted: Vec<f64> = chosen.iter().map(|_| 0.5 + dice.part()).collect();
                let sum: f64 = drifted.iter().sum();
                let coins: Vec<_> = chosen.iter().map(|&k| self.tokens[k]).collect();
                let mut vault = vault(&coins, &drifted.iter().map(|part| usd * part / sum).collect::<Vec<_>>(), landing);
                vault.intent.owner = Address::left_padding_from(&number.to_be_bytes());
                vault
            })
            .collect()
    }

    /// What a rebalance costs, in basis points of the vault: value at the oracles' prices, and its swaps' gas.
    pub fn cost(&self, vault: &Vault, done: &Done) -> f64 {
        let after = vault.worth(&done.balances);
        let gas: u64 = done.swaps.iter().map(|swap| self.auction.pools[swap.pool].gas).sum();
        let gas = gas as f64 * f64::from(self.auction.gas_price) / WEI_PER_DOLLAR;
        1e4 * (vault.value() - after + gas) / vault.value()
    }
}

fn vault(coins: &[(Address, f64, u8)], usd: &[f64], landing: u32) -> Vault {
    let count = coins.len() as u64;
    let each = U256::from(10_u64.pow(18) / count);
    let bp = U256::from(10_u64.pow(14));
    let mut assets = Vec::new();
    let mut holdings = Vec::new();
    for (k, (&(token, price, decimals), usd)) in coins.iter().zip(usd).enumerate() {
        let unit = U256::from(10).pow(U256::from(decimals));
        let per_token = price * 10_f64.powi(decimals.into());
        let price = U256::from(per_token * 1e18).max(U256::ONE);
        holdings.push(Holding { balance: U256::from(usd / per_token * 10_f64.powi(decimals.into())), price, unit });
        // What equal parts leave goes to the first.
        let target = if k == 0 { U256::from(10_u64.pow(18)) - each * U256::from(count - 1) } else { each };
        let around = |by: u32| {
            let by = bp * U256::from(by);
            Range {
                low: Decimal::from_atoms(target.saturating_sub(by)),
                high: Decimal::from_atoms((target + by).min(Decimal::ONE.atoms())),
            }
        };
        let oracle = Oracle {
            feed: token,
            max_age: u32::MAX,
            min_price: Decimal::from_atoms(U256::ZERO),
            max_price: Decimal::from_atoms(U256::MAX),
            twap_pool: None,
            max_deviation_bps: Bps::default(),
        };
        assets.push(Asset {
            token,
            target: Decimal::from_atoms(target),
            band: around(landing),
            landing: around(landing),
            min_balance: Amount(U256::ZERO),
            max_trade: Amount(U256::MAX),
            tradable: true,
            oracle: Some(oracle),
        });
    }
    let costs = Costs {
        max_loss_bps: Bps::new(300).unwrap_or_default(),
        max_loss_per_day_bps: Bps::WHOLE,
        max_loss_per_leg_bps: Bps::WHOLE,
        max_gas_price_wei: Amount(U256::MAX),
        solver_fee_bps: Bps::default(),
        surplus_share_to_owner_bps: Bps::WHOLE,
    };
    let intent = Intent {
        version: Version::V1,
        chain_id: 1,
        owner: Address::with_last_byte(1),
        settlement: Address::with_last_byte(2),
        nonce: Amount(U256::ONE),
        valid_from: 0,
        valid_to: u64::MAX,
        numeraire: Numeraire::USD,
        assets,
        trigger: Trigger { any_of: vec![Rule::DriftAbsBps(1)], ..Trigger::default() },
        costs,
        execution: Execution::default(),
        risk: Risk::default(),
        signature: None,
    };
    Vault { intent, portfolio: Portfolio { holdings }, moment: Moment { time: 1, ..Moment::default() } }
}

/// SplitMix64: numbers that are the same on every machine.
struct Dice(u64);

impl Dice {
    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
