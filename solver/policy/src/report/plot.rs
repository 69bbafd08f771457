//! SVG plots. No font is loaded: the text is set by whoever opens the file.

use std::path::Path;

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::table::thousands;
use crate::{
    backtest::{Filled, Outcome, Point},
    time::{Span, Time},
    tune::Tuned,
};

/// Why there is no plot.
#[derive(Debug, thiserror::Error)]
#[error("the plot: {0}")]
pub struct PlotError(String);

fn failed(e: impl std::fmt::Display) -> PlotError {
    PlotError(e.to_string())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Colours that stay apart for most colour-blind readers (Okabe and Ito), then again in darker shades.
const COLOURS: [RGBColor; 10] = [
    RGBColor(110, 110, 110),
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(120, 94, 0),
    RGBColor(0, 70, 60),
    RGBColor(90, 40, 120),
];

fn colour(i: usize) -> RGBColor {
    COLOURS.get(i % COLOURS.len()).copied().unwrap_or(BLACK)
}

const WIDTH: u32 = 1_280;
const TEXT: (&str, u32) = ("sans-serif", 15);
const SMALL: (&str, u32) = ("sans-serif", 14);
const LEGEND: u32 = 270;

/// A legend right of a chart: a swatch and a name per line.
fn legend(area: &Area<'_>, names: &[(String, RGBColor)]) -> Result<(), PlotError> {
    let style = TextStyle::from(SMALL.into_font()).pos(Pos::new(HPos::Left, VPos::Center));
    for (i, (name, colour)) in names.iter().enumerate() {
        let y = 44 + 22 * i as i32;
        area.draw(&PathElement::new(vec![(8, y), (30, y)], colour.stroke_width(3))).map_err(failed)?;
        area.draw_text(name, &style, (38, y)).map_err(failed)?;
    }
    Ok(())
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let room = (high - low).max(high.abs() * 1e-3).max(1e-6) * 0.06;
    (low - room, high + room)
}

fn day(t: &f64) -> String {
    Time::from_unix(*t as i64).to_string().chars().take(10).collect()
}

fn x(point: &Point) -> f64 {
    point.time.unix() as f64
}

/// A name, its colour, and its points.
type Line = (String, RGBColor, Vec<(f64, f64)>);

/// One chart of lines over time with its legend; `more` draws on top.
struct Panel<'a> {
    title: &'a str,
    unit: &'a str,
    lines: Vec<Line>,
    format: &'a dyn Fn(&f64) -> String,
}

impl Panel<'_> {
    fn draw(&self, area: &Area<'_>, span: (f64, f64)) -> Result<(), PlotError> {
        let (left, right) = area.split_horizontally(WIDTH - LEGEND);
        let (low, high) = bounds(self.lines.iter().flat_map(|l| l.2.iter().map(|p| p.1)));
        let mut chart = ChartBuilder::on(&left)
            .caption(self.title, ("sans-serif", 19))
            .margin(10)
            .x_label_area_size(36)
            .y_label_area_size(86)
            .build_cartesian_2d(span.0..span.1, low..high)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.10))
            .x_labels(9)
            .y_labels(7)
            .x_label_formatter(&day)
            .y_label_formatter(self.format)
            .y_desc(self.unit)
            .x_desc("date (UTC)")
            .label_style(SMALL)
            .axis_desc_style(TEXT)
            .draw()
            .map_err(failed)?;
        for (_, colour, line) in &self.lines {
            chart.draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2))).map_err(failed)?;
        }
        let names: Vec<_> = self.lines.iter().map(|(name, colour, _)| (name.clone(), *colour)).collect();
        legend(&right, &names)
    }
}

