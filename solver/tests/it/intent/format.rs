//! The file: what it says is kept, and what makes no sense is refused by its path.

use ballast_solver::intent::{check_signature, digest};
use ballast_wire::intent::{Intent, Numeraire};
use serde_json::{Value, json};

#[cfg(feature = "serve")]
use super::bench::Bench;
#[cfg(feature = "serve")]
use super::digest::rich;

const EXAMPLE: &str = include_str!("../../../examples/intent.json");

fn example() -> Value {
    serde_json::from_str(EXAMPLE).unwrap()
}

fn read(value: &Value) -> Result<Intent, ballast_wire::RequestError> {
    Intent::from_json(value.to_string().as_bytes())
}

#[test]
fn the_example_is_read_and_written_as_it_is() {
    let intent = read(&example()).unwrap();
    assert_eq!(intent.numeraire, Numeraire::USD);
    let written = serde_json::to_value(&intent).unwrap();
    let again = read(&written).unwrap();
    assert_eq!((&again, digest(&again)), (&intent, digest(&intent)));
    assert_eq!(serde_json::to_value(&again).unwrap(), written);
    // All that was written is there, defaults besides.
    covers(&written, &example(), "");
    assert!(check_signature(&intent).is_err());
}

fn covers(all: &Value, some: &Value, at: &str) {
    match (all, some) {
        (Value::Object(all), Value::Object(some)) => some.iter().for_each(|(k, v)| covers(&all[k], v, &format!("{at}.{k}"))),
        (Value::Array(all), Value::Array(some)) => all.iter().zip(some).for_each(|(a, s)| covers(a, s, at)),
        // Addresses are written with their checksum.
        _ => assert!(all.as_str().zip(some.as_str()).is_some_and(|(a, s)| a.eq_ignore_ascii_case(s)) || all == some, "{at}"),
    }
}

