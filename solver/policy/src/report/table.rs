//! Tables for the terminal.

use std::fmt::Write as _;

use bigdecimal::BigDecimal;
use comfy_table::{Cell, CellAlignment, Row, Table, presets};

use crate::{
    backtest::Outcome,
    decide::Explanation,
    oracle::Level,
    tune::{Trial, Tuned},
};

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(header.iter().map(Cell::new));
    table
}

/// Texts left, numbers right.
fn row(texts: &[&str], numbers: Vec<String>) -> Row {
    let left = texts.iter().map(Cell::new);
    let right = numbers.into_iter().map(|n| Cell::new(n).set_alignment(CellAlignment::Right));
    left.chain(right).collect::<Vec<_>>().into()
}

fn percent(x: f64) -> String {
    format!("{:.2}%", x * 100.0)
}

fn bp(x: f64) -> String {
    format!("{:.2}", x * 1e4)
}

/// With spaces between thousands.
pub(super) fn thousands(x: f64) -> String {
    let digits = format!("{:.0}", x.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    if x <= -0.5 { format!("-{text}") } else { text }
}

/// Outcomes of a backtest, one row a policy.
pub fn backtest(outcomes: &[Outcome]) -> String {
    let mut out = table(&[
        "policy",
        "final value",
        "return",
        "trades",
        "turnover/y",
        "cost",
        "cost bp/y",
        "track. error",
        "drawdown",
        "under water",
        "longest",
    ]);
    for o in outcomes {
        let m = &o.metrics;
        out.add_row(row(
            &[&o.policy],
            vec![
                thousands(m.final_value),
                percent(m.total_return),
                m.trades.to_string(),
                format!("{:.2}", m.turnover),
                thousands(m.cost),
                bp(m.cost_rate),
                percent(m.tracking_error),
                percent(m.max_drawdown),
                percent(m.under_water),
                format!("{:.0}d", m.longest_under_water.seconds() as f64 / 86_400.0),
            ],
        ));
    }
    let mut text = out.to_string();
    for o in outcomes.iter().filter(|o| o.metrics.halted_bars + o.metrics.refused > 0) {
        let _ = write!(text, "\n{}: halted at {} bars, {} trades refused", o.policy, o.metrics.halted_bars, o.metrics.refused);
    }
    if let Some(o) = outcomes.first().filter(|o| !o.macro_correlations.is_empty()) {
        let mut correlations = table(&["asset", "macro series", "correlation"]);
        for c in &o.macro_correlations {
            let value = c.correlation.map_or_else(|| "–".to_owned(), |c| format!("{c:+.2}"));
            correlations.add_row(row(&[&c.asset, &c.series], vec![value]));
        }
        let _ = write!(text, "\nat the end, by the forecast of `{}`:\n{correlations}", o.policy);
    }
    text
}

/// A decision with its reasons.
pub fn decision(explained: &Explanation, numeraire: &str) -> String {
    let mut text = format!(
        "{}\n{} at {}, worth {} {numeraire}\n\n",
        explained.summary,
        explained.policy,
        explained.at,
        money(&explained.value)
    );
    let mut positions = table(&["asset", "price", "value", "weight", "target", "band", "landing", "order", "after"]);
    let range =
        |(low, high): (f64, f64)| if low == high { percent(low) } else { format!("{:.2}–{:.2}%", low * 100.0, high * 100.0) };
    let share = |w: &BigDecimal| format!("{}%", (w * BigDecimal::from(100)).round(2).to_plain_string());
    for p in &explained.positions {
        positions.add_row(row(
            &[&p.asset],
            vec![
                p.price.normalized().to_plain_string(),
                money(&p.value),
                share(&p.weight),
                percent(p.target),
                p.band.map_or_else(|| "–".to_owned(), range),
                range(p.landing),
                p.order.as_ref().map_or_else(
                    || "–".to_owned(),
                    |o| {
                        let side = if o.value > 0 { "buy" } else { "sell" };
                        format!("{side} {}", o.amount.abs().normalized().to_plain_string())
                    },
                ),
                p.after.as_ref().map_or_else(|| "–".to_owned(), share),
            ],
        ));
    }
    let _ = writeln!(text, "{positions}");
    for line in &explained.rules {
        let fired = if line.fired { "FIRED" } else { "quiet" };
        let _ = writeln!(text, "{fired}  {}: {}\n       {}", line.rule, line.numbers, line.would_change);
    }
    if explained.stress > Level::Calm || !explained.faults.is_empty() {
        let _ = writeln!(text, "stress: {:?}", explained.stress);
    }
    for fault in &explained.faults {
        let _ = writeln!(text, "  {fault}");
    }
    for note in &explained.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

fn money(value: &BigDecimal) -> String {
    value.round(2).to_plain_string()
}

/// The frontier of cost against tracking error, by rising cost; and the least objective.
pub fn frontier(tuned: &Tuned) -> String {
    let mut header: Vec<&str> = tuned.keys.iter().map(String::as_str).collect();
    header.extend(["trades", "cost bp/y", "track. error", "objective bp/y", ""]);
    let mut out = table(&header);
    let least = tuned.trials.iter().map(|t| t.objective).fold(f64::INFINITY, f64::min);
    let mut trials: Vec<&Trial> = tuned.trials.iter().filter(|t| t.on_frontier).collect();
    trials.sort_by(|a, b| a.metrics.cost_rate.total_cmp(&b.metrics.cost_rate));
    for t in trials {
        let parameters: Vec<String> = t.parameters.iter().map(ToString::to_string).collect();
        let mut numbers = parameters;
        numbers.extend([
            t.metrics.trades.to_string(),
            bp(t.metrics.cost_rate),
            percent(t.metrics.tracking_error),
            bp(t.objective),
        ]);
        numbers.push(if t.objective <= least { "least".to_owned() } else { String::new() });
        out.add_row(row(&[], numbers));
    }
    out.to_string()
}

/// The walk forward.
pub fn walk(tuned: &Tuned) -> String {
    let mut header = vec!["fold"];
    header.extend(tuned.keys.iter().map(String::as_str));
    header.extend(["chosen at bp/y", "out of sample bp/y", "hindsight bp/y"]);
    let mut out = table(&header);
    for step in &tuned.walk {
        let mut numbers = vec![(step.fold + 1).to_string()];
        numbers.extend(step.parameters.iter().map(ToString::to_string));
        numbers.extend([bp(step.in_sample), bp(step.out_of_sample), bp(step.hindsight)]);
        out.add_row(row(&[], numbers));
    }
    out.to_string()
}