/// Values of all policies, their difference from the first, and weights with bands and trades of `detail`.
///
/// # Errors
/// If the file cannot be written, or nothing was recorded.
pub fn backtest(path: &Path, outcomes: &[Outcome], detail: usize, numeraire: &str) -> Result<(), PlotError> {
    let first = outcomes.first().ok_or_else(|| failed("no policy"))?;
    let focus = outcomes.get(detail).unwrap_or(first);
    let span = match (first.path.first(), first.path.last()) {
        (Some(a), Some(b)) if x(a) < x(b) => (x(a), x(b)),
        _ => return Err(failed("nothing was recorded")),
    };
    let compare = outcomes.len() > 1;
    let heights: [u32; 3] = [380, if compare { 320 } else { 0 }, 430];
    let root = SVGBackend::new(path, (WIDTH, heights.iter().sum())).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let (values, rest) = root.split_vertically(heights[0]);
    let (differences, weights) = rest.split_vertically(heights[1]);

    let line = |o: &Outcome| o.path.iter().map(|p| (x(p), p.value)).collect::<Vec<_>>();
    let lines = outcomes.iter().enumerate().map(|(i, o)| (o.policy.clone(), colour(i), line(o))).collect();
    let unit = format!("value ({numeraire})");
    Panel { title: "Portfolio value", unit: &unit, lines, format: &|v| thousands(*v) }.draw(&values, span)?;
    if compare {
        let relative = |o: &Outcome| {
            let both = o.path.iter().zip(&first.path);
            both.map(|(p, base)| (x(p), (p.value / base.value - 1.0) * 100.0)).collect::<Vec<_>>()
        };
        let lines = outcomes.iter().enumerate().map(|(i, o)| (o.policy.clone(), colour(i), relative(o))).collect();
        let title = format!("Value against “{}”", first.policy);
        Panel {
            title: &title,
            unit: "difference (%)",
            lines,
            format: &|v| if v.abs() < 0.05 { "0".to_owned() } else { format!("{v:+.1}") },
        }
        .draw(&differences, span)?;
    }
    weights_panel(&weights, focus, span)?;
    root.present().map_err(failed)
}

/// Weights, targets (dashed), bands (shaded) and trades (triangles) of one policy.
fn weights_panel(area: &Area<'_>, outcome: &Outcome, span: (f64, f64)) -> Result<(), PlotError> {
    let (left, right) = area.split_horizontally(WIDTH - LEGEND);
    let n = outcome.assets.len();
    let at = |list: &[f64], i: usize| list.get(i).copied().unwrap_or(0.0);
    let all = outcome.path.iter().flat_map(|p| p.weights.iter().copied().map(|w| w * 100.0));
    let edges = outcome.path.iter().flat_map(|p| {
        let half = |i: usize| Some(at(&p.bands, i)).filter(|b| b.is_finite()).unwrap_or(0.0);
        (0..n).flat_map(move |i| [(at(&p.target, i) - half(i)) * 100.0, (at(&p.target, i) + half(i)) * 100.0])
    });
    let (low, high) = bounds(all.chain(edges));
    let mut chart = ChartBuilder::on(&left)
        .caption(format!("Weights under “{}”: targets dashed, bands shaded, trades marked", outcome.policy), ("sans-serif", 19))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(86)
        .build_cartesian_2d(span.0..span.1, low.max(0.0)..high.min(100.0))
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.10))
        .x_labels(9)
        .y_labels(9)
        .x_label_formatter(&day)
        .y_label_formatter(&|w| format!("{w:.0}"))
        .y_desc("weight (%)")
        .x_desc("date (UTC)")
        .label_style(SMALL)
        .axis_desc_style(TEXT)
        .draw()
        .map_err(failed)?;
    for i in 0..n {
        let tint = colour(i + 1);
        let banded = outcome.path.iter().filter(|p| at(&p.bands, i).is_finite());
        let edge = |sign: f64| banded.clone().map(move |p| (x(p), (at(&p.target, i) + sign * at(&p.bands, i)) * 100.0));
        let ring: Vec<(f64, f64)> = edge(1.0).chain(edge(-1.0).collect::<Vec<_>>().into_iter().rev()).collect();
        if ring.len() > 3 {
            chart.draw_series([Polygon::new(ring, tint.mix(0.12))]).map_err(failed)?;
        }
        let target: Vec<_> = outcome.path.iter().map(|p| (x(p), at(&p.target, i) * 100.0)).collect();
        chart.draw_series(DashedLineSeries::new(target, 6, 5, tint.mix(0.8).stroke_width(1))).map_err(failed)?;
        let weight = outcome.path.iter().map(|p| (x(p), at(&p.weights, i) * 100.0));
        chart.draw_series(LineSeries::new(weight, tint.stroke_width(2))).map_err(failed)?;
    }
    // Beyond a few hundred the marks would hide the lines.
    let every = outcome.trades.len().div_ceil(400).max(1);
    for trade in outcome.trades.iter().step_by(every) {
        for i in 0..n {
            mark(&mut chart, trade, i)?;
        }
    }
    let mut names: Vec<(String, RGBColor)> = outcome.assets.iter().enumerate().map(|(i, a)| (a.clone(), colour(i + 1))).collect();
    let shown = if every > 1 { format!(", 1 in {every} shown") } else { String::new() };
    names.push((format!("▲ buys ▼ sells ({} trades{shown})", outcome.trades.len()), WHITE));
    legend(&right, &names)
}

