//! What is done for an auction, one thing after another, as logs and traces show it.

use std::time::Instant;

use tracing::Span;

/// Does `work` within the span of the strategy `name`, which it is given: threads it shares the work with do not know of it.
pub(super) fn strategy<T>(name: &'static str, work: impl FnOnce(&Span) -> T) -> T {
    // Not as `name`: a line of JSON calls the span's own name that.
    let (span, began) = (tracing::info_span!("strategy", strategy = name), Instant::now());
    span.in_scope(|| {
        let done = work(&span);
        tracing::debug!(ms = began.elapsed().as_secs_f64() * 1e3, "strategy done");
        done
    })
}
