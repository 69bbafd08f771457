//! Kill −9 at each step of the lifecycle: nothing is lost, and nothing settled twice.

use alloy_primitives::U256;
use ballast_solver::intent::cancellation;
use ballast_wire::intent::{Intent, Rule, Scheme, Signature};
use serde_json::{Value, json};

use super::node::Liar;
use super::world::{Events, World, get, id, owner, post, states};
use crate::serve::server::Server;
use crate::settle::case::sign;

/// Runs an intent into a service that stops dead at a point, kills it there, starts another, and sees the intent settled once.
fn killed_at(world: &World, point: &str) {
    let snapshot = world.call("evm_snapshot", json!([]));
    let intent = world.not_yet_due();
    let id = id(&intent);
    {
        let (points, action) = match point {
            // What answers is told to fail, what works to stand still.
            "accepted" => ("accepted=panic".to_owned(), "accepted"),
            "sent" => ("sent=panic".to_owned(), ""),
            "mined" => ("mined=pause".to_owned(), "submitted"),
            state => (format!("{state}=pause"), state),
        };
        let service = world.service_with(point, "", &[("FAILPOINTS", &points)]);
        let (status, _) = service.post("/v1/intents", serde_json::to_vec(&intent).unwrap());
        assert_eq!(status, if point == "accepted" { 500 } else { 201 });
        let mut events = Events::of(&service, &id);
        if !matches!(point, "accepted" | "waiting") {
            events.until("waiting");
            world.move_price("WETH", 1_010);
        }
        if point == "sent" {
            // It ends by itself, since nobody would watch any more, and its streams end with it wherever they are.
            assert!(!service.ended());
            assert_eq!(world.settlements(), 1);
        } else {
            events.until(action);
            if point == "mined" {
                assert!(events.until("submitted")[0]["attempt"]["block"].is_object());
            }
            service.kill();
        }
    }
    if matches!(point, "accepted" | "waiting") {
        world.move_price("WETH", 1_010);
    }
    let service = world.service(point);
    // Who was not answered asks again, and has one all the same.
    post(&service, &intent);
    let events: Vec<Value> = Events::of(&service, &id).collect();
    let states = states(&events);
    assert_eq!(states.iter().filter(|state| **state == "settled").count(), 1, "{point}: {states:?}");
    assert_eq!((states[0], states.last()), ("accepted", Some(&"settled")), "{point}: {states:?}");
    assert_eq!(world.settlements(), 1, "{point}");
    assert_eq!(get(&service, &format!("/v1/intents?owner={}", intent.owner))["intents"].as_array().unwrap().len(), 1, "{point}");
    assert_eq!(world.call("evm_revert", json!([snapshot])), Value::Bool(true));
}

#[test]
fn killed_at_each_step_an_intent_is_neither_lost_nor_settled_twice() {
    let world = World::new("killed");
    for point in ["accepted", "waiting", "triggered", "solved", "submitted", "sent", "mined", "settled"] {
        killed_at(&world, point);
    }
}

/// Starts a service that stands still once an intent has come to a state, lets it come there, and kills it.
fn stopped_at(world: &World, at: &str, state: &str, intent: &Intent, then: impl FnOnce(&Server, &str)) -> String {
    // What time alone makes due, such as an end, is noticed soon.
    let service = world.at(at, state, "every = \"100ms\"", &[("FAILPOINTS", &format!("{state}=pause"))]);
    let id = post(&service, intent);
    then(&service, &id);
    Events::of(&service, &id).until(state);
    service.kill();
    id
}

#[test]
fn killed_after_a_failure_it_tries_again() {
    let world = World::new("failed");
    let refusing = Liar::before(&world.rpc, |method, answer| {
        if method == "eth_sendRawTransaction" {
            let error = json!({ "code": -32000, "message": "insufficient funds" });
            *answer = json!({ "jsonrpc": "2.0", "id": answer["id"], "error": error });
        }
    });
    let id = stopped_at(&world, &refusing.url, "failed", &world.due(), |_, _| {});
    let events: Vec<Value> = Events::of(&world.service("failed"), &id).collect();
    let failed = events.iter().find(|event| event["state"] == "failed").unwrap();
    assert!(failed["reason"].as_str().unwrap().contains("insufficient funds"), "{failed}");
    assert_eq!(states(&events).last(), Some(&"settled"));
    assert_eq!(world.settlements(), 1);
}

