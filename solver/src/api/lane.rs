//! Threads that solve, behind a bounded queue.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::metrics;

/// A piece of work.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub(crate) struct Full;

/// Workers with threads of their own each, so that the system shares the processors evenly among what they work on, and none
/// waits until another has no more to split.
pub(crate) struct Lane {
    name: &'static str,
    queue: Sender<Job>,
}

impl Lane {
    /// Starts `workers`, each with `threads` (0: one for each processor); `waiting` jobs may wait.
    pub(super) fn new(name: &'static str, workers: usize, threads: usize, waiting: usize) -> anyhow::Result<Self> {
        let (queue, jobs) = bounded(waiting);
        for worker in 0..workers {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(move |thread| format!("{name}-{worker}-{thread}"))
                .build()?;
            let jobs: Receiver<Job> = jobs.clone();
            std::thread::Builder::new().name(format!("{name}-{worker}")).spawn(move || {
                for job in &jobs {
                    metrics::queued(name, jobs.len());
                    metrics::working(name, 1.0);
                    // Whoever waits for the job sees that it is gone without an answer.
                    if catch_unwind(AssertUnwindSafe(|| pool.install(job))).is_err() {
                        metrics::panicked();
                    }
                    metrics::working(name, -1.0);
                }
            })?;
        }
        Ok(Self { name, queue })
    }

    /// Puts a job into the queue.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Full> {
        let done = self.queue.try_send(job).map_err(|_| Full);
        metrics::queued(self.name, self.queue.len());
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_and_a_panic_takes_nothing_with_it() {
        let lane = Lane::new("test", 1, 1, 1).unwrap();
        let (begun, has_begun) = bounded(0);
        let (release, released) = bounded::<()>(0);
        lane.submit(Box::new(move || {
            begun.send(()).unwrap();
            released.recv().unwrap();
            panic!("on purpose");
        }))
        .unwrap();
        has_begun.recv().unwrap();
        let (done, is_done) = bounded(1);
        lane.submit(Box::new(move || done.send(rayon::current_num_threads()).unwrap())).unwrap();
        assert_eq!(lane.submit(Box::new(|| {})), Err(Full));
        release.send(()).unwrap();
        assert_eq!(is_done.recv().unwrap(), 1);
    }

    #[test]
    fn as_many_jobs_run_at_a_time_as_there_are_workers() {
        let lane = Lane::new("test", 2, 1, 2).unwrap();
        // Each waits for the other: one after the other they would wait for ever.
        let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
        let (done, is_done) = bounded(2);
        for _ in 0..2 {
            let (barrier, done) = (barrier.clone(), done.clone());
            lane.submit(Box::new(move || {
                barrier.wait();
                done.send(()).unwrap();
            }))
            .unwrap();
        }
        is_done.recv().unwrap();
        is_done.recv().unwrap();
    }
}
