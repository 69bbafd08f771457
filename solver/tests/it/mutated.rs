//! Ten thousand auctions, each with one thing wrong: it is refused with the field's name, or the thing is dropped with a reason and the
//! other orders get what they get without it; and whatever is answered verifies.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::U256;
use ballast_fixtures::{Terms, add_order, demo};
use ballast_solver::auction::{Auction, Subject};
use ballast_solver::config::Config;
use ballast_solver::engine::{Answer, run};
use ballast_solver::settlement::verify;
use ballast_wire::{self as wire, Class, Side};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::support::token;

const COUNT: u64 = 10_000;
/// Of so many auctions one is solved as a batch, too, which takes long.
const EACH: u64 = 20;
/// Stands for a value that is nested so deep that whoever recurses into it runs out of stack.
const DEEP: &str = "deep";
const DEPTH: usize = 20_000;
/// Stands for a number that JSON can write and doubles cannot hold.
const HUGE: &str = "huge";

/// Pools of the demo: one or two of each kind.
const POOLS: [&str; 10] = ["0", "2", "20", "22", "29", "30", "52", "54", "55", "58"];

/// Some of the reasons that must occur.
const REASONS: [&str; 12] = [
    "malformed",
    "zero amount",
    "amount too large",
    "duplicate id",
    "duplicate uid",
    "no price for the bought token",
    "zero reserve",
    "wrong number of tokens",
    "does not add up to zero",
    "does not add up to the active liquidity",
    "the weights do not sum to one",
    "quarantined: price off the consensus",
];

/// A small auction with every kind of liquidity.
fn base() -> Value {
    let mut request = demo();
    request.liquidity.retain(|pool| pool.as_ref().is_ok_and(|pool| POOLS.contains(&pool.id.as_str())));
    request.orders.clear();
    for (sell, buy, usd, side, partially_fillable, class) in [
        ("WETH", "USDC", 30_000.0, Side::Sell, false, Class::Limit),
        ("DAI", "USDT", 8_000.0, Side::Buy, true, Class::Limit),
        ("wstETH", "USDC", 4_000.0, Side::Sell, false, Class::Market),
    ] {
        let (sell, buy) = (token(&request, sell), token(&request, buy));
        add_order(&mut request, &Terms { sell, buy, usd, side, partially_fillable, class, limit_bps: -300.0 }).unwrap();
    }
    assert_eq!(request.liquidity.len(), POOLS.len());
    serde_json::to_value(request).unwrap()
}

fn list<'a>(document: &'a Value, field: &str) -> &'a Vec<Value> {
    document[field].as_array().unwrap()
}

/// What came of an auction: for each order its solution, or why there is none; the pools that took part; and reasons of drops.
#[derive(Debug, Clone, PartialEq)]
struct Outcome {
    answers: BTreeMap<String, String>,
    pools: BTreeSet<String>,
    dropped: Vec<String>,
}

impl Outcome {
    /// Reads and solves, orders together as well if it is to be a `batch`. Whatever is answered verifies, and whoever is not answered has a reason.
    fn of(text: &str, batch: bool) -> Result<Self, wire::RequestError> {
        let request = wire::Auction::from_json(text.as_bytes())?;
        let auction = Auction::new(&request, |_| true);
        let config = Config { batch, ..Config::default() };
        let report = run(&auction, &config, &|| false);
        let read = auction.orders.iter().zip(&report.answers);
        let answers = read.map(|(order, (answer, _))| {
            let answer = match answer {
                Answer::Filled(filled) => {
                    let mut solution = filled.verified.solution().clone();
                    verify(&auction, &config, solution.clone()).unwrap_or_else(|v| panic!("{v}"));
                    solution.id = 0;
                    serde_json::to_string(&solution).unwrap()
                }
                Answer::Unfilled(reason) => {
                    assert!(!reason.is_empty() && !reason.contains("verify"), "{reason}");
                    reason.clone()
                }
            };
            (order.uid.to_string(), answer)
        });
        let answers = answers.collect();
        let gone: BTreeSet<&str> =
            report.drops.iter().filter(|d| d.subject == Subject::Pool).filter_map(|d| d.name.as_deref()).collect();
        // A second pool of one id is dropped by the name of the first.
        let twice = |id: &str| report.drops.iter().any(|d| d.reason == "duplicate id" && d.name.as_deref() == Some(id));
        let pools = auction.pools.iter().map(|p| p.id.clone()).filter(|id| !gone.contains(id.as_str()) || twice(id)).collect();
        Ok(Self { answers, pools, dropped: report.drops.iter().map(|d| d.reason.clone()).collect() })
    }

