//! What `/metrics` shows of the intent service.

use std::time::Duration;

use ballast_store::State;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const INTENTS: &str = "ballast_intents";
const UNREAD: &str = "ballast_intents_unread";
const CHANGES: &str = "ballast_intent_changes_total";
const POSTS: &str = "ballast_intent_posts_total";
const PASS: &str = "ballast_intent_pass_seconds";
const SOLVE: &str = "ballast_intent_solve_seconds";
const LEASE: &str = "ballast_intent_lease";
const DEPENDENCY: &str = "ballast_intent_dependency_up";
const REORGANISED: &str = "ballast_intent_reorganisations_total";

pub(super) fn describe() {
    describe_gauge!(INTENTS, Unit::Count, "live intents, by where they stand");
    describe_gauge!(UNREAD, Unit::Count, "live intents whose vaults are still to be read");
    describe_counter!(CHANGES, Unit::Count, "changes of where an intent stands, by where to");
    describe_counter!(POSTS, Unit::Count, "intents posted, by what came of it");
    describe_histogram!(PASS, Unit::Seconds, "time of a pass of decisions over all live intents");
    describe_histogram!(SOLVE, Unit::Seconds, "time to size, route and plan a settlement");
    describe_gauge!(LEASE, "1 while this instance watches and settles, 0 while another does");
    describe_gauge!(DEPENDENCY, "1 while the dependency answers, 0 while it fails");
    describe_counter!(REORGANISED, Unit::Count, "settlements that a reorganisation has moved or taken back");
}

pub(super) fn standing(counts: impl IntoIterator<Item = (State, usize)>) {
    for (state, count) in counts {
        gauge!(INTENTS, "state" => state.name()).set(count as f64);
    }
}

pub(super) fn unread(count: usize) {
    gauge!(UNREAD).set(count as f64);
}

pub(super) fn changed(to: State) {
    counter!(CHANGES, "state" => to.name()).increment(1);
}

pub(super) fn posted(result: &'static str) {
    counter!(POSTS, "result" => result).increment(1);
}

pub(super) fn passed(taken: Duration) {
    histogram!(PASS).record(taken);
}

pub(super) fn solved(taken: Duration) {
    histogram!(SOLVE).record(taken);
}

pub(super) fn lease(held: bool) {
    gauge!(LEASE).set(if held { 1.0 } else { 0.0 });
}

pub(super) fn dependency(name: &'static str, up: bool) {
    gauge!(DEPENDENCY, "dependency" => name).set(if up { 1.0 } else { 0.0 });
}

pub(super) fn reorganised() {
    counter!(REORGANISED).increment(1);
}
