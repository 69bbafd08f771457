//! The reader of price files.
//!
//! One row a bar. The first column that is called `timestamp`, `time` or `date` has the time; the others are
//! `ASSET` or `ASSET:close` (closing price), `ASSET:open`, `ASSET:high`, `ASSET:low`; or, if the command line names the
//! asset (`BTC=file.csv`), bare `open`, `high`, `low`, `close`. Volumes and trade counts are passed over. A blank cell is a gap.
//!
//! Wrong cells are errors with their line. With [`Strictness::Repair`] they become gaps, rows out of order are sorted,
//! and of rows with one time the last counts; every repair is reported.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use super::{Candle, Findings, Gap, History, HistoryError};
use crate::time::Time;

/// What to do about cells that make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// An error with the line.
    #[default]
    Strict,
    /// Make it a gap, sort, drop duplicates; and report.
    Repair,
}

/// A price file on the command line: `FILE`, or `ASSET=FILE` for bare open, high, low, close columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceFile {
    /// The asset of bare columns.
    pub asset: Option<String>,
    /// Where it is.
    pub path: PathBuf,
}

impl FromStr for PriceFile {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once('=') {
            Some((asset, path)) if !asset.is_empty() && !asset.contains(['/', '\\', '.']) => {
                Self { asset: Some(asset.to_owned()), path: path.into() }
            }
            _ => Self { asset: None, path: text.into() },
        })
    }
}

/// The four prices of an asset in a row, in this order.
const FIELDS: [&str; 4] = ["open", "high", "low", "close"];
const CLOSE: usize = 3;
/// Columns that are known and not wanted.
const PASSED_OVER: [&str; 4] = ["volume", "trades", "count", "vwap"];

/// Open, high, low and close of one asset in one row; none is a gap.
type Cells = Option<[f64; 4]>;

/// One asset's columns: where its open, high, low and close are.
struct Columns {
    asset: String,
    at: [Option<usize>; 4],
}

/// Rows by time; per asset the four prices, or a gap.
struct Table {
    assets: Vec<String>,
    has_candles: Vec<bool>,
    rows: Vec<(Time, Vec<Cells>)>,
}

/// Reads price files and joins them on their times: a time that one file lacks is a gap there.
///
/// # Errors
/// On an unreadable file or header; on a cell that is no positive number, candles that contradict themselves, times out
/// of order or twice (unless repair is asked for); if an asset comes twice, or no bar has every asset.
pub fn read(files: &[PriceFile], strictness: Strictness) -> Result<History, HistoryError> {
    let mut findings = Findings::default();
    let mut tables = Vec::new();
    for file in files {
        let table = read_one(file, strictness, &mut findings)?;
        for asset in &table.assets {
            if tables.iter().any(|(_, t): &(_, Table)| t.assets.contains(asset)) {
                return Err(HistoryError::Twice { path: file.path.clone(), asset: asset.clone() });
            }
        }
        tables.push((file.path.clone(), table));
    }
    densify(join(tables), findings)
}

fn read_one(file: &PriceFile, strictness: Strictness, findings: &mut Findings) -> Result<Table, HistoryError> {
    let read = |source| HistoryError::Read { path: file.path.clone(), source };
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_path(&file.path).map_err(read)?;
    let header = reader.headers().map_err(read)?.clone();
    let (time_column, columns) = parse_header(file, &header, findings)?;
    let name = |column: usize| header.get(column).unwrap_or_default().to_owned();

    let mut rows: Vec<(Time, u64, Vec<Cells>)> = Vec::new();
    let mut sorted = true;
    for record in reader.records() {
        let record = record.map_err(read)?;
        let line = record.position().map_or(0, ::csv::Position::line);
        let wrong =
            |column: usize, reason: String| HistoryError::Cell { path: file.path.clone(), line, column: name(column), reason };
        let time: Time = match record.get(time_column).unwrap_or_default().parse() {
            Ok(time) => time,
            Err(e) if strictness == Strictness::Repair => {
                findings.repaired.push(format!("{}: line {line}: row dropped: {e}", file.path.display()));
                continue;
            }
            Err(e) => return Err(wrong(time_column, format!("{e}"))),
        };
        if let Some((last, last_line, _)) = rows.last()
            && time <= *last
        {
            sorted = false;
            if strictness == Strictness::Strict {
                let what = if time == *last { "the same as" } else { "before" };
                return Err(wrong(time_column, format!("{time} is {what} {last} of line {last_line}; times must rise")));
            }
            findings.repaired.push({
                let done = if time == *last { "comes twice, this line counts" } else { "is out of order, sorted to its place" };
                format!("{}: line {line}: {time} {done}", file.path.display())
            });
        }
        let mut row = Vec::with_capacity(columns.len());
        for asset in &columns {
            row.push(match parse_cells(&record, asset) {
                Ok(cells) => cells,
                Err((column, reason)) if strictness == Strictness::Repair => {
                    let at = file.path.display();
                    findings.repaired.push(format!("{at}: line {line}, column `{}`: made a gap: {reason}", name(column)));
                    None
                }
                Err((column, reason)) => return Err(wrong(column, reason)),
            });
        }
        rows.push((time, line, row));
    }
    if !sorted {
        rows.sort_by_key(|(time, line, _)| (*time, *line));
        rows.reverse();
        rows.dedup_by_key(|(time, ..)| *time); // reversed: of rows with one time the last line stays
        rows.reverse();
    }
    Ok(Table {
        has_candles: columns.iter().map(|c| c.at.iter().all(Option::is_some)).collect(),
        assets: columns.into_iter().map(|c| c.asset).collect(),
        rows: rows.into_iter().map(|(time, _, row)| (time, row)).collect(),
    })
}