    fn without(&self, uid: &str) -> BTreeMap<String, String> {
        self.answers.iter().filter(|(name, _)| *name != uid).map(|(name, answer)| (name.clone(), answer.clone())).collect()
    }
}

/// Where a document has values, down to the leaves.
fn paths(value: &Value, at: String, found: &mut Vec<String>) {
    let below = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| paths(value, below(key), found)),
        Value::Array(list) => list.iter().enumerate().for_each(|(k, value)| paths(value, below(&k.to_string()), found)),
        _ => {}
    }
    if !at.is_empty() {
        found.push(at);
    }
}

/// A value that nobody should send in place of `old`.
fn wrong(dice: &mut ChaCha8Rng, old: &Value, addresses: &[String]) -> Value {
    let max = U256::MAX.to_string();
    let digits = old.as_str().filter(|text| text.bytes().all(|b| b.is_ascii_digit() || b == b'.')).map(str::to_owned);
    let any = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!([]),
        json!({}),
        json!([old]),
        json!({ "x": old }),
        json!(""),
        json!(" 1"),
        json!("x"),
        json!("0"),
        json!("1"),
        json!("-1"),
        json!("-0.003"),
        json!("1.5"),
        json!("0x"),
        json!("0xff"),
        json!("1e18"),
        json!("1E400"),
        json!("1E-18"),
        json!("NaN"),
        json!("9".repeat(5_000)),
        json!(max),
        json!(format!("{max}0")),
        json!(DEEP),
        json!(HUGE),
        json!("\u{0}\u{1b}[2J"),
        json!(i32::MAX),
        json!(887_272),
    ];
    match (dice.random_range(0..4u32), digits) {
        (0, Some(digits)) => json!(format!("{digits}0")),
        (1, Some(digits)) => json!(digits[..digits.len() - 1]),
        (2, Some(_)) => json!((U256::ONE << dice.random_range(0..256usize)).to_string()),
        (0 | 1, None) if old.as_str().is_some_and(|s| s.len() == 42) => json!(addresses.choose(dice)),
        _ => any.choose(dice).unwrap().clone(),
    }
}

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    Pool(usize),
    Order(usize),
    /// A pool or an order is sent again, with something else in it.
    Twice,
    /// Anything that is in no list.
    Head,
    Text,
}

struct Mutation {
    target: Target,
    /// What was changed in the target.
    path: String,
    text: String,
}

/// Finds the entry at a path, by its parent and its own name.
fn parent<'v>(document: &'v mut Value, path: &str) -> (&'v mut Value, String) {
    let (above, key) = path.rsplit_once('/').unwrap();
    (document.pointer_mut(above).unwrap(), key.replace("~1", "/").replace("~0", "~"))
}

