//! Generated vaults and intents on real pools: what is promised is what the contract says, to the last atom.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use ballast_solver::auction::{Auction, Drops};
use ballast_solver::config::Config;
use ballast_solver::intent::abi::RebalanceSettlement::RebalanceSettlementErrors as Errors;
use ballast_solver::intent::judge::Moment;
use ballast_solver::intent::portfolio::{Holding, Portfolio};
use ballast_solver::intent::size::{Answer, Rebalance, SizeError, solve};
use ballast_solver::intent::{Plan, Task, Verdict, as_executor};
use ballast_solver::settlement::{Contracts, Encoder, Settings};
use ballast_wire::intent::{Group, Intent, Mode, Rule};
use ballast_wire::{self as wire, Amount, Bps, Decimal};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::bench::*;
use super::pools::{held, vault};
use crate::settle::case::request;
use crate::settle::world::World;

/// Intents that have to settle.
const SETTLED: usize = 500;

pub struct Market {
    pub bench: Bench,
    pub request: wire::Auction,
    pub auction: Auction,
    pub contracts: Contracts,
}

impl Market {
    pub fn new() -> Self {
        let (bench, world) = vault(World::new());
        let mut request = request(&world);
        request.liquidity = world.liquidity.clone().into_iter().map(Ok).collect();
        // A native token is worth 2,500 of each, and a swap's gas a quarter of one.
        for token in request.tokens.values_mut() {
            token.reference_price = token.reference_price.map(|price| price / U256::from(2_500));
        }
        request.effective_gas_price = U256::from(10).pow(U256::from(9));
        let auction = Auction::new(&request, |_| true);
        Self { bench, request, auction, contracts: world.contracts }
    }

    pub fn portfolio(&mut self) -> Portfolio {
        let balances = held(&mut self.bench);
        let mut coins = self.bench.coins.clone();
        coins.sort_by_key(|coin| coin.token);
        let holding = |coin: &Coin| Holding { balance: balances[&coin.token], price: fixed(1.0), unit: coin.atoms(1.0) };
        Portfolio { holdings: coins.iter().map(holding).collect() }
    }

    pub fn solve(&self, intent: &Intent, portfolio: &Portfolio) -> Result<(Auction, Answer), SizeError> {
        let moment = Moment { time: NOW, ..Moment::default() };
        let config = Config { max_arbitrage_per_pool: 1e6, max_arbitrage_per_auction: 1e7, ..Config::default() };
        let task = Task { intent, portfolio, moment: &moment };
        solve(&task, &self.auction, &config, &mut Drops::default(), &|| false)
    }

    /// Sends it.
    pub fn settle(&mut self, intent: &Intent, auction: &Auction, rebalance: &Rebalance) -> Verdict {
        let settings = rebalance.settings(&Settings { contracts: self.contracts, slippage_bps: 1, ..Settings::default() });
        let settings = as_executor(intent, 0, &settings);
        let encoder = Encoder::new(auction, &self.request, &settings);
        let balances = held(&mut self.bench);
        let plan = Plan::of_swaps(intent, &encoder, &rebalance.solution(auction), &balances).unwrap();
        self.bench.settle(intent, &plan)
    }
}

/// Parts of one, in ten-thousandths.
fn targets(dice: &mut ChaCha8Rng) -> Vec<u32> {
    let mut cuts: Vec<u32> = (0..3).map(|_| dice.random_range(0..=10_000)).collect();
    if dice.random_bool(0.2) {
        cuts[0] = 0;
    }
    cuts.sort_unstable();
    [cuts[0], cuts[1] - cuts[0], cuts[2] - cuts[1], 10_000 - cuts[2]].to_vec()
}

fn bp(x: u32) -> Decimal {
    Decimal::from_atoms(U256::from(x) * U256::from(10_u64.pow(14)))
}

fn bps(x: u16) -> Bps {
    Bps::new(x).unwrap()
}

/// A random intent on a vault's tokens, in the order of their addresses as the contract has them.
fn draw(bench: &Bench, portfolio: &Portfolio, dice: &mut ChaCha8Rng) -> Intent {
    let mut intent = bench.intent_of(&["0.25"; 4]);
    intent.assets.sort_by_key(|asset| asset.token);
    let width = dice.random_range(1..300_u32);
    for ((asset, holding), target) in intent.assets.iter_mut().zip(&portfolio.holdings).zip(targets(dice)) {
        asset.target = bp(target);
        let eject = target == 0 && dice.random_bool(0.5);
        let width = if eject { 0 } else { width };
        (asset.landing.low, asset.landing.high) = (bp(target.saturating_sub(width)), bp((target + width).min(10_000)));
        (asset.band.low, asset.band.high) =
            (bp(target.saturating_sub(width + 100)), bp((target + width + if eject { 0 } else { 100 }).min(10_000)));
        let part =
            |dice: &mut ChaCha8Rng, most: u32| holding.balance * U256::from(dice.random_range(0..most)) / U256::from(1_000);
        if dice.random_bool(0.15) {
            asset.max_trade = Amount(part(dice, 1_000));
        }
        if dice.random_bool(0.15) && !eject {
            asset.min_balance = Amount(part(dice, 1_000));
        }
        asset.tradable = !dice.random_bool(0.04);
    }
    intent.trigger.any_of = vec![Rule::DriftAbsBps(1)];
    intent.costs.max_loss_bps = bps(dice.random_range(20..500));
    intent.costs.max_loss_per_day_bps = bps(dice.random_range(50..1_000));
    if dice.random_bool(0.1) {
        intent.costs.max_loss_per_leg_bps = bps(dice.random_range(30..500));
    }
    if dice.random_bool(0.15) {
        intent.risk.max_turnover_bps = bps(dice.random_range(500..5_000));
    }
    if dice.random_bool(0.15) {
        let tokens: Vec<Address> = intent.assets[..2].iter().map(|asset| asset.token).collect();
        intent.risk.groups = vec![Group { tokens, max: bp(dice.random_range(1_000..9_000)) }];
    }
    if dice.random_bool(0.4) {
        intent.execution.allow_partial = true;
        intent.execution.min_progress_bps = bps(dice.random_range(1..200));
        if dice.random_bool(0.3) {
            (intent.execution.mode, intent.execution.slices) = (Mode::Twap, dice.random_range(2..6));
        }
    }
    if dice.random_bool(0.1) {
        intent.execution.venues_deny = vec!["stable".into()];
    }
    if dice.random_bool(0.1) {
        intent.execution.venues_allow = vec!["concentratedLiquidity".into(), "weightedProduct".into()];
    }
    intent.check().unwrap();
    intent
}