fn parse_header(
    file: &PriceFile,
    header: &::csv::StringRecord,
    findings: &mut Findings,
) -> Result<(usize, Vec<Columns>), HistoryError> {
    let wrong = |reason: String| HistoryError::Header { path: file.path.clone(), reason };
    let is_time = |name: &str| ["timestamp", "time", "date"].contains(&name.to_ascii_lowercase().as_str());
    let time = header.iter().position(is_time).ok_or_else(|| wrong("no column `timestamp`, `time` or `date`".to_owned()))?;
    let mut columns: Vec<Columns> = Vec::new();
    for (at, name) in header.iter().enumerate().filter(|(at, _)| *at != time) {
        let lower = name.to_ascii_lowercase();
        let bare = FIELDS.contains(&lower.as_str()) || PASSED_OVER.contains(&lower.as_str());
        let (asset, field) = match (name.rsplit_once(':'), bare) {
            (Some((asset, field)), _) => (asset.to_owned(), field.to_ascii_lowercase()),
            (None, true) => match &file.asset {
                Some(asset) => (asset.clone(), lower),
                None => {
                    let path = file.path.display();
                    return Err(wrong(format!(
                        "`{name}` does not say of which asset: name it on the command line, `ASSET={path}`"
                    )));
                }
            },
            (None, false) => (name.to_owned(), "close".to_owned()),
        };
        if PASSED_OVER.contains(&field.as_str()) {
            findings.ignored_columns.push(name.to_owned());
            continue;
        }
        let Some(field) = FIELDS.iter().position(|f| *f == field) else {
            return Err(wrong(format!(
                "`{name}`: a column is ASSET, or ASSET: with {}, or {}",
                FIELDS.join(", "),
                PASSED_OVER.join(", ")
            )));
        };
        let index = columns.iter().position(|c| c.asset == asset).unwrap_or_else(|| {
            columns.push(Columns { asset, at: [None; 4] });
            columns.len() - 1
        });
        let slot = columns.get_mut(index).and_then(|c| c.at.get_mut(field));
        if let Some(slot) = slot
            && slot.replace(at).is_some()
        {
            return Err(wrong(format!("`{name}` comes twice")));
        }
    }
    match columns.iter().find(|c| c.at[CLOSE].is_none()) {
        Some(asset) => Err(wrong(format!("`{}` has no closing price", asset.asset))),
        None if columns.is_empty() => Err(wrong("no price column".to_owned())),
        None => Ok((time, columns)),
    }
}

/// The four prices of one asset in a row; without candles all four are the close. `Ok(None)` is a gap.
fn parse_cells(record: &::csv::StringRecord, columns: &Columns) -> Result<Cells, (usize, String)> {
    let mut prices = [None; 4];
    for (price, column) in prices.iter_mut().zip(columns.at) {
        let Some(column) = column else { continue };
        let text = record.get(column).unwrap_or_default();
        if text.is_empty() {
            continue;
        }
        let value: f64 = text.parse().map_err(|_| (column, format!("`{text}` is not a number")))?;
        // NaN fails the comparison as well.
        if !(value > 0.0 && value.is_finite()) {
            return Err((column, format!("a price must be above zero and finite, this is {text}")));
        }
        *price = Some(value);
    }
    let close_column = columns.at[CLOSE].unwrap_or(0);
    match prices {
        [None, None, None, None] => Ok(None),
        [Some(open), Some(high), Some(low), Some(close)] => {
            if low > open.min(close) || high < open.max(close) {
                return Err((
                    close_column,
                    format!("the candle contradicts itself: open {open}, high {high}, low {low}, close {close}"),
                ));
            }
            Ok(Some([open, high, low, close]))
        }
        [_, _, _, Some(close)] if columns.at.iter().any(Option::is_none) => Ok(Some([close; 4])),
        _ => Err((close_column, "some of open, high, low and close are blank".to_owned())),
    }
}

