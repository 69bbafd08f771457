//! An intent that is settled in several parts.

use ballast_wire::Bps;
use ballast_wire::intent::Mode;
use serde_json::Value;

use super::world::{Events, World, get, post, states};

const HOUR: u64 = 3_600;
/// What time alone makes due is noticed soon.
const SOON: &str = "every = \"100ms\"";

/// Each part waits for its turn, whatever becomes of the process in between; the last one ends it.
#[test]
fn parts_are_settled_one_by_one_across_restarts() {
    let world = World::new("slices");
    let intent = world.signed(|intent| {
        intent.execution.mode = Mode::Twap;
        (intent.execution.slices, intent.execution.min_spacing_sec) = (3, HOUR as u32);
        (intent.execution.allow_partial, intent.execution.min_progress_bps) = (true, Bps::new(10).unwrap());
        intent.risk.max_turnover_bps = Bps::new(300).unwrap();
    });
    let service = world.service_with("slices", SOON, &[]);
    let id = post(&service, &intent);
    let first = Events::of(&service, &id).until("waiting");
    for event in &first {
        println!("{event}");
    }
    assert_eq!(states(&first), ["accepted", "triggered", "solved", "submitted", "submitted", "waiting"]);
    let paused = |service: &crate::serve::server::Server, after: u64| {
        let decision = get(service, &format!("/v1/intents/{id}/decision"));
        println!("{decision}");
        assert_eq!(decision["decision"], "wait");
        let mut events = Events::after(service, &id, after);
        let waiting = events.until("waiting").pop().unwrap();
        println!("{waiting}");
        assert!(waiting["reason"].as_str().unwrap().contains("cool"), "{waiting}");
        waiting["position"].as_u64().unwrap()
    };
    let at = |event: &Value| event["position"].as_u64().unwrap();
    let last = paused(&service, at(first.last().unwrap()));
    service.kill();
    let service = world.service_with("slices", SOON, &[]);
    assert_eq!(get(&service, &format!("/v1/intents/{id}"))["slices"][0]["state"], "settled");
    assert_eq!(world.settlements(), 1);
    world.pass_time(HOUR);
    let second = Events::after(&service, &id, last).until("waiting");
    for event in &second {
        println!("{event}");
    }
    let last = paused(&service, at(second.last().unwrap()));
    service.kill();
    let service = world.service_with("slices", SOON, &[]);
    world.pass_time(HOUR);
    let third: Vec<Value> = Events::after(&service, &id, last).collect();
    for event in &third {
        println!("{event}");
    }
    assert_eq!(states(&third), ["triggered", "solved", "submitted", "submitted", "settled"]);
    let shown = get(&service, &format!("/v1/intents/{id}"));
    assert_eq!(shown["slices"].as_array().unwrap().len(), 3);
    assert_eq!(world.settlements(), 3);
}