fn name(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}").split(['(', ' ']).next().unwrap().to_owned()
}

/// The event is what was foreseen: to the atom by exact outputs, and no worse by exact inputs.
fn kept(rebalance: &Rebalance, verdict: Verdict) {
    match (&rebalance.foreseen, verdict) {
        (Ok(foreseen), Verdict::Rebalanced(outcome)) => {
            assert_eq!(outcome.valueBefore, foreseen.start.total);
            assert_eq!(outcome.weightsBefore, foreseen.start.weights);
            assert!(outcome.valueAfter >= foreseen.end.total);
            assert_eq!(outcome.landed, foreseen.landed);
            if rebalance.settings(&Settings::default()) == Settings::default() {
                assert_eq!(outcome.weightsAfter, foreseen.end.weights);
                assert_eq!((outcome.loss, outcome.credit), (foreseen.loss, foreseen.credit));
            }
        }
        (Err(breach), Verdict::Refused(error)) => {
            let error: Errors = *error;
            assert_eq!(name(breach), name(&error), "{breach} {error:?}");
        }
        (foreseen, verdict) => panic!("{verdict}\n{foreseen:?}\n{rebalance:?}"),
    }
}

#[test]
fn what_is_promised_is_what_is_settled() {
    let mut market = Market::new();
    let base = market.bench.evm.snapshot();
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let mut seen = BTreeMap::<String, usize>::new();
    let (mut settled, mut gaps) = (0, Vec::new());
    while settled < SETTLED {
        market.bench.evm.revert(&base);
        for coin in market.bench.coins.clone() {
            // Down to nothing of some, up to a fifth of the deepest pools.
            let units = if dice.random_bool(0.15) { 0.0 } else { 10_f64.powf(dice.random_range(2.0..5.0)) };
            let give = ballast_adapters::erc20::Erc20::transferCall { to: market.bench.vault, amount: coin.atoms(units) };
            market.bench.evm.send(DEPLOYER, coin.token, &give, U256::ZERO).unwrap();
        }
        let portfolio = market.portfolio();
        let intent = draw(&market.bench, &portfolio, &mut dice);
        let kind = match market.solve(&intent, &portfolio) {
            Ok((_, Answer::Idle(_))) => {
                let verdict = market.bench.settle(&intent, &Plan { amounts: BTreeMap::new(), ..Plan::default() });
                assert!(matches!(verdict, Verdict::Skipped(_)), "{verdict}");
                "idle".to_owned()
            }
            Ok((auction, Answer::Rebalance(rebalance))) => {
                let verdict = market.settle(&intent, &auction, &rebalance);
                let kind = match &rebalance.foreseen {
                    Ok(foreseen) if foreseen.landed => "landed".to_owned(),
                    Ok(_) => "nearer".to_owned(),
                    Err(breach) => {
                        // No better answer was there: a limit of the intent or of the market says why.
                        assert!(!rebalance.binding.is_empty(), "{breach} {rebalance:?}");
                        format!("{}: {:?}", name(breach), rebalance.binding.iter().map(name).collect::<Vec<_>>())
                    }
                };
                kept(&rebalance, verdict);
                settled += usize::from(rebalance.foreseen.is_ok());
                if rebalance.missed.is_empty() {
                    // Whole atoms, and chords on pools of many coins, may be worth a little more than was routed.
                    let value = rebalance.after.measure().unwrap().total;
                    assert!(rebalance.gaps.total > -3e-5 * f64::from(value) / 1e18, "{rebalance:#?}");
                    gaps.push(1e4 * rebalance.gaps.total / rebalance.moved);
                }
                kind
            }
            Err(error) => name(&error),
        };
        *seen.entry(kind).or_default() += 1;
    }
    gaps.sort_by(f64::total_cmp);
    println!("{seen:#?}");
    println!(
        "gap in bps of what is moved: median {:.4}, p90 {:.4}, worst {:.4}",
        gaps[gaps.len() / 2],
        gaps[gaps.len() * 9 / 10],
        gaps[gaps.len() - 1]
    );
}
