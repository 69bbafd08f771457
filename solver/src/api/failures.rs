//! What solutions were made of, and what is avoided since some failed.

use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use alloy_primitives::Address;
use ballast_adapters::Venue;
use ballast_wire::{Interaction, Notification, OrderUid, Solution};
use parking_lot::Mutex;
use quick_cache::unsync::Cache;

use crate::auction::{Auction, Pool, Subject};
use crate::config::Avoid;

/// Solutions that are remembered, and things that are suspected: the older ones make room.
const REMEMBERED: usize = 20_000;
const SUSPECTED: usize = 20_000;

/// What may be to blame for a failure.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Suspect {
    Order(OrderUid),
    /// A contract with its tokens: one contract settles all foreign orders of a protocol.
    Pool(Address, Vec<Address>),
    Token(Address),
    /// That several orders were settled together: any of them may be to blame.
    Batch,
}

impl Suspect {
    fn pool(pool: &Pool) -> Self {
        Self::Pool(pool.address, pool.market.tokens().to_vec())
    }
}

/// A suspect in a few bytes: thousands of solutions are remembered, and each uses a dozen things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mark {
    Order(u64),
    Pool(u64),
    Token(u64),
    Batch,
}

impl Mark {
    /// Failures after which it is avoided.
    fn allowance(&self, avoid: &Avoid) -> u32 {
        match self {
            Self::Order(_) => avoid.order_after,
            Self::Pool(_) => avoid.pool_after,
            Self::Token(_) => avoid.token_after,
            Self::Batch => avoid.batch_after,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Suspicion {
    failures: u32,
    until: Instant,
}

/// Solutions by auction and number, and suspects.
pub(super) struct Failures {
    memory: Mutex<Memory>,
    /// With a key that nobody outside knows: no two names are made to meet.
    hasher: RandomState,
}

struct Memory {
    solutions: Cache<(String, u64), Box<[Mark]>>,
    suspects: Cache<Mark, Suspicion>,
}

impl Failures {
    pub(super) fn new() -> Self {
        let memory = Memory { solutions: Cache::new(REMEMBERED), suspects: Cache::new(SUSPECTED) };
        Self { memory: Mutex::new(memory), hasher: RandomState::new() }
    }

    fn mark(&self, suspect: &Suspect) -> Mark {
        let name = self.hasher.hash_one(suspect);
        match suspect {
            Suspect::Order(_) => Mark::Order(name),
            Suspect::Pool(..) => Mark::Pool(name),
            Suspect::Token(_) => Mark::Token(name),
            Suspect::Batch => Mark::Batch,
        }
    }

    /// Notes what each solution of an auction's reply uses.
    pub(super) fn remember(&self, auction: &str, solutions: impl IntoIterator<Item = (u64, Vec<Suspect>)>) {
        let mut memory = self.memory.lock();
        for (id, suspects) in solutions {
            memory.solutions.insert((auction.to_owned(), id), suspects.iter().map(|suspect| self.mark(suspect)).collect());
        }
    }

    /// Draws conclusions from what the driver says.
    pub(super) fn hear(&self, notification: &Notification, avoid: &Avoid, now: Instant) {
        let failed = match notification.kind.as_str() {
            "revert" | "simulationFailed" => true,
            "success" => false,
            _ => return,
        };
        let (Some(auction), Some(ids)) = (&notification.auction_id, &notification.solution_id) else { return };
        let mut memory = self.memory.lock();
        let Memory { solutions, suspects } = &mut *memory;
        for id in ids.as_slice() {
            let Some(used) = solutions.get(&(auction.clone(), *id)) else { continue };
            for suspect in used.iter() {
                if !failed {
                    suspects.remove(suspect);
                    continue;
                }
                let earlier = suspects.get(suspect).filter(|s| s.until > now).map_or(0, |s| s.failures);
                let until = now.checked_add(avoid.period).unwrap_or(now);
                suspects.insert(*suspect, Suspicion { failures: earlier.saturating_add(1), until });
            }
        }
    }

    /// Takes out of an auction what is to be avoided now.
    pub(super) fn avoid(&self, auction: &mut Auction, avoid: &Avoid, now: Instant) {
        let memory = self.memory.lock();
        if memory.suspects.is_empty() {
            return;
        }
        let avoided = |suspect: &Suspect| {
            let mark = self.mark(suspect);
            let allowance = mark.allowance(avoid);
            allowance > 0 && memory.suspects.peek(&mark).is_some_and(|s| s.until > now && s.failures >= allowance)
        };
        auction.alone |= avoided(&Suspect::Batch);
        let tokens: Vec<bool> =
            auction.tokens.iter().map(|token| !token.trusted && avoided(&Suspect::Token(token.address))).collect();
        let Auction { orders, pools, drops, .. } = auction;
        orders.retain(|order| {
            let token = tokens[order.sell as usize] || tokens[order.buy as usize];
            keep(token, avoided(&Suspect::Order(order.uid)), |why| {
                drops.add(Subject::Order, Some(order.uid.to_string()), why, "")
            })
        });
        pools.retain(|pool| {
            let token = pool.coins.iter().any(|coin| tokens[*coin as usize]);
            keep(token, avoided(&Suspect::pool(pool)), |why| drops.add(Subject::Pool, Some(pool.id.clone()), why, ""))
        });
    }
}

fn keep(token: bool, itself: bool, mut drop: impl FnMut(&str)) -> bool {
    if token {
        drop("token avoided: behind a failed settlement");
    } else if itself {
        drop("avoided: behind a failed settlement");
    }
    !token && !itself
}

/// What a solution uses. Of several orders together none is suspected by itself: each goes alone for a while, and then it shows.
pub(super) fn suspects(auction: &Auction, solution: &Solution) -> Vec<Suspect> {
    if solution.trades.len() > 1 {
        return vec![Suspect::Batch];
    }
    let mut suspects = Vec::new();
    for trade in &solution.trades {
        suspects.extend(auction.order_of(trade).map(|index| Suspect::Order(auction.orders[index].uid)));
    }
    let mut tokens: Vec<Address> = solution.prices.keys().copied().collect();
    for interaction in &solution.interactions {
        if let Interaction::Liquidity(swap) = interaction {
            tokens.extend([swap.input_token, swap.output_token]);
            suspects.extend(auction.pools.iter().find(|pool| pool.id == swap.id).map(Suspect::pool));
        }
    }
    let trusted = |token: &Address| auction.index.get(token).is_some_and(|&token| auction.token(token).trusted);
    suspects.extend(tokens.into_iter().filter(|token| !trusted(token)).map(Suspect::Token));
    // A pool that is used twice has failed once.
    let mut seen = rustc_hash::FxHashSet::default();
    suspects.retain(|suspect| seen.insert(suspect.clone()));
    suspects
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ballast_wire::SolutionIds;

    use super::*;
    use crate::config::{Config, Settings};

    const AVOID: Avoid = Avoid { period: Duration::from_secs(60), order_after: 0, pool_after: 1, token_after: 0, batch_after: 1 };

    fn read() -> Auction {
        Auction::new(&ballast_fixtures::demo(), |_| true)
    }

    /// The demo's solutions, each of one order.
    fn solved() -> (Auction, Vec<Solution>) {
        let mut auction = read();
        auction.orders.truncate(2);
        auction.alone = true;
        let settings = Settings { engine: Config { work_per_order: 1_000_000, ..Config::default() }, ..Settings::default() };
        let report = crate::pipeline::solve(&mut auction, &settings, &|| false);
        let solutions = report.solutions();
        (auction, solutions)
    }

    fn notification(kind: &str, auction: &Auction, id: u64) -> Notification {
        let (auction_id, solution_id) = (auction.id.clone(), Some(SolutionIds::One(id)));
        Notification { auction_id, solution_id, kind: kind.to_owned(), transaction: None, reason: None }
    }

    fn pools_after(failures: &Failures, avoid: &Avoid, now: Instant) -> usize {
        let mut auction = read();
        failures.avoid(&mut auction, avoid, now);
        auction.pools.len()
    }

    #[test]
    fn what_failed_is_avoided_for_a_time_and_trusted_again_after_a_success() {
        let (auction, solutions) = solved();
        let (failures, now, all) = (Failures::new(), Instant::now(), auction.pools.len());
        failures.remember("42", solutions.iter().map(|s| (s.id, suspects(&auction, s))));
        failures.hear(&notification("cancelled", &auction, 0), &AVOID, now);
        assert_eq!(pools_after(&failures, &AVOID, now), all);
        failures.hear(&notification("revert", &auction, 0), &AVOID, now);
        assert!(pools_after(&failures, &AVOID, now) < all);
        assert_eq!(pools_after(&failures, &AVOID, now + AVOID.period), all);
        // One failure is too few, two in the same time are not.
        let patient = Avoid { pool_after: 2, ..AVOID };
        assert_eq!(pools_after(&failures, &patient, now), all);
        failures.hear(&notification("simulationFailed", &auction, 0), &AVOID, now);
        assert!(pools_after(&failures, &patient, now) < all);
        failures.hear(&notification("success", &auction, 0), &AVOID, now);
        assert_eq!(pools_after(&failures, &AVOID, now), all);
    }

    #[test]
    fn orders_and_tokens_are_avoided_too_but_not_trusted_tokens() {
        let (auction, solutions) = solved();
        let (failures, now) = (Failures::new(), Instant::now());
        failures.remember("42", solutions.iter().map(|s| (s.id, suspects(&auction, s))));
        failures.hear(&notification("revert", &auction, 0), &AVOID, now);
        let orders_after = |avoid: Avoid, trusted: bool| {
            let mut auction = read();
            auction.tokens.iter_mut().for_each(|token| token.trusted = trusted);
            failures.avoid(&mut auction, &avoid, now);
            auction.orders.len()
        };
        let all = read().orders.len();
        assert_eq!(orders_after(Avoid { order_after: 1, ..AVOID }, true), all - 1);
        assert_eq!(orders_after(Avoid { token_after: 1, ..AVOID }, true), all);
        // Of a batch nobody is suspected, but that it was one.
        let mut both = solutions[0].clone();
        both.trades.extend(solutions[1].trades.clone());
        failures.remember("42", [(7, suspects(&auction, &both))]);
        failures.hear(&notification("revert", &auction, 7), &AVOID, now);
        let (mut next, patient) = (read(), Avoid { pool_after: 0, ..AVOID });
        failures.avoid(&mut next, &patient, now);
        assert!(next.alone && next.orders.len() == all);
        // An unknown solution is nobody's fault.
        failures.hear(&notification("revert", &auction, 99), &AVOID, now);
    }
}
