//! Two clocks: the wall, and the processor time of this thread.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Milliseconds that something took.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Took {
    /// On the wall.
    pub wall: f64,
    /// Of the processor, on this thread.
    pub cpu: f64,
}

impl std::ops::Add for Took {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { wall: self.wall + other.wall, cpu: self.cpu + other.cpu }
    }
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall: Instant,
    cpu: f64,
}

impl Clock {
    /// Now.
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: thread_ms() }
    }

    /// Since the start.
    pub fn took(self) -> Took {
        let cpu = thread_ms() - self.cpu;
        Took { wall: self.wall.elapsed().as_secs_f64() * 1e3, cpu }
    }
}

/// Runs `work` and says how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Took) {
    let clock = Clock::start();
    let made = work();
    (made, clock.took())
}

/// Runs `work` twice and says how long the quicker run took: the first may pay for what others left in the caches.
pub fn quicker<T>(work: impl Fn() -> T) -> (T, Took) {
    let (_, first) = timed(&work);
    let (made, second) = timed(&work);
    (made, if first.cpu < second.cpu { first } else { second })
}

fn thread_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 * 1e-6
}

/// The most memory this process has held so far, in MB, where the system says so.
pub fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}
