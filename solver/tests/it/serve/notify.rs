//! What the driver tells afterwards changes what is done.

use std::collections::BTreeSet;

use ballast_fixtures::demo;
use ballast_wire::Solution;
use serde_json::json;

use super::server::{LONG, Server, request};
use crate::support::used;

fn pools(solutions: &[Solution]) -> BTreeSet<&str> {
    solutions.iter().flat_map(used).collect()
}

#[test]
fn what_reverted_is_avoided_and_what_succeeded_is_not() {
    let server = Server::start("notify", "[engine]\nbatch = false\n[avoid]\nfor = \"1h\"\norder_after = 0");
    let request = request(&demo(), LONG);
    let before = server.solve(&request);
    let blamed = used(&before[0]);
    assert!(!blamed.is_empty());
    let tell = |kind: &str, auction: &str, solution: serde_json::Value| {
        let body = json!({ "auctionId": auction, "solutionId": solution, "kind": kind, "transaction": format!("0x{}", "ab".repeat(32)) });
        assert_eq!(server.post("/notify", body.to_string()).0, 200);
    };
    // Neither a kind that blames nobody, nor another auction, nor another solution.
    tell("cancelled", "42", 0.into());
    tell("revert", "41", 0.into());
    tell("revert", "42", json!([1000, 1001]));
    tell("revert", "42", json!(null));
    assert_eq!(server.solve(&request), before);
    tell("revert", "42", json!([0]));
    let after = server.solve(&request);
    assert!(!after.is_empty() && pools(&after).is_disjoint(&blamed));
    // The numbers are now those of the second reply: some of its pools are none of the first's.
    let dropped = server.figure("ballast_drops_total{subject=\"pool\",reason=\"avoided\"}");
    assert_eq!(dropped, blamed.len() as f64);
    for (kind, count) in [("revert", 4.0), ("cancelled", 1.0), ("success", 0.0), ("other", 0.0)] {
        assert_eq!(server.figure(&format!("ballast_notifications_total{{kind=\"{kind}\"}}")), count, "{kind}");
    }
}

#[test]
fn a_failed_simulation_puts_the_order_aside() {
    let server = Server::start("simulation", "[engine]\nbatch = false\n[avoid]\nfor = \"1h\"\npool_after = 0");
    let request = request(&demo(), LONG);
    let before = server.solve(&request);
    let failed =
        json!({ "auctionId": "42", "solutionId": 2, "kind": "simulationFailed", "block": 1, "tx": {}, "succeededOnce": false });
    assert_eq!(server.post("/notify", failed.to_string()).0, 200);
    let after = server.solve(&request);
    let trades = |solutions: &[Solution]| -> Vec<String> {
        solutions.iter().map(|s| serde_json::to_value(s).unwrap()["trades"].to_string()).collect()
    };
    let mut left = trades(&before);
    left.remove(2);
    assert_eq!(trades(&after), left);
}

#[test]
fn every_kind_is_counted_and_strangers_together() {
    let server = Server::start("kinds", "");
    for kind in ["timeout", "emptySolution", "success", "postprocessingTimedOut", "brandNew", "another"] {
        let body = json!({ "auctionId": null, "solutionId": null, "kind": kind, "more": { "of": "this" } });
        assert_eq!(server.post("/notify", body.to_string()).0, 200);
    }
    for (kind, count) in
        [("timeout", 1.0), ("emptySolution", 1.0), ("success", 1.0), ("postprocessingTimedOut", 1.0), ("other", 2.0)]
    {
        assert_eq!(server.figure(&format!("ballast_notifications_total{{kind=\"{kind}\"}}")), count, "{kind}");
    }
    let (status, problem) = server.post("/notify", r#"{"auctionId":"1","solutionId":0,"kind":3}"#);
    assert_eq!((status, &problem["field"]), (400, &json!("kind")));
}
