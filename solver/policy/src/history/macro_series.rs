//! Macro series: further columns (a dollar index, a rate) whose correlation with the assets is reported.

use std::path::Path;

use super::{History, HistoryError};
use crate::time::{Span, Time};

/// Reads macro series (CSV: a time, then one column a series; any finite number; a blank is «not published») and
/// aligns them with `history`: each bar has what was published by then, at least `lag` ago. Nothing is interpolated.
///
/// # Errors
/// On an unreadable file or header, a cell that is no finite number, or times that do not rise.
pub fn read_macro(history: &mut History, path: &Path, lag: Span) -> Result<(), HistoryError> {
    let read = |source| HistoryError::Read { path: path.to_owned(), source };
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_path(path).map_err(read)?;
    let header = reader.headers().map_err(read)?.clone();
    let is_time = |name: &str| ["timestamp", "time", "date"].contains(&name.to_ascii_lowercase().as_str());
    let header_error = |reason: &str| HistoryError::Header { path: path.to_owned(), reason: reason.to_owned() };
    let time_column = header.iter().position(is_time).ok_or_else(|| header_error("no column `timestamp`, `time` or `date`"))?;
    let columns: Vec<usize> = (0..header.len()).filter(|&c| c != time_column).collect();
    if columns.is_empty() {
        return Err(header_error("no series"));
    }
    let name = |column: usize| header.get(column).unwrap_or_default().to_owned();

    let mut rows: Vec<(Time, Vec<f64>)> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(read)?;
        let line = record.position().map_or(0, ::csv::Position::line);
        let wrong =
            |column: usize, reason: String| HistoryError::Cell { path: path.to_owned(), line, column: name(column), reason };
        let time: Time = record.get(time_column).unwrap_or_default().parse().map_err(|e| wrong(time_column, format!("{e}")))?;
        let mut row = rows.last().map_or_else(|| vec![f64::NAN; columns.len()], |(_, last)| last.clone());
        if let Some((last, _)) = rows.last().filter(|(last, _)| time <= *last) {
            return Err(wrong(time_column, format!("{time} is not after {last}; times must rise")));
        }
        for (value, &column) in row.iter_mut().zip(&columns) {
            let text = record.get(column).unwrap_or_default();
            if !text.is_empty() {
                *value = text.parse().map_err(|_| wrong(column, format!("`{text}` is not a number")))?;
                if !value.is_finite() {
                    return Err(wrong(column, format!("`{text}` is not finite")));
                }
            }
        }
        rows.push((time, row));
    }
    let mut published = rows.iter().peekable();
    let mut now = vec![f64::NAN; columns.len()];
    history.macro_names = columns.iter().map(|&c| name(c)).collect();
    history.macros = Vec::with_capacity(columns.len() * history.times.len());
    for &time in &history.times {
        while let Some((_, row)) = published.next_if(|(at, _)| at.plus(lag) <= time) {
            now.clone_from(row);
        }
        history.macros.extend_from_slice(&now);
    }
    Ok(())
}