#[test]
fn killed_when_it_is_parked_it_stays_so_until_it_is_woken() {
    let world = World::new("left");
    let dust = world.signed(|intent| intent.trigger.min_notional = "900000".parse().unwrap());
    let id = stopped_at(&world, &world.rpc, "parked", &dust, |_, _| {});
    let service = world.service("parked");
    let mut events = Events::of(&service, &id);
    assert_eq!(states(&events.until("parked")), ["accepted", "parked"]);
    assert_eq!(service.post(&format!("/v1/intents/{id}/wake"), "").0, 200);
    // What comes next is what it is woken for: nothing has come before.
    let again = events.until("parked");
    assert_eq!(states(&again), ["waiting", "parked"]);
    assert_eq!(again[0]["cause"], "woken by an operator");
    assert_eq!(world.settlements(), 0);
}

#[test]
fn killed_when_it_is_cancelled_or_expired_it_is_not_settled() {
    let world = World::new("over");
    // Whoever cancels is told nothing, since the service stops before it answers.
    let intent = world.not_yet_due();
    let cancellation = Signature { scheme: Scheme::Eip1271, data: sign(&owner(), &cancellation(&intent)) };
    let cancellation = json!({ "signature": cancellation }).to_string();
    let service = world.service_with("over", "", &[("FAILPOINTS", "cancelled=panic")]);
    let id = post(&service, &intent);
    Events::of(&service, &id).until("waiting");
    assert_eq!(service.post(&format!("/v1/intents/{id}/cancel"), cancellation.clone()).0, 500);
    service.kill();
    let late = world.signed(|intent| {
        intent.nonce.0 = U256::from(2);
        intent.trigger.any_of = vec![Rule::DriftAbsBps(610)];
        intent.valid_to = world.time() + 1_000;
    });
    let expired = stopped_at(&world, &world.rpc, "expired", &late, |service, id| {
        Events::of(service, id).until("waiting");
        world.pass_time(2_000);
    });
    let service = world.service("expired");
    world.move_price("WETH", 1_010);
    assert_eq!(states(&Events::of(&service, &expired).collect::<Vec<_>>()), ["accepted", "waiting", "expired"]);
    let service = world.service("over");
    assert_eq!(states(&Events::of(&service, &id).collect::<Vec<_>>()), ["accepted", "waiting", "cancelled"]);
    let (status, shown) = service.post(&format!("/v1/intents/{id}/cancel"), cancellation);
    assert_eq!((status, &shown["state"]), (200, &"cancelled".into()));
    // Another of the vault's, which is due, is the only one that is settled.
    let third = world.signed(|intent| intent.nonce.0 = U256::from(3));
    Events::of(&service, &post(&service, &third)).until("settled");
    assert_eq!(world.settlements(), 1);
}

/// Two instances on one database: one works, the other takes over when it is gone, and it is settled once.
#[test]
fn of_two_instances_one_settles_and_the_other_takes_over() {
    let world = World::new("two");
    let first = world.service_with("two", "", &[("FAILPOINTS", "submitted=pause")]);
    first.wait_for("this instance watches and settles");
    let second = world.service("two");
    let id = post(&second, &world.due());
    // Written, and about to be sent: that is where it stands still.
    let mut events = Events::of(&second, &id);
    events.until("submitted");
    // Its lease runs out while it stands still; it is not even dead.
    second.wait_for("this instance watches and settles");
    events.until("settled");
    assert_eq!(world.settlements(), 1);
    first.kill();
    assert_eq!(states(&Events::of(&second, &id).collect::<Vec<_>>()).iter().filter(|s| **s == "settled").count(), 1);
}
