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
        assert_eq!(decision["decision"], "wait");
        let mut events = Events::after(service, &id, after);
        let waiting = events.until("waiting").pop().unwrap();
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

/// What a day may lose is the vault's, not a process's; once it is spent, time alone brings it back, and no number of failures parks the intent.
#[test]
fn a_days_losses_are_held_across_restarts() {
    let world = World::new("daily");
    let intent = world.signed(|intent| {
        intent.execution.mode = Mode::Twap;
        (intent.execution.slices, intent.execution.min_spacing_sec) = (3, 1);
        // A settlement that brings it so much nearer loses more than half a basis point: one fits into the day's, two do not.
        (intent.execution.allow_partial, intent.execution.min_progress_bps) = (true, Bps::new(350).unwrap());
        intent.risk.max_turnover_bps = Bps::new(300).unwrap();
        intent.costs.max_loss_per_day_bps = Bps::new(1).unwrap();
    });
    let more = format!("{SOON}\nmax_failures = 3");
    let service = world.service_with("daily", &more, &[]);
    let id = post(&service, &intent);
    let mut events = Events::of(&service, &id);
    assert_eq!(events.until("waiting").last().unwrap()["reason"], "settlement 1 of at most 3 is made");
    world.pass_time(10);
    for _ in 0..5 {
        let failed = events.until("failed");
        assert!(!states(&failed).contains(&"parked"), "{failed:?}");
        let reason = failed.last().unwrap()["reason"].as_str().unwrap();
        assert!(reason.starts_with("after the day's losses so far"), "{reason}");
    }
    service.kill();
    let service = world.service_with("daily", &more, &[]);
    world.pass_time(12 * HOUR);
    let mut events = Events::of(&service, &id);
    assert!(events.any(|event| event["reason"] == "settlement 2 of at most 3 is made"));
    assert_eq!(world.settlements(), 2);
}
