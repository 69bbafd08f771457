//! Bad input gets an error with its row, or a documented repair.

use ballast_policy::history::{History, HistoryError, PriceFile, Strictness, read};

use crate::Folder;

fn with(name: &str, text: &str, strictness: Strictness) -> Result<History, HistoryError> {
    let folder = Folder::new(name);
    let path = folder.write("prices.csv", text);
    read(&[PriceFile { asset: None, path }], strictness)
}

fn refused(name: &str, text: &str) -> String {
    let message = with(name, text, Strictness::Strict).unwrap_err().to_string();
    message.split_once("prices.csv: ").expect("the file is named").1.to_owned()
}

#[test]
fn each_wrong_cell_is_refused_with_its_line_and_column() {
    let row = |cell: &str| format!("timestamp,A,B\n100,1,2\n200,{cell},2\n300,1,2\n");
    for (cell, reason) in [
        ("0", "a price must be above zero and finite, this is 0"),
        ("-1", "a price must be above zero and finite, this is -1"),
        ("NaN", "a price must be above zero and finite, this is NaN"),
        ("inf", "a price must be above zero and finite, this is inf"),
        ("1e999", "a price must be above zero and finite, this is 1e999"),
        ("x", "`x` is not a number"),
    ] {
        assert_eq!(refused("cell", &row(cell)), format!("line 3, column `A`: {reason}"));
    }
}

#[test]
fn times_must_rise() {
    let times = |t: &str| refused("times", &format!("timestamp,A\n100,1\n200,1\n{t},1\n"));
    assert!(times("200").starts_with("line 4, column `timestamp`: 1970-01-01T00:03:20Z is the same as"), "{}", times("200"));
    assert!(times("150").contains("is before 1970-01-01T00:03:20Z of line 3; times must rise"));
    assert!(times("soon").contains("line 4, column `timestamp`: `soon` is not a time"));
    assert!(times("1621080000000").contains("is not a time"), "milliseconds are asked about, not guessed");
}

#[test]
fn headers_must_say_what_the_columns_are() {
    assert!(refused("h1", "A,B\n1,2\n").starts_with("header: no column `timestamp`"));
    assert!(refused("h2", "time,open,close\n1,2,3\n").contains("name it on the command line, `ASSET="));
    assert!(refused("h3", "time,A:mid\n1,2\n").contains("`A:mid`: a column is ASSET, or ASSET:"));
    assert!(refused("h4", "time,A:open\n1,2\n").contains("`A` has no closing price"));
    assert!(refused("h5", "time,A,A\n1,2,3\n").contains("`A` comes twice"));
    assert!(refused("h6", "time,A\n1,2\n").contains("fewer than two bars"));
    assert!(refused("h7", "time,A,B\n1,2,\n2,2,\n").contains("`B` has no price at all"));
    assert!(refused("h8", "time,A\n1,2,3\n").contains("CSV error"), "a row of another length");
}

#[test]
fn candles_must_not_contradict_themselves() {
    let candle = |c: &str| refused("candle", &format!("time,A:open,A:high,A:low,A:close\n1,2,3,1,2\n2,{c}\n3,2,3,1,2\n"));
    assert!(candle("2,1.5,1,1.2").starts_with("line 3, column `A:close`: the candle contradicts itself"));
    assert!(candle("2,,1,2").contains("some of open, high, low and close are blank"));
}

#[test]
fn gaps_are_carried_and_reported_and_late_starts_dropped() {
    let text = "time,A,B\n2024-01-01,1,\n2024-01-02,2,10\n2024-01-03,,11\n2024-01-04,,12\n2024-01-05,5,13\n2024-01-09,6,14\n";
    let history = with("gaps", text, Strictness::Strict).unwrap();
    let closes: Vec<f64> = history.bars().map(|bar| bar.close[0]).collect();
    assert_eq!(closes, [2.0, 2.0, 2.0, 5.0, 6.0]);
    let fresh: Vec<bool> = history.bars().map(|bar| bar.fresh(0)).collect();
    assert_eq!(fresh, [true, false, false, true, true]);
    let found = history.findings();
    assert_eq!((found.dropped_at_start, found.begins_with.as_deref()), (1, Some("B")));
    assert_eq!((found.gaps[0].bars, found.gaps[0].longest), (2, 2));
    assert_eq!((found.uneven_steps, found.longest_step.to_string().as_str()), (1, "4d"));
}

#[test]
fn repair_makes_gaps_sorts_and_lets_the_last_duplicate_count_and_says_so() {
    let text = "timestamp,A\n300,3\n100,1\n200,-2\n100,1.5\n400,4\n";
    let history = with("repair", text, Strictness::Repair).unwrap();
    let rows: Vec<(i64, f64)> = history.bars().map(|bar| (bar.time.unix(), bar.close[0])).collect();
    assert_eq!(rows, [(100, 1.5), (200, 1.5), (300, 3.0), (400, 4.0)]);
    let repaired = &history.findings().repaired;
    assert!(repaired.iter().any(|r| r.contains("line 4, column `A`: made a gap")), "{repaired:?}");
    assert_eq!(repaired.iter().filter(|r| r.contains("sorted to its place")).count(), 2, "{repaired:?}");
}

#[test]
fn files_are_joined_on_their_times() {
    let folder = Folder::new("join");
    let one = folder.write("one.csv", "timestamp,open,close,low,high,volume\n100,1,1,1,1,5\n200,2,2,2,2,5\n300,3,3,3,3,5\n");
    let two = folder.write("two.csv", "timestamp,B\n150,10\n200,20\n300,30\n");
    let files = [format!("A={}", one.display()), two.display().to_string()].map(|f| f.parse::<PriceFile>().unwrap());
    let history = read(&files, Strictness::Strict).unwrap();
    let rows: Vec<Vec<f64>> = history.bars().map(|bar| bar.close.to_vec()).collect();
    assert_eq!(rows, [[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]);
    assert!(history.has_candles(0) && !history.has_candles(1));
    assert_eq!(history.findings().ignored_columns, ["volume"]);
    let twice = read(&[files[1].clone(), files[1].clone()], Strictness::Strict).unwrap_err();
    assert!(twice.to_string().contains("`B` has prices in another file already"));
}

#[test]
fn jumps_are_reported() {
    let mut text = String::from("timestamp,A\n");
    let mut price = 100.0;
    for t in 0..200 {
        price *= if t == 120 {
            1.5
        } else if t % 2 == 0 {
            1.01
        } else {
            0.99
        };
        text += &format!("{},{price}\n", t * 3_600);
    }
    let history = with("jumps", &text, Strictness::Strict).unwrap();
    let jump = &history.findings().jumps[0];
    assert_eq!((jump.count, jump.at.unix()), (1, 120 * 3_600));
    assert!((jump.largest - 1.5_f64.ln()).abs() < 1e-9);
}

#[test]
fn an_unknown_asset_is_named_with_those_there_are() {
    let history = with("unknown", "time,A,B\n1,2,3\n2,2,3\n", Strictness::Strict).unwrap();
    let message = history.select(&["A", "C", "USD"], "USD").unwrap_err().to_string();
    assert_eq!(message, "`C` has no prices; the price file has A, B");
}
