//! How long to go on.

use std::cell::Cell;

/// A share of effort: a count of work, which is the same on every machine, and a word from outside to stop.
///
/// A unit of work is one look at one market. The core reads no clock: whoever has one says through `stop` that time is up.
pub struct Budget<'a> {
    work: Cell<u64>,
    stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl<'a> Budget<'a> {
    /// So much work and no more.
    pub fn work(units: u64) -> Self {
        Self { work: Cell::new(units), stop: None }
    }

    /// So much work, or until `stop` says so.
    pub fn until(units: u64, stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { work: Cell::new(units), stop: Some(stop) }
    }

    /// Takes `units` off; false once there is nothing left.
    pub(crate) fn spend(&self, units: u64) -> bool {
        self.work.set(self.work.get().saturating_sub(units));
        !self.is_spent()
    }

    /// Units of work that are left.
    pub(crate) fn left(&self) -> u64 {
        self.work.get()
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.work.get() == 0 || self.stop.is_some_and(|stop| stop())
    }
}

impl Default for Budget<'_> {
    /// Enough for any single order; a search that goes on for longer finds next to nothing.
    fn default() -> Self {
        Self::work(20_000_000)
    }
}

impl std::fmt::Debug for Budget<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget").field("work", &self.work.get()).finish_non_exhaustive()
    }
}
