//! One round: those who are left, in one batch, and each judged by what comes of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ballast_routing::Extent;
use ballast_wire as wire;
use ballast_wire::intent::Asset;

use super::Left;
use super::party::Party;
use crate::auction::Auction;
use crate::batch::joint::{Attempt, Floors, Found, NoBatch};
use crate::batch::{Bid, Joint, Liquidity};
use crate::config::Config;
use crate::intent::Task;
use crate::intent::judge::Breach;
use crate::intent::portfolio::Holding;
use crate::settlement::encode::domain_separator;
use crate::settlement::{Contracts, Verified, verify};

/// What rounds have come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// How many times its cost gas was too much at.
    pub heavy: f64,
    /// When a batch was found with which everybody's conditions are met.
    pub first: Option<Instant>,
}

/// What all rounds are solved on.
#[derive(Clone, Copy)]
pub(super) struct Market<'a> {
    pub liquidity: &'a Liquidity,
    pub config: &'a Config,
    /// Prices to start from.
    pub prices: &'a [f64],
}

/// Those who are left, in one auction.
pub(super) struct Round {
    pub auction: Auction,
    pub orders: Vec<wire::Order>,
}

impl Round {
    /// Puts the orders of those who are left into the auction. Those who have none leave.
    pub fn new(auction: &Auction, parties: &mut [Result<Party<'_>, Left>], contracts: &Contracts) -> Self {
        let domain = domain_separator(contracts);
        let mut this = Self { auction: auction.clone(), orders: Vec::new() };
        for entry in parties {
            let Ok(party) = entry else { continue };
            party.places.clear();
            for (order, hoped) in party.orders() {
                // The market does not know a token that the auction does not list.
                let known = [order.sell, order.buy].iter().all(|token| auction.index.contains_key(token));
                let Some(order) = order.listed(party.task.intent, &domain).ok().filter(|_| known) else { continue };
                if let Ok(place) = this.auction.enter(&order, hoped) {
                    party.places.push(place);
                    this.orders.push(order);
                }
            }
            if party.places.is_empty() {
                *entry = Err(Left::NoOrders);
            }
        }
        this
    }

    /// The best batch with which everybody's conditions are met; or, where the first is none, that.
    pub fn solve(
        &self,
        Market { liquidity, config, prices }: Market<'_>,
        parties: &[Result<Party<'_>, Left>],
        progress: &mut Progress,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(Joint, Verified), NoBatch> {
        let auction = &self.auction;
        let all: Vec<usize> = (0..auction.orders.len()).collect();
        let mut attempt = |warm, extent| {
            let (mut best, mut why) = (None, "no batch".to_owned());
            // Where somebody has to ask again, a better batch of the same orders is of no use.
            let missed = AtomicBool::new(false);
            let halt = || missed.load(Ordering::Relaxed) || stop();
            let mut found = |found: Found<'_>| {
                let Found::Better(joint) = found else { return };
                let joint = *joint;
                match self.verified(config, &joint) {
                    Ok(verified) => {
                        let good = parties.iter().flatten().all(|party| party.judge(auction, &verified).is_ok());
                        missed.fetch_or(!good, Ordering::Relaxed);
                        if good {
                            progress.first.get_or_insert_with(Instant::now);
                        }
                        if good || best.is_none() {
                            best = Some((joint, verified));
                        }
                    }
                    Err(reason) => why = reason,
                }
            };
            let attempt = Attempt::new(auction, liquidity, config, &all, Floors::default(), extent)?;
            let mut attempt = attempt.heavy_below(progress.heavy);
            let solved = attempt.solve(warm, &halt, &mut found);
            progress.heavy = attempt.heavy();
            match (solved, best) {
                (_, Some(best)) => Ok(best),
                (Ok(_), None) => Err(why.into()),
                (Err(why), None) => Err(why),
            }
        };
        // Prices may lead nowhere, and what is given find none.
        let ways = [(Some(prices), Extent::Given), (None, Extent::Given), (Some(prices), Extent::Part)];
        let mut found = Err("no batch".into());
        for (warm, extent) in ways {
            found = found.or_else(|why| if why == NoBatch::Heavy { Err(why) } else { attempt(warm, extent) });
        }
        found
    }

    fn verified(&self, config: &Config, joint: &Joint) -> Result<Verified, String> {
        let bid = Bid::joint(0, &self.auction, joint).ok_or("the protocol's fee takes all that is sold")?;
        verify(&self.auction, config, bid.solution).map_err(|violation| violation.to_string())
    }

    /// The batch's price of each asset as a multiple of its oracle's, to a factor that is the same for all.
    fn multiples(&self, task: &Task<'_>, joint: &Joint) -> Vec<Option<f64>> {
        let multiple = |(asset, holding): (&Asset, &Holding)| {
            let token = *self.auction.index.get(&asset.token)?;
            let (_, price) = joint.prices.iter().find(|(priced, _)| *priced == token)?;
            Some(f64::from(*price) / holding.atom()).filter(|x| x.is_finite() && *x > 0.0)
        };
        task.intent.assets.iter().zip(&task.portfolio.holdings).map(multiple).collect()
    }

    /// Judges each intent. Of those that fail, some relent, and of the others the worse half leaves, so that those who only miss their company
    /// get another chance. True if none fails.
    pub fn judge(&self, parties: &mut [Result<Party<'_>, Left>], joint: &Joint, verified: &Verified, at_once: bool) -> bool {
        let mut failed: Vec<(f64, usize, Breach)> = Vec::new();
        let mut good = true;
        for (index, party) in parties.iter_mut().enumerate() {
            let Ok(party) = party else { continue };
            match party.judge(&self.auction, verified) {
                Ok(share) => party.share = Some(share),
                Err((breach, filled)) => {
                    good = false;
                    tracing::debug!(index, %breach, filled, spread = party.spread, room = party.room, "misses its conditions");
                    if at_once || !party.relent(&breach, filled, &self.multiples(&party.task, joint)) {
                        failed.push((filled, index, breach));
                    }
                }
            }
        }
        failed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let leave = if at_once { failed.len() } else { failed.len().div_ceil(2) };
        for (filled, index, breach) in failed.into_iter().take(leave) {
            parties[index] = Err(Left::Breach { breach, filled: (100.0 * filled) as u8 });
        }
        good
    }
}