/// One table over the union of the times.
fn join(tables: Vec<(PathBuf, Table)>) -> (PathBuf, Table) {
    let mut tables = tables.into_iter();
    let Some((path, mut all)) = tables.next() else {
        return (PathBuf::new(), Table { assets: Vec::new(), has_candles: Vec::new(), rows: Vec::new() });
    };
    for (_, next) in tables {
        let (left, right) = (all.assets.len(), next.assets.len());
        let mut rows: BTreeMap<Time, Vec<Cells>> = BTreeMap::new();
        for (time, mut row) in all.rows {
            row.resize(left + right, None);
            rows.insert(time, row);
        }
        for (time, row) in next.rows {
            let joined = rows.entry(time).or_insert_with(|| vec![None; left + right]);
            joined.truncate(left);
            joined.extend(row);
        }
        all.assets.extend(next.assets);
        all.has_candles.extend(next.has_candles);
        all.rows = rows.into_iter().collect();
    }
    (path, all)
}

/// Drops the rows before the last asset begins and carries prices over gaps.
fn densify((path, table): (PathBuf, Table), mut findings: Findings) -> Result<History, HistoryError> {
    let n = table.assets.len();
    let first = |i: usize| table.rows.iter().position(|(_, row)| row.get(i).is_some_and(Option::is_some));
    let mut start = 0;
    for (i, asset) in table.assets.iter().enumerate() {
        let begins = first(i)
            .ok_or_else(|| HistoryError::Empty { path: path.clone(), reason: format!("`{asset}` has no price at all") })?;
        if begins > start {
            (start, findings.begins_with) = (begins, Some(asset.clone()));
        }
    }
    findings.dropped_at_start = start;
    let bars = table.rows.len() - start;
    if bars < 2 {
        return Err(HistoryError::Empty { path, reason: "fewer than two bars have a price of every asset".to_owned() });
    }
    let mut last = vec![[0.0; 4]; n];
    for (i, last) in last.iter_mut().enumerate() {
        // An asset that began earlier may have a gap at the starting row.
        let known = table.rows.iter().take(start + 1).filter_map(|(_, row)| *row.get(i)?).next_back();
        *last = known.unwrap_or(*last);
    }
    let with_candles = table.has_candles.iter().any(|&c| c);
    let with_gaps = table.rows.iter().skip(start).any(|(_, row)| row.iter().any(Option::is_none));
    let mut times = Vec::with_capacity(bars);
    let mut close = Vec::with_capacity(bars * n);
    let (mut candles, mut stale) = (Vec::new(), Vec::new());
    for (time, row) in table.rows.into_iter().skip(start) {
        times.push(time);
        for (cell, last) in row.into_iter().zip(&mut last) {
            if with_gaps {
                stale.push(cell.is_none());
            }
            // A carried bar is flat at the last close.
            *last = cell.unwrap_or([last[CLOSE]; 4]);
            let [open, high, low, price] = *last;
            close.push(price);
            if with_candles {
                candles.push(Candle { open, high, low });
            }
        }
    }
    for (i, asset) in table.assets.iter().enumerate() {
        let (mut total, mut longest, mut from, mut run) = (0, 0, 0, 0);
        for t in 0..bars {
            run = if stale.get(t * n + i).copied().unwrap_or(false) { run + 1 } else { 0 };
            total += usize::from(run > 0);
            if run > longest {
                (longest, from) = (run, t + 1 - run);
            }
        }
        if let (1.., Some(&from)) = (total, times.get(from)) {
            findings.gaps.push(Gap { asset: asset.clone(), bars: total, longest, from });
        }
    }
    findings.measure(&table.assets, &times, &close, &stale);
    Ok(History {
        assets: table.assets,
        times,
        close,
        candles,
        has_candles: table.has_candles,
        stale,
        macro_names: Vec::new(),
        macros: Vec::new(),
        findings,
    })
}
