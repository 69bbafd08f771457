//! Ends that are asked for, and databases that fail.

use sqlx::{Connection as _, Executor as _, SqliteConnection};

use super::world::{Events, World, get, post, states};

#[test]
fn it_ends_when_it_is_told_to_and_goes_on_where_it_was() {
    let world = World::new("ends");
    let service = world.service("ends");
    let id = post(&service, &world.not_yet_due());
    let mut events = Events::of(&service, &id);
    events.until("waiting");
    service.signal("TERM");
    // Its streams end with it, and its lease is free at once.
    assert_eq!(events.next(), None);
    assert!(service.ended());
    world.move_price("WETH", 1_010);
    let service = world.service_with("ends", "lease = \"1h\"", &[]);
    Events::of(&service, &id).until("settled");
    assert_eq!(world.settlements(), 1);
}

/// A solver that would take for ever is stopped where it is.
#[test]
fn it_ends_in_the_middle_of_a_solve() {
    let world = World::new("solving");
    let service = world.service_with("solving", "solve_time = \"1h\"", &[("FAILPOINTS", "solving=return")]);
    let id = post(&service, &world.due());
    service.wait_for("solving");
    service.signal("TERM");
    assert!(service.ended());
    let service = world.service("solving");
    let events: Vec<_> = Events::of(&service, &id).collect();
    assert_eq!(states(&events), ["accepted", "triggered", "solved", "submitted", "submitted", "settled"]);
    assert_eq!(world.settlements(), 1);
}

/// While another process holds the database, nothing is taken in and the reason said; then all goes on.
#[test]
fn a_locked_database_refuses_and_loses_nothing() {
    let world = World::new("locked");
    let service = world.service_with("locked", "database_patience = \"300ms\"", &[]);
    let id = post(&service, &world.not_yet_due());
    Events::of(&service, &id).until("waiting");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("sqlite:{}", world.database("locked").display());
    let mut holder = runtime.block_on(SqliteConnection::connect(&url)).unwrap();
    runtime.block_on(holder.execute("BEGIN EXCLUSIVE")).unwrap();
    let other = world.signed(|intent| intent.nonce.0 = alloy_primitives::U256::from(9));
    let (status, problem) = service.post("/v1/intents", serde_json::to_vec(&other).unwrap());
    assert_eq!(status, 503, "{problem}");
    assert!(problem["message"].as_str().unwrap().contains("busy"), "{problem}");
    let failing = || get(&service, "/healthz")["intents"]["failing"]["database"].clone();
    assert!(failing().as_str().unwrap().contains("busy"), "{}", failing());
    // Intents are read and decided on meanwhile: that does not make it good.
    get(&service, &format!("/v1/intents/{id}/decision"));
    assert!(failing().is_string());
    runtime.block_on(holder.close()).unwrap();
    service.wait_for("answers again");
    assert!(failing().is_null());
    world.move_price("WETH", 1_010);
    Events::of(&service, &id).until("settled");
    assert_eq!(world.settlements(), 1);
}

/// While the database may not grow, nothing is taken in and the reason said, and what was taken in is there; then all goes on.
#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let world = World::new("full");
    let full = world.devnet.file("full");
    let service =
        world.service_with("full", "max_a_minute = 100", &[("FAILPOINTS", &format!("full=return({})", full.display()))]);
    let id = post(&service, &world.not_yet_due());
    Events::of(&service, &id).until("waiting");
    std::fs::write(&full, "").unwrap();
    let other = |nonce: u64| {
        world.signed(|intent| {
            intent.nonce.0 = alloy_primitives::U256::from(nonce);
            intent.trigger.any_of = world.not_yet_due().trigger.any_of;
        })
    };
    // Pages that are there and hold nothing are still written to.
    let answers = (9..).map(|nonce| (nonce, service.post("/v1/intents", serde_json::to_vec(&other(nonce)).unwrap())));
    let (refused, problem) =
        answers.take(40).find_map(|(nonce, (status, said))| (status == 503).then_some((nonce, said))).unwrap();
    assert!(problem["message"].as_str().unwrap().contains("disk is full"), "{problem}");
    let failing = || get(&service, "/healthz")["intents"]["failing"]["database"].clone();
    assert!(failing().as_str().unwrap().contains("disk is full"), "{}", failing());
    assert_eq!(get(&service, &format!("/v1/intents/{id}"))["state"], "waiting");
    std::fs::remove_file(&full).unwrap();
    service.wait_for("answers again");
    assert!(failing().is_null());
    // All that were taken in are there, and the one that was not can be.
    let listed = get(&service, &format!("/v1/intents?limit=100&owner={}", world.due().owner));
    assert_eq!(listed["intents"].as_array().unwrap().len() as u64, refused - 8);
    post(&service, &other(refused));
    world.move_price("WETH", 1_010);
    Events::of(&service, &id).until("settled");
}
