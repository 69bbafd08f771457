//! The whole way of an intent.

use std::process::Command;

use reqwest::Method;

use super::world::{Events, World, get, post, states};

#[test]
fn posted_watched_triggered_by_a_price_solved_and_settled_once() {
    let world = World::new("path");
    let service = world.service("path");
    let intent = world.not_yet_due();
    let id = post(&service, &intent);
    let mut events = Events::of(&service, &id);
    let begun = events.until("waiting");
    assert_eq!(states(&begun), ["accepted", "waiting"]);
    assert_eq!(begun[1]["reason"], "no rule calls for a rebalance");
    let decision = get(&service, &format!("/v1/intents/{id}/decision"));
    assert_eq!((&decision["decision"], &decision["reason"]), (&"wait".into(), &"no rule calls for a rebalance".into()));
    assert!(decision["weights"][0]["weight"].as_str().unwrap().starts_with("0.46"), "{decision}");
    world.move_price("WETH", 1_010);
    let settled = events.until("settled");
    assert_eq!(states(&settled), ["triggered", "solved", "submitted", "submitted", "settled"]);
    assert_eq!(
        (settled[1]["numbers"]["landed"].as_str(), settled[4]["numbers"]["landed"].as_str()),
        (Some("true"), Some("true"))
    );
    assert_eq!(settled[2]["attempt"]["raw"], "0x", "what is not sent yet is shown");
    assert_eq!(settled[4]["transaction"], settled[2]["attempt"]["transaction"]);
    assert_eq!(events.next(), None, "nothing comes after the end");
    assert_eq!(world.settlements(), 1);
    // Where it stands, and how it came there, is to be seen by everyone who knows it.
    let shown = get(&service, &format!("/v1/intents/{id}"));
    assert_eq!((&shown["state"], &shown["slices"][0]["state"]), (&"settled".into(), &"settled".into()));
    let history = get(&service, &format!("/v1/intents/{id}/history"));
    assert_eq!(history["events"].as_array().unwrap().len(), 7);
    let listed = get(&service, &format!("/v1/intents?owner={}&state=settled", intent.owner));
    assert_eq!((listed["intents"].as_array().unwrap().len(), &listed["intents"][0]["id"]), (1, &id.clone().into()));
    // A client that was away goes on where it was.
    let last = settled[3]["position"].as_u64().unwrap();
    assert_eq!(states(&Events::after(&service, &id, last).collect::<Vec<_>>()), ["settled"]);
    let (status, known) = service.post("/v1/intents", serde_json::to_vec(&intent).unwrap());
    assert_eq!((status, &known["state"]), (200, &"settled".into()));
    let run = get(&service, &format!("/v1/intents/{id}/decision"));
    assert_eq!(run["decision"], "used");
    assert_eq!(service.figure("ballast_intent_changes_total{state=\"settled\"}"), 1.0);
    let health: serde_json::Value = serde_json::from_str(&service.get("/healthz")).unwrap();
    assert_eq!((&health["intents"]["healthy"], &health["enabled"]), (&true.into(), &true.into()));
    let shown = Command::new(env!("CARGO_BIN_EXE_ballast"))
        .args(["intent", "history", &id, "--config"])
        .arg(&service.config)
        .env("BALLAST_TEST_TOKEN", "any")
        .env("BALLAST_DEVNET_KEY", "any")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for words in ["posted by its owner", "a weight has drifted", "mined in block", "settled in block", "landed true"] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
}

/// A dry run changes nothing, and says what settling would.
#[test]
fn a_dry_run_says_what_would_be_done() {
    let world = World::new("dry");
    let service = world.service_with("dry", "", &[]);
    let id = post(&service, &world.not_yet_due());
    Events::of(&service, &id).until("waiting");
    let run = |path: &str| service.post(&format!("/v1/intents/{id}{path}"), "");
    let (status, dry) = run("/solve");
    assert_eq!((status, &dry["accepted"], &dry["reason"]), (200, &false.into(), &"no rule calls for a rebalance".into()));
    // All is as it was, but what the price does not do a calendar may.
    let calendar = world.signed(|intent| {
        intent.nonce.0 += alloy_primitives::U256::ONE;
        intent.trigger.any_of = vec![ballast_wire::intent::Rule::Calendar { every_sec: u32::MAX, offset_sec: 0 }];
    });
    let id = post(&service, &calendar);
    Events::of(&service, &id).until("waiting");
    let (status, dry) = service.post(&format!("/v1/intents/{id}/solve"), "");
    assert_eq!((status, &dry["accepted"]), (200, &true.into()), "{dry}");
    assert!(dry["settlement"]["swaps"].as_u64().unwrap() > 1 && dry["settlement"]["trades"].as_array().unwrap().len() == 4);
    assert_eq!(world.settlements(), 0);
    assert_eq!(service.answer(service.request(Method::GET, "/v1/events")).0, 401);
}
