//! Tables, numbers, and what has to be known before either.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

/// What a command found.
#[derive(Debug)]
pub struct Report {
    /// For people.
    pub text: String,
    /// For programmes.
    pub figures: Value,
}

/// The program, and the machine it ran on.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!("ballast-bench {}, {cores} cores, load {load} at the end, of which this is a part", env!("CARGO_PKG_VERSION"))
}

/// What is true of every figure here.
pub fn caveats() -> String {
    format!(
        "{}. Before the numbers: one thread, with others at work on the same machine, so times move from run to run; `cpu` is processor \
         time of the thread, `ms` the wall. Universes and orders are generated, calibrated to one real auction; the larger ones are \
         extrapolated.",
        machine(),
    )
}

/// An aligned table; the first column to the left.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(if index == 0 { CellAlignment::Left } else { CellAlignment::Right });
    }
    table.to_string()
}

/// A few digits, whatever the size.
pub fn short(x: f64) -> String {
    match x.abs() {
        0.0 => "0".to_owned(),
        s if s < 1e-3 => format!("{x:.0e}"),
        s if s < 0.1 => format!("{x:.3}"),
        s if s < 10.0 => format!("{x:.2}"),
        s if s < 1e3 => format!("{x:.1}"),
        _ => format!("{x:.0}"),
    }
}