type Chart<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>>;

fn mark(chart: &mut Chart<'_, '_>, trade: &Filled, i: usize) -> Result<(), PlotError> {
    let (Some(side), Some(weight)) = (trade.sides.get(i), trade.weights.get(i)) else { return Ok(()) };
    if *side == 0 {
        return Ok(());
    }
    let at = (trade.time.unix() as f64, weight * 100.0);
    let up = if *side > 0 { -1 } else { 1 };
    let triangle = EmptyElement::at(at) + Polygon::new(vec![(0, 6 * up), (5, -4 * up), (-5, -4 * up)], colour(i + 1).mix(0.9));
    chart.draw_series([triangle]).map_err(failed).map(|_| ())
}

/// All candidates as points of cost against tracking error, the frontier joined, the walk's choices ringed.
///
/// # Errors
/// If the file cannot be written.
pub fn frontier(path: &Path, tuned: &Tuned, years: Span) -> Result<(), PlotError> {
    let point = |i: usize| tuned.trials.get(i).map(|t| (t.metrics.cost_rate * 1e4, t.metrics.tracking_error * 100.0));
    let all: Vec<(f64, f64)> = (0..tuned.trials.len()).filter_map(point).collect();
    let root = SVGBackend::new(path, (WIDTH, 640)).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let (left, right) = root.split_horizontally(WIDTH - LEGEND);
    let (low_x, high_x) = bounds(all.iter().map(|p| p.0));
    let (low_y, high_y) = bounds(all.iter().map(|p| p.1));
    let title = format!("Cost against tracking error: {} candidates over {:.1} years", all.len(), years.years());
    let mut chart = ChartBuilder::on(&left)
        .caption(title, ("sans-serif", 19))
        .margin(10)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(low_x.max(-0.5)..high_x, low_y.max(0.0)..high_y)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.10))
        .x_desc("cost (basis points of the value a year)")
        .y_desc("tracking error (% a year)")
        .y_label_formatter(&|y| format!("{y:.1}"))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .label_style(SMALL)
        .axis_desc_style(TEXT)
        .draw()
        .map_err(failed)?;
    chart.draw_series(all.iter().map(|p| Circle::new(*p, 3, colour(0).mix(0.45).filled()))).map_err(failed)?;
    let mut edge: Vec<(f64, f64)> =
        tuned.trials.iter().enumerate().filter(|(_, t)| t.on_frontier).filter_map(|(i, _)| point(i)).collect();
    edge.sort_by(|a, b| a.0.total_cmp(&b.0));
    chart.draw_series(LineSeries::new(edge.iter().copied(), colour(1).stroke_width(2))).map_err(failed)?;
    chart.draw_series(edge.iter().map(|p| Circle::new(*p, 4, colour(1).filled()))).map_err(failed)?;
    let chosen: Vec<(f64, f64)> = tuned.walk.iter().filter_map(|step| point(step.chosen)).collect();
    chart.draw_series(chosen.iter().map(|p| Circle::new(*p, 9, colour(4).stroke_width(2)))).map_err(failed)?;
    let names = [
        ("candidate".to_owned(), colour(0)),
        ("frontier".to_owned(), colour(1)),
        ("chosen on the walk (ring)".to_owned(), colour(4)),
    ];
    legend(&right, &names)?;
    root.present().map_err(failed)
}
