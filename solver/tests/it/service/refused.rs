//! What is not taken in, and why.

use alloy_primitives::U256;
use ballast_solver::intent::digest;
use ballast_wire::intent::{Rule, Scheme, Signature};
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{Events, World, get, id, owner, post};
use crate::serve::server::TOKEN;
use crate::settle::case::sign;

#[test]
fn what_is_no_intent_or_not_the_owners_is_refused_with_its_field() {
    let world = World::new("refused");
    let service = world.service_with("refused", "max_live = 2\nmax_notional = { USD = 2_500_000 }", &[]);
    let refused = |intent: &Value| {
        let (status, problem) = service.post("/v1/intents", intent.to_string());
        (status, problem["field"].as_str().unwrap_or_default().to_owned(), problem["message"].as_str().unwrap().to_owned())
    };
    let good = serde_json::to_value(world.not_yet_due()).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut intent = good.clone();
        *intent.pointer_mut(pointer).unwrap() = value;
        intent
    };
    for (intent, status, field) in [
        (with("/assets/1/target", json!("much")), 400, "assets[1].target"),
        (with("/assets/1/target", json!("0.301")), 400, "assets"),
        (with("/chainId", json!("1")), 400, "chainId"),
        (with("/costs/maxLossBps", json!("51")), 400, "signature.data"),
        (with("/signature", Value::Null), 400, "signature"),
        (json!({}), 400, "version"),
    ] {
        let (said, path, message) = refused(&intent);
        assert_eq!((said, path.as_str()), (status, field), "{message}");
    }
    // By a key that is not the owner's: an intent of a vault that is a contract.
    let mut forged = world.not_yet_due();
    forged.signature = Some(Signature { scheme: Scheme::Eip712, data: sign(&owner(), &digest(&forged)) });
    let (status, field, message) = refused(&serde_json::to_value(&forged).unwrap());
    assert_eq!((status, field.as_str()), (400, "signature.data"), "{message}");
    assert!(message.contains("eip1271"), "{message}");
    // A nonce is one intent's.
    let first = post(&service, &world.not_yet_due());
    let other = world.signed(|intent| intent.trigger.any_of = vec![Rule::DriftAbsBps(5_000)]);
    let (status, field, message) = refused(&serde_json::to_value(&other).unwrap());
    assert_eq!((status, field.as_str()), (409, "nonce"));
    assert!(message.contains(&first), "{message}");
    let nonce = |nonce: u64| {
        let intent = world.signed(|intent| {
            intent.nonce.0 = U256::from(nonce);
            intent.trigger.any_of = vec![Rule::DriftAbsBps(5_000)];
        });
        serde_json::to_value(intent).unwrap()
    };
    // A million dollars each: two are within the limit on value, and as many as there may be.
    assert_eq!(service.post("/v1/intents", nonce(2).to_string()).0, 201);
    let (status, field, message) = refused(&nonce(3));
    assert_eq!((status, field.as_str()), (429, "owner"), "{message}");
    assert_eq!(service.figure("ballast_intent_posts_total{result=\"quota\"}"), 1.0);
    assert_eq!(service.answer(service.request(Method::GET, "/v1/intents/0x12")).0, 404);
    assert_eq!(service.answer(service.request(Method::GET, "/v1/intents?owner=0x12")).0, 400);
}

#[test]
fn an_owner_cancels_and_nobody_else() {
    let world = World::new("cancel");
    let service = world.service("cancel");
    let intent = world.not_yet_due();
    let id = post(&service, &intent);
    let mut events = Events::of(&service, &id);
    events.until("waiting");
    let cancel = |data: alloy_primitives::Bytes| {
        let body = json!({ "signature": { "scheme": "eip1271", "data": data } });
        service.post(&format!("/v1/intents/{id}/cancel"), body.to_string())
    };
    let (status, problem) = cancel(sign(&owner(), &digest(&intent)));
    assert_eq!((status, &problem["field"]), (400, &"signature.data".into()), "the intent's own signature is no cancellation");
    let (status, shown) = cancel(sign(&owner(), &ballast_solver::intent::cancellation(&intent)));
    assert_eq!((status, &shown["state"]), (200, &"cancelled".into()));
    assert_eq!(events.until("cancelled").len(), 1);
    assert_eq!(events.next(), None);
    world.move_price("WETH", 1_010);
    let again = cancel(sign(&owner(), &ballast_solver::intent::cancellation(&intent)));
    assert_eq!((again.0, &again.1["state"]), (200, &"cancelled".into()));
    assert_eq!(get(&service, &format!("/v1/intents/{id}/decision"))["decision"], "settle");
    assert_eq!(world.settlements(), 0);
}

/// Dust, and what no trade can reach, is left alone until it is another thing, or an operator says so.
#[test]
fn what_cannot_be_is_parked_with_its_reason_and_not_tried_again() {
    let world = World::new("parked");
    let service = world.service("parked");
    let dust = world.signed(|intent| intent.trigger.min_notional = "900000".parse().unwrap());
    let dust = post(&service, &dust);
    let parked = Events::of(&service, &dust).until("parked").pop().unwrap();
    assert_eq!(parked["reason"], "it would move less than minNotional");
    let stuck = world.signed(|intent| {
        intent.nonce.0 = U256::from(7);
        intent.risk.max_turnover_bps = ballast_wire::Bps::new(100).unwrap();
    });
    let stuck = post(&service, &stuck);
    let mut events = Events::of(&service, &stuck);
    let parked = events.until("parked");
    let reason = parked.last().unwrap()["reason"].as_str().unwrap();
    assert!(reason.contains("maxTurnoverBps"), "{reason}");
    assert!(!parked.iter().any(|event| event["state"] == "failed"));
    let wake = |token: Option<&str>| {
        let request = service.request(Method::POST, &format!("/v1/intents/{stuck}/wake"));
        service.answer(token.map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token))).0
    };
    assert_eq!((wake(None), wake(Some("wrong"))), (401, 401));
    assert_eq!(wake(Some(TOKEN)), 200);
    // Once more, and not again.
    assert_eq!(super::world::states(&events.until("parked")), ["waiting", "triggered", "parked"]);
    assert_eq!(world.settlements(), 0);
    assert_eq!(id(&world.due()).len(), 66);
}
