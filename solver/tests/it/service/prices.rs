//! Prices that come from elsewhere than the intents' own feeds.

use std::path::Path;

use alloy_primitives::Address;
use ballast_wire::intent::Intent;
use serde_json::json;

use super::world::{Events, World, get, post, states};

/// Readings of an intent's feeds: what the devnet's say, with another price of ether.
fn readings(world: &World, intent: &Intent, file: &Path, ether: &str) {
    let deployed = world.devnet.deployment().rebalancing.unwrap();
    let answer = |symbol: &str| match symbol {
        "WETH" => ether,
        "WBTC" => "60000",
        _ => "1",
    };
    let feeds = intent.assets.iter().filter_map(|asset| asset.oracle.as_ref()).map(|oracle| {
        let symbol = deployed.feeds.iter().find(|(_, feed)| **feed == oracle.feed).unwrap().0;
        let name = Address::to_string(&oracle.feed).to_ascii_lowercase();
        (name, json!({ "answer": answer(symbol), "updatedAt": "2026-01-01" }))
    });
    let feeds: serde_json::Map<String, serde_json::Value> = feeds.collect();
    // Whoever reads it meanwhile reads the one or the other.
    let next = file.with_extension("next");
    std::fs::write(&next, json!({ "feeds": feeds }).to_string()).unwrap();
    std::fs::rename(&next, file).unwrap();
}

/// A file's prices say when an intent is due; what the contract goes by has to agree before it is settled.
#[test]
fn a_file_of_prices_is_decided_by() {
    let world = World::new("file");
    let file = world.devnet.file("readings.json");
    let service = world.service_with("file", &format!("prices = {file:?}\nretry = \"1h\""), &[]);
    let intent = world.not_yet_due();
    let id = post(&service, &intent);
    let mut events = Events::of(&service, &id);
    // There is no such file yet.
    let said = service.wait_for("fails");
    assert!(said["error"].as_str().unwrap().contains("readings.json"), "{said}");
    assert!(get(&service, "/healthz")["intents"]["failing"]["prices"].is_string());
    readings(&world, &intent, &file, "2500");
    events.until("waiting");
    readings(&world, &intent, &file, "2525");
    // Files are looked at with each block.
    world.call("anvil_mine", json!(["0x1"]));
    let failed = events.until("failed").pop().unwrap();
    assert!(failed["reason"].as_str().unwrap().contains("its own feeds"), "{failed}");
    // It is not tried again and again; an operator may know better.
    world.move_price("WETH", 1_010);
    let wake = service.post(&format!("/v1/intents/{id}/wake"), "");
    assert_eq!(wake.0, 200, "{}", wake.1);
    assert_eq!(states(&events.until("settled"))[..2], ["waiting", "triggered"]);
    assert_eq!(world.settlements(), 1);
}