fn mutation(seed: u64, base: &Value, addresses: &[String]) -> Mutation {
    let dice = &mut ChaCha8Rng::seed_from_u64(seed);
    let [pools, orders] = ["liquidity", "orders"].map(|field| list(base, field).len());
    let target = match dice.random_range(0..20u32) {
        0..10 => Target::Pool(dice.random_range(0..pools)),
        10..15 => Target::Order(dice.random_range(0..orders)),
        15..18 => Target::Head,
        _ => Target::Text,
    };
    let mut document = base.clone();
    let root = match target {
        Target::Pool(k) => format!("/liquidity/{k}"),
        Target::Order(k) => format!("/orders/{k}"),
        Target::Twice | Target::Head | Target::Text => String::new(),
    };
    let mut found = Vec::new();
    paths(base.pointer(&root).unwrap(), String::new(), &mut found);
    found.retain(|path| !root.is_empty() || !["/liquidity/", "/orders/"].iter().any(|list| path.starts_with(list)));
    let path = found.choose(dice).unwrap().clone();
    let full = format!("{root}{path}");
    match (target, dice.random_range(0..12u32)) {
        (Target::Text, _) => {}
        (Target::Pool(_) | Target::Order(_), 0) => {
            *document.pointer_mut(&root).unwrap() = wrong(dice, &Value::Null, addresses);
        }
        (_, 1) => {
            let (parent, key) = parent(&mut document, &full);
            match parent {
                Value::Object(map) => drop(map.remove(&key)),
                Value::Array(list) => drop(list.remove(key.parse().unwrap())),
                _ => unreachable!(),
            }
        }
        // One entry more: a tick, a coin, a token.
        (_, 2) => {
            if let (Value::Object(map), key) = parent(&mut document, &full) {
                let value = map[&key].clone();
                let name = if key.len() == 42 { addresses.choose(dice).unwrap().clone() } else { format!("{key}0") };
                map.insert(name, value);
            }
        }
        _ => {
            let old = document.pointer_mut(&full).unwrap();
            *old = wrong(dice, old, addresses);
        }
    }
    let again = matches!(target, Target::Pool(_) | Target::Order(_)) && !path.ends_with("id") && dice.random_range(0..12u32) == 0;
    let target = if again { Target::Twice } else { target };
    if again {
        let changed = document.pointer(&root).cloned().unwrap_or_default();
        document = base.clone();
        let (field, _) = root[1..].split_once('/').unwrap();
        document[field].as_array_mut().unwrap().push(changed);
    }
    let mut text = document.to_string();
    if target == Target::Text {
        let at = dice.random_range(0..text.len());
        match dice.random_range(0..3u32) {
            0 => text.truncate(at),
            1 => text.replace_range(at..=at, dice_char(dice)),
            _ => text.insert_str(at, dice_char(dice)),
        }
    }
    text = text.replace(&format!("{DEEP:?}"), &format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH)));
    text = text.replace(&format!("{HUGE:?}"), "1e400");
    Mutation { target, path, text }
}

fn dice_char(dice: &mut ChaCha8Rng) -> &'static str {
    ["{", "}", "[", "]", "\"", ",", ":", "\\", "0", "-", "e", " ", "\u{7f}", "é"].choose(dice).unwrap()
}

/// What is known of the auction as it is, and without each of its entries.
struct Known {
    base: Value,
    whole: Outcome,
    without: BTreeMap<String, Outcome>,
}

impl Known {
    fn new() -> Self {
        let base = base();
        let whole = Outcome::of(&base.to_string(), true).unwrap();
        let without = ["liquidity", "orders"].into_iter().flat_map(|field| {
            let base = &base;
            (0..list(base, field).len()).map(move |k| {
                let mut document = base.clone();
                document[field].as_array_mut().unwrap().remove(k);
                (format!("{field}/{k}"), Outcome::of(&document.to_string(), true).unwrap())
            })
        });
        let without = without.collect();
        Self { base, whole, without }
    }

