//! What was archived is replayed, and orders are explained: by the program as a user runs it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use alloy_primitives::U256;
use ballast_fixtures::demo;
use ballast_solver::archive::{Archive, ArchiveConfig, Ended, Meta, Record, Summary};
use ballast_solver::config::Config;
use ballast_wire::Amount;
use serde_json::Value;

use crate::cli::{DEMO, bad, err, file, good, out};
use crate::support::solve;

/// A directory of this test's own, empty.
fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// The demo, archived by `name` as if it had scored so many times what it scores.
fn archived(directory: &Path, id: &str, seconds: u64, times: u64) {
    let (_, report) = solve(&demo(), &Config::default());
    let found = Summary::new(&report);
    let meta = Meta {
        id: Some(id.to_owned()),
        reply_ms: 100.0,
        found: Some(Summary { score: Amount(found.score.0 * U256::from(times) / U256::from(100)), ..found }),
        ..Meta::new(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), Ended::Answered)
    };
    let config = ArchiveConfig { directory: directory.to_owned(), keep_days: 0, ..ArchiveConfig::default() };
    let archive = Archive::open(&config).unwrap();
    archive.store(Record { meta, auction: std::fs::read(DEMO).unwrap().into(), reply: "{\"solutions\":[]}".into() });
}

#[test]
fn archived_auctions_are_compared_with_what_was_answered_then() {
    let directory = directory("replay");
    archived(&directory, "then-better", 1_000, 200);
    archived(&directory, "then-the-same", 2_000, 100);
    archived(&directory, "then-worse", 3_000, 50);
    std::fs::write(directory.join("plain.json"), std::fs::read(DEMO).unwrap()).unwrap();
    std::fs::write(directory.join("broken.json"), "{\"id\":").unwrap();
    std::fs::write(directory.join("cut.tar.zst"), [0x28, 0xb5]).unwrap();
    std::fs::write(directory.join("notes.txt"), "not an auction").unwrap();
    let path = directory.to_str().unwrap();

    let output = good(&["replay", path, "--budget", "10m"]);
    for words in ["1970-01-01T00:16:40Z", "0.5000", "2.0000", "3 auctions compared: 1 better, 1 worse, 1 the same"] {
        assert!(out(&output).contains(words), "{words:?} is not in {}", out(&output));
    }
    for words in ["broken.json", "cut.tar.zst"] {
        assert!(err(&output).contains(words), "{words:?} is not in {}", err(&output));
    }

    let comparison: Value = serde_json::from_slice(&good(&["replay", path, "--json", "--budget", "10m"]).stdout).unwrap();
    let ids: Vec<&str> = comparison["auctions"].as_array().unwrap().iter().filter_map(|a| a["then"]["id"].as_str()).collect();
    assert_eq!(ids, ["then-better", "then-the-same", "then-worse"]);
    assert_eq!(comparison["auctions"][3]["file"], "plain.json");
    let same = &comparison["auctions"][1];
    assert_eq!(same["now"]["score"], same["then"]["found"]["score"]);
    assert_eq!(same["now"]["gapBps"], same["then"]["found"]["gapBps"]);
    assert_eq!(comparison["totals"]["compared"], 3);
    assert_eq!(comparison["failed"].as_array().unwrap().len(), 2);
}

#[test]
fn a_folder_without_auctions_is_an_error() {
    let empty = directory("replay-empty");
    std::fs::create_dir_all(&empty).unwrap();
    bad(&["replay", empty.to_str().unwrap()], &["replay-empty", "*.tar.zst", "*.json"]);
    bad(&["replay", "no-such-folder"], &["no-such-folder"]);
    bad(&["replay", &file("no-auction.json", b"7")], &["no-auction.json"]);
}

#[test]
fn an_archived_auction_is_read_like_a_plain_one() {
    let directory = directory("explain-archived");
    archived(&directory, "1", 1_000, 100);
    let path = std::fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
    let path = path.to_str().unwrap();
    assert_eq!(out(&good(&["solve", path, "--json"])), out(&good(&["solve", DEMO, "--json"])));
    assert_eq!(out(&good(&["explain", path, "0"])), out(&good(&["explain", DEMO, "0"])));
}

