//! A decision, and what is remembered between decisions.

use bigdecimal::BigDecimal;
use serde::{Deserialize, Serialize};

use crate::{
    oracle::{Assessment, StressState},
    portfolio::{Order, Weights},
    slicing::SlicingConfig,
    target::Basis,
    time::Time,
    trigger::Finding,
};

/// What to do at one moment, and every number it follows from. Slices run over the assets.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// When.
    pub at: Time,
    /// Value of the portfolio, in the numeraire.
    pub value: f64,
    /// Weights now.
    pub weights: Vec<f64>,
    /// Target weights.
    pub target: Vec<f64>,
    /// Half-width of the narrowest band around each target; infinite if no rule has one.
    pub bands: Vec<f64>,
    /// Half-width in which a rebalance would stop.
    pub landings: Vec<f64>,
    /// What each rule found, in the policy's order.
    pub findings: Vec<Finding>,
    /// What the guard says.
    pub stress: Assessment,
    /// What the target follows from.
    pub basis: Basis,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Nothing.
    Hold(Hold),
    /// Rebalance.
    Trade(Trade),
    /// Nothing, whatever the rules say: prices are not to be trusted.
    Halt,
}

/// Why nothing is to be done.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Hold {
    /// No rule fired.
    NoRule,
    /// A rule fired, too soon after the last rebalance.
    Cooldown {
        /// When it ends.
        until: Time,
        /// Which finding.
        rule: usize,
    },
    /// Outside the trading windows.
    Window {
        /// When one opens.
        opens: Option<Time>,
    },
    /// A rule fired, and every asset is inside its landing already.
    AlreadyLanded,
    /// A rule fired, and what is to be moved is not worth the trouble.
    TooSmall {
        /// In the numeraire.
        moved: f64,
        /// The least.
        minimum: BigDecimal,
    },
    /// Between two slices.
    NextSlice {
        /// When the next is due.
        at: Time,
    },
    /// The drift is gone; the remaining slices are dropped.
    SlicesDone,
    /// There is no value to rebalance.
    NothingHeld,
}

/// A rebalance.
#[derive(Debug, Clone, PartialEq)]
pub struct Trade {
    /// The finding that called for it; none in a later slice when no rule still fires.
    pub rule: Option<usize>,
    /// Weights it leads to, before costs. They sum to exactly one.
    pub to: Weights,
    /// Its legs; their values sum to exactly zero.
    pub orders: Vec<Order>,
    /// Value moved one way, in the numeraire.
    pub moved: BigDecimal,
    /// What it will cost, in the numeraire.
    pub cost: BigDecimal,
    /// Part of the way to the landing that is gone now (turnover limit, stress, slice).
    pub part: f64,
    /// Which slice it is.
    pub slice: Option<Slice>,
}

/// A slice of a rebalance.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// From 0.
    pub index: usize,
    /// How many.
    pub of: usize,
    /// The schedule.
    pub programme: Programme,
}

/// A rebalance in slices, under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Programme {
    /// When it began.
    pub started: Time,
    /// The next slice.
    pub index: usize,
    /// When it is due.
    pub next_at: Time,
    /// Fraction of what is then left that each slice does.
    pub fractions: Vec<f64>,
}

/// What is remembered between decisions; all of it optional in a file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Memory {
    /// The last rebalance or slice.
    pub last_rebalance: Option<Time>,
    /// Until when the calendar has been served.
    pub calendar_served: Option<Time>,
    /// Value at the start, in the numeraire.
    pub start_value: Option<f64>,
    /// Highest value so far.
    pub peak_value: Option<f64>,
    /// The guard's level.
    pub stress: StressState,
    /// Slices under way.
    pub programme: Option<Programme>,
}

impl Memory {
    /// Takes note of a value; returns the first and the highest.
    pub(super) fn see(&mut self, now: Time, value: f64) -> (f64, f64) {
        self.calendar_served.get_or_insert_with(|| self.last_rebalance.unwrap_or(now));
        let start = *self.start_value.get_or_insert(value);
        let peak = self.peak_value.unwrap_or(start).max(value);
        self.peak_value = Some(peak);
        (start, peak)
    }

    pub(super) fn served(&mut self, now: Time) {
        self.calendar_served = Some(now);
    }

    pub(super) fn settled(&mut self, trade: &Trade, now: Time, slicing: Option<&SlicingConfig>) {
        self.last_rebalance = Some(now);
        self.served(now);
        self.programme = trade.slice.as_ref().filter(|s| s.index + 1 < s.of).map(|s| Programme {
            index: s.index + 1,
            next_at: now.plus(slicing.map(SlicingConfig::spacing).unwrap_or_default()),
            ..s.programme.clone()
        });
    }
}