    /// What must hold; a word for what happened, and the reasons of what was dropped.
    fn check(&self, mutation: &Mutation, batch: bool) -> (&'static str, BTreeSet<String>) {
        let Mutation { target, path, text } = mutation;
        let outcome = match Outcome::of(text, batch) {
            Ok(outcome) => outcome,
            Err(error) => {
                assert!(!error.field.is_empty() && !error.reason.is_empty(), "{error:?}");
                match target {
                    Target::Head => {
                        let field = path.split('/').nth(1).unwrap();
                        assert!(error.to_string().contains(field), "{error} does not name {path}");
                    }
                    Target::Text => {}
                    Target::Pool(_) | Target::Order(_) | Target::Twice => panic!("one bad entry refuses all: {error}"),
                }
                return ("refused", BTreeSet::new());
            }
        };
        let news = outcome.dropped.len() > self.whole.dropped.len();
        let what = match target {
            Target::Pool(k) => {
                let document: Value = serde_json::from_str(text).unwrap_or_default();
                let id = document["liquidity"][k]["id"].as_str().unwrap_or("?");
                // Another pool's id: the first of the two stands, whichever that is.
                let stolen =
                    list(&self.base, "liquidity").iter().enumerate().any(|(other, pool)| other != *k && pool["id"] == id);
                let kept = outcome.pools.contains(id);
                assert!(kept || news, "not kept, and nobody says why");
                if !kept && !stolen {
                    assert_eq!(
                        outcome.answers,
                        self.without[&format!("liquidity/{k}")].answers,
                        "a dropped pool changes an answer"
                    );
                }
                if kept { "kept" } else { "pool dropped" }
            }
            Target::Order(k) => {
                let uid = list(&self.base, "orders")[*k]["uid"].as_str().unwrap();
                let dropped = !outcome.answers.contains_key(uid);
                assert!(!dropped || news || path == "/uid", "not read, and nobody says why");
                // Another token may be one that pools now lead to.
                if !path.ends_with("Token") {
                    let others = &self.without[&format!("orders/{k}")];
                    let same = others.answers.iter().all(|(name, answer)| outcome.answers.get(name) == Some(answer));
                    assert!(same || outcome.without(uid) == self.whole.without(uid), "an order changes another's answer");
                }
                if dropped { "order dropped" } else { "kept" }
            }
            Target::Head => {
                let harmless =
                    ["symbol", "decimals", "availableBalance", "trusted", "deadline", "surplusCapturingJitOrderOwners"];
                if harmless.iter().any(|field| path.contains(field)) {
                    assert_eq!(outcome, self.whole, "it should not matter");
                }
                "kept"
            }
            Target::Twice => {
                assert!(news, "sent again, and nobody says so");
                assert_eq!(outcome.answers, self.whole.answers, "what is sent again changes an answer");
                "again"
            }
            Target::Text => "kept",
        };
        (what, outcome.dropped.into_iter().collect())
    }
}

#[test]
fn ten_thousand_mutated_auctions_harm_nothing_but_themselves() {
    let known = Known::new();
    let filled = known.whole.answers.values().filter(|answer| answer.starts_with('{')).count();
    assert!(filled >= 3, "{:?}", known.whole);
    let mut addresses: Vec<String> = known.base["tokens"].as_object().unwrap().keys().cloned().collect();
    addresses.push("0x00000000000000000000000000000000000000aa".to_owned());
    let outcomes: Vec<(&str, BTreeSet<String>)> = (0..COUNT)
        .into_par_iter()
        .map(|seed| {
            let mutation = mutation(seed, &known.base, &addresses);
            let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| known.check(&mutation, seed % EACH == 0)));
            checked.unwrap_or_else(|_| panic!("seed {seed}: {:?} {}", mutation.target, mutation.path))
        })
        .collect();
    let (mut counts, mut reasons) = (BTreeMap::new(), BTreeSet::new());
    for (what, dropped) in outcomes {
        *counts.entry(what).or_insert(0) += 1;
        reasons.extend(dropped);
    }
    println!("{counts:?}\n{reasons:?}");
    for (what, least) in [("refused", 500), ("pool dropped", 2_000), ("order dropped", 1_000), ("again", 300), ("kept", 2_000)] {
        assert!(counts.get(what).is_some_and(|count| *count >= least), "{what}: {counts:?}");
    }
    // The mutations reach what they are meant to reach.
    for reason in REASONS {
        assert!(reasons.contains(reason), "{reason:?} is not among {reasons:?}");
    }
}