/// Every number as a string; nothing loses a digit.
#[test]
fn numbers_are_strings() {
    fn look(value: &Value, at: &str) {
        match value {
            Value::Object(map) => map.iter().for_each(|(k, v)| look(v, &format!("{at}.{k}"))),
            Value::Array(list) => list.iter().for_each(|v| look(v, at)),
            Value::Number(_) => panic!("{at} is a bare number"),
            _ => {}
        }
    }
    look(&serde_json::to_value(read(&example()).unwrap()).unwrap(), "");
    let mut long = example();
    long["assets"][0]["target"] = json!("0.500000000000000001");
    long["assets"][1]["target"] = json!("0.299999999999999999");
    let intent = read(&long).unwrap();
    assert_eq!(intent.assets[0].target.to_string(), "0.500000000000000001");
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let cases: &[(&str, Value, &str, &str)] = &[
        ("/version", json!("2"), "version", "unknown variant"),
        ("/chainId", json!("-1"), "chainId", "expected an amount"),
        ("/validTo", json!("99999999999999999999"), "validTo", "needs more than 64 bits"),
        ("/validTo", json!("1"), "validTo", "not after validFrom"),
        ("/owner", json!("0x12"), "owner", "invalid string length"),
        ("/numeraire", json!("EUR"), "numeraire", "expected USD"),
        ("/assets", json!([]), "assets", "there are none"),
        ("/assets/1/target", json!("0.3000000000000000001"), "assets[1].target", "18 decimal places"),
        ("/assets/1/target", json!("0.300000000000000001"), "assets", "sum to 1.000000000000000001, not to exactly 1"),
        ("/assets/1/target", json!(0.3), "assets[1].target", "invalid type: floating point"),
        ("/assets/1/target", json!("-0.3"), "assets[1].target", "negative"),
        ("/assets/1/token", example()["assets"][0]["token"].clone(), "assets[1].token", "listed twice"),
        ("/assets/1/band/low", json!("0.295"), "assets[1].band.low", "above landing.low"),
        ("/assets/1/landing/low", json!("0.305"), "assets[1].landing.low", "above the target"),
        ("/assets/1/landing/high", json!("0.295"), "assets[1].landing.high", "below the target"),
        ("/assets/1/landing/high", json!("0.36"), "assets[1].band.high", "below landing.high"),
        ("/assets/1/band/high", json!("1.5"), "assets[1].band.high", "above 1"),
        ("/assets/1/band/hihg", json!("1"), "assets[1].band.hihg", "unknown field"),
        ("/assets/1/oracle", json!(null), "assets[1].oracle", "only the numeraire"),
        ("/assets/1/oracle/maxPrice", json!("100"), "assets[1].oracle.maxPrice", "not above minPrice"),
        ("/assets/1/oracle/maxDeviationBps", json!("0"), "assets[1].oracle.maxDeviationBps", "above 0"),
        ("/assets/1/oracle/maxAge", json!("4294967296"), "assets[1].oracle.maxAge", "needs more than 32 bits"),
        ("/trigger/anyOf/0/driftAbsBps", json!("0"), "trigger.anyOf[0].driftAbsBps", "not above 0"),
        ("/trigger/anyOf/0", json!({"drift": "5"}), "trigger.anyOf[0]", "unknown variant `drift`"),
        ("/trigger/anyOf/2/hitProbability/p", json!("1"), "trigger.anyOf[2].hitProbability.p", "not between 0 and 1"),
        ("/trigger/window/from", json!("8:00"), "trigger.window.from", "HH:MM"),
        ("/trigger/window/to", json!("08:00"), "trigger.window.to", "never open"),
        ("/trigger/window/days/0", json!("Monday"), "trigger.window.days[0]", "unknown variant"),
        ("/costs/maxLossBps", json!("10001"), "costs.maxLossBps", "more than 10000"),
        ("/costs/maxLoss", json!("1"), "costs.maxLoss", "unknown field"),
        ("/execution/slices", json!("0"), "execution.slices", "at least 1"),
        ("/execution/slices", json!("2"), "execution.slices", "mode `twap`"),
        ("/execution/minProgressBps", json!("0"), "execution.minProgressBps", "above 0"),
        ("/execution/venuesDeny/0", json!(""), "execution.venuesDeny[0]", "kind of venue"),
        ("/risk/groups/0/max", json!("1.01"), "risk.groups[0].max", "above 1"),
        (
            "/risk/groups/0/tokens/1",
            json!("0x0000000000000000000000000000000000000bad"),
            "risk.groups[0].tokens[1]",
            "not among the assets",
        ),
        ("/signature", json!({"scheme": "eip712", "data": "0x0"}), "signature.data", ""),
    ];
    for (path, value, field, reason) in cases {
        let mut changed = example();
        let (parent, key) = path.rsplit_once('/').unwrap();
        match changed.pointer_mut(parent).unwrap() {
            Value::Object(map) => map.insert(key.to_string(), value.clone()).map_or((), drop),
            Value::Array(list) => list[key.parse::<usize>().unwrap()] = value.clone(),
            _ => panic!("{path}"),
        }
        let error = read(&changed).expect_err(path);
        assert!(error.field == *field && error.reason.contains(reason), "{path}: {error}");
    }
    let mut missing = example();
    missing["costs"].as_object_mut().unwrap().remove("maxLossBps");
    let error = read(&missing).unwrap_err();
    assert!(error.field == "costs.maxLossBps" && error.reason.contains("missing field"), "{error}");
}

#[cfg(feature = "serve")]
fn known(value: &Value, schema: &str) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            assert!(schema.contains(&format!("\"{key}\": {{")), "the schema knows no {key}");
            known(value, schema);
        }),
        Value::Array(list) => list.iter().for_each(|value| known(value, schema)),
        _ => {}
    }
}

/// The schema beside the example is that of the types, and knows every field: `UPDATE=1 cargo test` writes it anew.
#[cfg(feature = "serve")]
#[test]
fn the_schema_is_that_of_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/intent.schema.json");
    let schema = format!("{:#}\n", Intent::json_schema());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), schema, "run this test with UPDATE=1 and commit the file");
    assert!(schema.contains("\"additionalProperties\": false") && !schema.contains("#/components"));
    let bench = Bench::new();
    known(&serde_json::to_value(bench.signed(&rich(&bench))).unwrap(), &schema);
}
