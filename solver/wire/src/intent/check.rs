//! What an intent must be beyond its form, for it to mean anything.

use super::{Asset, Intent, Mode, Rule, ZERO};
use crate::item::RequestError;
use crate::number::{Bps, Decimal};

/// A path and what is wrong there.
type Wrong = (String, String);

fn wrong<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T, Wrong> {
    Err((field.into(), reason.into()))
}

impl Intent {
    /// Checks what reading a field alone cannot see.
    ///
    /// # Errors
    /// The first field that makes no sense, by its path.
    pub fn check(&self) -> Result<(), RequestError> {
        let checked = self.check_terms().and_then(|()| self.check_assets()).and_then(|()| self.check_trigger());
        checked.and_then(|()| self.check_groups()).map_err(|(field, reason)| RequestError { field, reason })
    }

    fn check_terms(&self) -> Result<(), Wrong> {
        let execution = &self.execution;
        if self.valid_from >= self.valid_to {
            return wrong("validTo", format!("{} is not after validFrom", self.valid_to));
        }
        match (execution.mode, execution.slices) {
            (_, 0) => wrong("execution.slices", "at least 1"),
            (Mode::Atomic | Mode::Auction, 2..) => wrong("execution.slices", "more than one only in mode `twap`"),
            (_, 2..) if !execution.allow_partial => {
                wrong("execution.allowPartial", "every slice but the last stops short of the landing: must be true")
            }
            _ if execution.allow_partial && execution.min_progress_bps == Bps::default() => {
                wrong("execution.minProgressBps", "above 0 where allowPartial is true: a part must bring it nearer")
            }
            _ => Ok(()),
        }?;
        for (field, venues) in [("venuesAllow", &execution.venues_allow), ("venuesDeny", &execution.venues_deny)] {
            if let Some(i) = venues.iter().position(String::is_empty) {
                return wrong(format!("execution.{field}[{i}]"), "expected a kind of venue or the address of a pool");
            }
        }
        Ok(())
    }

    fn check_assets(&self) -> Result<(), Wrong> {
        if self.assets.is_empty() {
            return wrong("assets", "there are none");
        }
        let mut sum = ZERO;
        for (i, asset) in self.assets.iter().enumerate() {
            let at = |field: &str| format!("assets[{i}].{field}");
            if self.assets.iter().take(i).any(|other| other.token == asset.token) {
                return wrong(at("token"), format!("{} is listed twice", asset.token));
            }
            self.check_asset(asset).map_err(|(field, reason)| (at(&field), reason))?;
            // Each is at most one.
            sum = Decimal::from_atoms(sum.atoms().saturating_add(asset.target.atoms()));
        }
        if sum == Decimal::ONE { Ok(()) } else { wrong("assets", format!("the targets sum to {sum}, not to exactly 1")) }
    }

    fn check_asset(&self, asset: &Asset) -> Result<(), Wrong> {
        let Asset { target, band, landing, .. } = asset;
        let ascending = [
            ("band.low", band.low, landing.low, "above landing.low"),
            ("landing.low", landing.low, *target, "above the target"),
            ("landing.high", *target, landing.high, "below the target"),
            ("band.high", landing.high, band.high, "below landing.high"),
            ("band.high", band.high, Decimal::ONE, "above 1"),
        ];
        if let Some((field, .., how)) = ascending.into_iter().find(|(_, low, high, _)| low > high) {
            return wrong(field, how);
        }
        if landing.high == ZERO && !asset.min_balance.0.is_zero() && asset.tradable {
            return wrong("minBalance", "a landing of zero leaves nothing");
        }
        let Some(oracle) = &asset.oracle else {
            return if asset.token == self.numeraire.0 { Ok(()) } else { wrong("oracle", "only the numeraire does without") };
        };
        if oracle.min_price >= oracle.max_price {
            return wrong("oracle.maxPrice", "not above minPrice");
        }
        if oracle.twap_pool.is_some() && oracle.max_deviation_bps == Bps::default() {
            return wrong("oracle.maxDeviationBps", "above 0 where there is a twapPool: two sources never agree exactly");
        }
        Ok(())
    }

    fn check_trigger(&self) -> Result<(), Wrong> {
        for (i, rule) in self.trigger.any_of.iter().enumerate() {
            let at = |field: &str| format!("trigger.anyOf[{i}].{field}");
            match rule {
                Rule::DriftAbsBps(0) => wrong(at("driftAbsBps"), "not above 0"),
                Rule::DriftRelBps(0) => wrong(at("driftRelBps"), "not above 0"),
                Rule::TrackingErrorBps(0) => wrong(at("trackingErrorBps"), "not above 0"),
                Rule::Calendar { every_sec: 0, .. } => wrong(at("calendar.everySec"), "not above 0"),
                Rule::HitProbability { p, .. } if *p == ZERO || *p >= Decimal::ONE => {
                    wrong(at("hitProbability.p"), format!("{p} is not between 0 and 1"))
                }
                Rule::HitProbability { horizon_sec: 0, .. } => wrong(at("hitProbability.horizonSec"), "not above 0"),
                _ => Ok(()),
            }?;
        }
        match &self.trigger.window {
            Some(window) if window.from == window.to => wrong("trigger.window.to", "the same as from: never open"),
            _ => Ok(()),
        }
    }

    fn check_groups(&self) -> Result<(), Wrong> {
        for (g, group) in self.risk.groups.iter().enumerate() {
            if group.max > Decimal::ONE {
                return wrong(format!("risk.groups[{g}].max"), "above 1");
            }
            for (t, token) in group.tokens.iter().enumerate() {
                let at = format!("risk.groups[{g}].tokens[{t}]");
                if group.tokens.iter().take(t).any(|other| other == token) {
                    return wrong(at, format!("{token} is listed twice"));
                }
                if !self.assets.iter().any(|asset| asset.token == *token) {
                    return wrong(at, format!("{token} is not among the assets"));
                }
            }
        }
        Ok(())
    }
}
