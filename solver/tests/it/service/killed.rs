//! Kill −9 at each step of the lifecycle: nothing is lost, and nothing settled twice.

use serde_json::{Value, json};

use super::world::{Events, World, get, id, post, states};

/// Runs an intent into a service that stops dead at a point, kills it there, starts another, and sees the intent settled once.
fn killed_at(world: &World, point: &str) {
    let snapshot = world.call("evm_snapshot", json!([]));
    let intent = world.not_yet_due();
    let id = id(&intent);
    {
        let (points, action) = match point {
            // What answers is told to fail, what works to stand still.
            "accepted" => ("accepted=panic".to_owned(), "accepted"),
            "sent" => ("sent=panic".to_owned(), "submitted"),
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
        events.until(action);
        match point {
            "mined" => assert!(events.until("submitted")[0]["attempt"]["block"].is_object()),
            // It ends by itself, since nobody would watch any more.
            "sent" => {
                assert!(!service.ended());
                assert_eq!(world.settlements(), 1);
            }
            _ => service.kill(),
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
