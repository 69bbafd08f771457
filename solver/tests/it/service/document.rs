//! The document that describes the API, against every kind of answer of a running service.

use alloy_primitives::U256;
use ballast_solver::intent::cancellation;
use ballast_wire::intent::{Intent, Rule};
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{Events, World, get, owner, post};
use crate::serve::server::TOKEN;
use crate::settle::case::sign;

/// Each answer is checked as it comes: here all of them come.
#[test]
fn every_answer_that_is_described_is_given_as_described() {
    let world = World::new("answers");
    let service = world.service_with("answers", "max_live = 3", &[]);
    let status = |method: Method, path: &str| service.answer(service.request(method, path)).0;
    let as_operator = |method: Method, path: &str| service.request(method, path).bearer_auth(TOKEN);
    let nonce = |nonce: u64, change: fn(&mut Intent)| {
        world.signed(|intent| {
            intent.nonce.0 = U256::from(nonce);
            intent.trigger.any_of = vec![Rule::DriftAbsBps(5_000)];
            change(intent);
        })
    };
    let posted = |intent: &Intent| service.post("/v1/intents", serde_json::to_vec(intent).unwrap()).0;
    let wake = |id: &str| service.post(&format!("/v1/intents/{id}/wake"), "").0;
    // One that is parked as long as the vault is as it is, one that is settled, one that waits, and one whose vault cannot be read.
    let dust = post(
        &service,
        &nonce(3, |intent| {
            intent.trigger.any_of = vec![Rule::DriftAbsBps(1)];
            intent.trigger.min_notional = "900000".parse().unwrap();
        }),
    );
    Events::of(&service, &dust).until("parked");
    assert_eq!((wake(&dust), status(Method::POST, &format!("/v1/intents/{dust}/wake"))), (200, 401));
    let due = world.due();
    let settled = post(&service, &due);
    Events::of(&service, &settled).until("settled");
    assert_eq!(wake(&settled), 409);
    let waiting = nonce(2, |_| {});
    let blind = nonce(4, |intent| intent.assets[1].token = alloy_primitives::Address::repeat_byte(9));
    let [id, unread] = [&waiting, &blind].map(|intent| post(&service, intent));
    assert_eq!(posted(&waiting), 200);
    assert_eq!(posted(&nonce(2, |intent| intent.valid_to -= 1)), 409);
    assert_eq!(posted(&nonce(5, |_| {})), 429);
    assert_eq!(service.post("/v1/intents", "{}").0, 400);
    assert_eq!(service.post("/v1/intents", vec![b' '; 300 << 10]).0, 413);
    let list = format!("/v1/intents?owner={}", due.owner);
    assert_eq!(get(&service, &list)["intents"].as_array().unwrap().len(), 4);
    assert_eq!((status(Method::GET, "/v1/intents"), status(Method::GET, &format!("{list}&limit=0"))), (401, 400));
    assert_eq!(service.answer(as_operator(Method::GET, "/v1/intents?state=settled")).0, 200);
    for (path, method) in [
        ("", Method::GET),
        ("/history", Method::GET),
        ("/events", Method::GET),
        ("/decision", Method::GET),
        ("/solve", Method::POST),
        ("/wake", Method::POST),
    ] {
        assert_eq!(service.answer(as_operator(method, &format!("/v1/intents/0x12{path}"))).0, 404, "{path}");
    }
    for id in [&settled, &id, &dust, &unread] {
        get(&service, &format!("/v1/intents/{id}"));
        get(&service, &format!("/v1/intents/{id}/history"));
    }
    for (method, path) in [(Method::GET, "decision"), (Method::POST, "solve")] {
        assert_eq!(status(method.clone(), &format!("/v1/intents/{id}/{path}")), 200, "{path}");
        assert_eq!(status(method, &format!("/v1/intents/{unread}/{path}")), 422, "{path}");
    }
    let after = |path: &str, position: &str| as_operator(Method::GET, path).header("last-event-id", position);
    for path in [format!("/v1/intents/{settled}/events"), "/v1/events".to_owned()] {
        assert_eq!(service.answer(after(&path, "the first")).0, 400);
    }
    assert_eq!(status(Method::GET, &format!("/v1/intents/{settled}/events")), 200);
    assert_eq!(status(Method::GET, "/v1/events"), 401);
    let cancel = |id: &str, signed: &Intent| {
        let data = sign(&owner(), &cancellation(signed));
        service
            .post(&format!("/v1/intents/{id}/cancel"), json!({ "signature": { "scheme": "eip1271", "data": data } }).to_string())
            .0
    };
    assert_eq!((cancel(&id, &due), cancel(&id, &waiting), cancel(&settled, &due), cancel("0x12", &due)), (400, 200, 409, 404));
    assert_eq!(service.post(&format!("/v1/intents/{id}/cancel"), vec![b' '; 100 << 10]).0, 413);
    get(&service, "/healthz");
    service.get("/metrics");
    // All events there are, as an operator follows them; the stream goes on until the service ends.
    let stream = as_operator(Method::GET, "/v1/events").send().unwrap();
    service.signal("TERM");
    let events = stream.text().unwrap();
    assert!(events.contains("posted by its owner"));
    service.document().answered("get", "/v1/events", 200, "text/event-stream", &events);
    // What clients that are slow, defects and dependencies that fail bring about is provoked elsewhere, and cancelling where there are orders; the engine
    // has tests of its own.
    let elsewhere = |answer: &String| {
        ["408", "500", "503"].iter().any(|status| answer.ends_with(status))
            || answer.starts_with("POST /solve")
            || answer.starts_with("POST /notify")
            || answer.ends_with("/cancel 202")
    };
    let left: Vec<String> = service.document().unseen().into_iter().filter(|answer| !elsewhere(answer)).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// While the node is away: what needs it says so, and what does not is answered.
#[test]
fn without_a_node_answers_are_as_described_too() {
    let world = World::new("nodeless");
    let service = world.service("nodeless");
    let intent = world.not_yet_due();
    let id = post(&service, &intent);
    Events::of(&service, &id).until("waiting");
    service.kill();
    let service = world.at("http://127.0.0.1:1", "nodeless", "", &[]);
    let other = world.signed(|intent| intent.nonce.0 = U256::from(2));
    let signature = json!({ "signature": { "scheme": "eip1271", "data": sign(&owner(), &cancellation(&intent)) } });
    let refused: [(u16, Value); 3] = [
        service.post("/v1/intents", serde_json::to_vec(&other).unwrap()),
        service.post(&format!("/v1/intents/{id}/solve"), ""),
        service.post(&format!("/v1/intents/{id}/cancel"), signature.to_string()),
    ];
    for (status, problem) in refused {
        assert!(status == 503 && problem["message"].as_str().unwrap().contains("the node does not answer"), "{problem}");
    }
    assert_eq!(service.answer(service.request(Method::GET, &format!("/v1/intents/{id}/decision"))).0, 503);
    assert_eq!(get(&service, &format!("/v1/intents/{id}"))["state"], "waiting");
    get(&service, &format!("/v1/intents/{id}/history"));
    let health = get(&service, "/healthz");
    assert!(health["intents"]["failing"]["node"].is_string(), "{health}");
}