#[test]
fn orders_are_explained_as_they_end() {
    let uid = |place: usize| demo().orders[place].as_ref().unwrap().uid.to_string();
    for (order, words) in [
        ("0".to_owned(), &["FILLED: pays 500.000 WETH", "Nothing binds", "bound", "WETH→USDC", "quarantined"][..]),
        (uid(0), &["FILLED: pays 500.000 WETH"]),
        (uid(0)[..10].to_owned(), &["FILLED: pays 500.000 WETH"]),
        (uid(0)[2..12].to_uppercase(), &["FILLED: pays 500.000 WETH"]),
        ("4".to_owned(), &["FILLED to ", "Its limit binds", "for all of it the limit would have to be"]),
        ("5".to_owned(), &["NOT FILLED: out of the money", "Its limit binds", "A limit 2.7", "The route that it would take"]),
        ("0xbbbb".to_owned(), &["NOT READ", "sellAmount"]),
    ] {
        let said = out(&good(&["explain", DEMO, &order]));
        for word in words {
            assert!(said.contains(word), "{order}: {word:?} is not in {said}");
        }
    }
    bad(&["explain", DEMO, "0x"], &["orders begin with 0x"]);
    bad(&["explain", DEMO, "0xffffffff"], &["no order begins with 0xffffffff"]);
    bad(&["explain", DEMO, "99"], &["no order 99", "counted from 0"]);
}

/// The limit that is said to do does, and one a little less loose does not.
#[test]
fn the_remedy_holds() {
    let limit = |percent: f64| {
        let mut request = demo();
        let order = request.orders[5].as_mut().unwrap();
        order.buy_amount = order.buy_amount * U256::from(((100.0 - percent) * 1e6) as u64) / U256::from(100_000_000);
        file(&format!("remedy-{percent}.json"), serde_json::to_string(&request).unwrap().as_bytes())
    };
    let said = out(&good(&["explain", DEMO, "5"]));
    let percent: f64 = said.split("A limit ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    assert!(out(&good(&["explain", &limit(percent + 0.01), "5"])).contains("FILLED: pays"));
    assert!(out(&good(&["explain", &limit(percent - 0.01), "5"])).contains("NOT FILLED"));
}

#[test]
fn gas_that_binds_and_paths_that_are_not_there_are_named() {
    let mut request = demo();
    request.effective_gas_price *= U256::from(100);
    let path = file("dear-gas.json", serde_json::to_string(&request).unwrap().as_bytes());
    let said = out(&good(&["explain", &path, "9"]));
    assert!(said.contains("NOT FILLED") && said.contains("Gas binds: it costs"), "{said}");

    request.liquidity.clear();
    let path = file("dry.json", serde_json::to_string(&request).unwrap().as_bytes());
    let output = good(&["explain", &path, "0", "--svg", &file("none.svg", b"")]);
    assert!(out(&output).contains("No path leads") && err(&output).contains("nothing to draw"), "{}", out(&output));
}

#[test]
fn pictures_show_each_swap_once_and_escape_what_tokens_are_called() {
    let mut request = demo();
    for token in request.tokens.values_mut().filter(|token| token.symbol.as_deref() == Some("WETH")) {
        token.symbol = Some("<W&\u{1b}>".to_owned());
    }
    let auction = file("svg.json", serde_json::to_string(&request).unwrap().as_bytes());
    for order in ["0", "1", "5", "10"] {
        let svg = file(&format!("{order}.svg"), b"");
        good(&["explain", &auction, order, "--svg", &svg]);
        let text = std::fs::read_to_string(&svg).unwrap();
        assert!(text.starts_with("<svg") && text.ends_with("</svg>"), "{text}");
        assert!(!text.contains("<W") && text.contains("&lt;W&amp;&gt;") && !text.contains('\u{1b}'), "{text}");
        let bands = text.matches("class=\"band\"").count();
        assert!(bands > 0 && bands == text.matches("→ ").count(), "{bands} bands: {text}");
    }
    bad(&["explain", DEMO, "0", "--svg", "no/such/folder/x.svg"], &["no/such/folder/x.svg"]);
}
