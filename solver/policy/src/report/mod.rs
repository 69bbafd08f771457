//! Results as tables, JSON and SVG.

mod plot;
mod table;

pub use plot::{PlotError, backtest as plot_backtest, frontier as plot_frontier};
pub use table::{backtest as backtest_table, decision as decision_text, frontier as frontier_table, walk as walk_table};
