//! The layout as SVG.

use std::collections::BTreeSet;

use svg::Document;
use svg::node::element::path::Data;
use svg::node::element::{Circle, Path, Rectangle, Text};

use super::Picture;
use super::layout::{BAR, HEAD, LABEL, Layout, Way};

const INK: &str = "#1f2933";
const QUIET: &str = "#52606d";
const OPACITY: f64 = 0.45;
/// What a character takes of its size, about.
const CHARACTER: f64 = 0.6;
const TITLE: [f64; 2] = [16.0, 12.0];
const SMALL: f64 = 11.0;

/// Colours that those who do not tell red from green tell apart (Okabe and Ito).
fn colour(kind: &str) -> &'static str {
    match kind {
        "constantProduct" => "#0072b2",
        "weightedProduct" => "#e69f00",
        "stable" => "#009e73",
        "concentratedLiquidity" => "#cc79a7",
        _ => "#999999",
    }
}

pub(super) fn document(picture: &Picture, layout: &Layout) -> Document {
    let size = |line: usize| TITLE[line.min(1)];
    let lines = picture.title.iter().enumerate().map(|(k, line)| 48.0 + CHARACTER * size(k) * line.chars().count() as f64);
    let (width, height) = (lines.fold(layout.width, f64::max).ceil(), layout.height.ceil());
    let mut document = Document::new()
        .set("viewBox", (0, 0, width, height))
        .set("width", width)
        .set("height", height)
        .set("font-family", "Helvetica, Arial, sans-serif")
        .add(Rectangle::new().set("width", width).set("height", height).set("fill", "white"));
    for (way, band) in layout.ways.iter().zip(&picture.bands) {
        document = document.add(path(way, colour(band.kind)));
    }
    for ((_, label), bar) in picture.tokens.iter().zip(&layout.bars) {
        document = document
            .add(Rectangle::new().set("x", bar.x).set("y", bar.y).set("width", BAR).set("height", bar.height).set("fill", INK))
            .add(text(label, bar.x + BAR / 2.0, bar.y - 6.0, 12.0, INK).set("text-anchor", "middle").set("font-weight", "bold"));
    }
    for ((way, _), band) in layout.ways.iter().zip(&picture.bands) {
        let (x, y) = match way {
            Way::Forward(points) => points.first().copied().unwrap_or_default(),
            Way::Back { from, .. } => *from,
        };
        let [first, second] = &band.label;
        document = document.add(text(first, x + 6.0, y - 3.0, SMALL, INK)).add(text(second, x + 6.0, y + 10.0, SMALL, QUIET));
    }
    let mut y = HEAD;
    for (index, line) in picture.title.iter().enumerate() {
        y += HEAD;
        document = document.add(text(line, 24.0, y, size(index), if index == 0 { INK } else { QUIET }));
    }
    legend(picture, document, y + HEAD)
}

fn legend(picture: &Picture, mut document: Document, y: f64) -> Document {
    let mut x = 30.0;
    for kind in picture.bands.iter().map(|b| b.kind).collect::<BTreeSet<_>>() {
        document = document.add(Circle::new().set("cx", x).set("cy", y - 4.0).set("r", 5).set("fill", colour(kind))).add(text(
            kind,
            x + 10.0,
            y,
            SMALL,
            QUIET,
        ));
        x += 34.0 + CHARACTER * SMALL * kind.len() as f64;
    }
    document.add(text("width: value at reference prices", x, y, SMALL, QUIET))
}

/// Text with a rim, so that it can be read on a band.
fn text(content: &str, x: f64, y: f64, size: f64, ink: &str) -> Text {
    Text::new(content)
        .set("x", x)
        .set("y", y)
        .set("font-size", size)
        .set("fill", ink)
        .set("stroke", "white")
        .set("stroke-width", 3)
        .set("stroke-linejoin", "round")
        .set("paint-order", "stroke")
}

fn path((way, width): &(Way, f64), colour: &str) -> Path {
    let path = Path::new();
    let path = match way {
        Way::Forward(points) => path.set("d", forward(points, width / 2.0)).set("fill", colour).set("fill-opacity", OPACITY),
        Way::Back { from, to, right, left, lane } => path
            .set("d", back(*from, *to, *right, *left, *lane))
            .set("fill", "none")
            .set("stroke", colour)
            .set("stroke-width", *width)
            .set("stroke-linejoin", "round")
            .set("stroke-opacity", OPACITY),
    };
    path.set("class", "band")
}

/// The upper edge there and the lower edge back: straight where the labels are, then bent.
fn forward(points: &[(f64, f64)], half: f64) -> Data {
    let pieces: Vec<[(f64, f64); 2]> = points.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
    let (Some(&[start, _]), Some(&[_, end])) = (pieces.first(), pieces.last()) else { return Data::new() };
    let mut data = Data::new().move_to((start.0, start.1 - half));
    for &[(x0, y0), (x1, y1)] in &pieces {
        let (bend, y0, y1) = (x0 + LABEL, y0 - half, y1 - half);
        let middle = f64::midpoint(bend, x1);
        data = data.line_to((x0, y0)).line_to((bend, y0)).cubic_curve_to((middle, y0, middle, y1, x1, y1));
    }
    data = data.line_to((end.0, end.1 + half));
    for &[(x0, y0), (x1, y1)] in pieces.iter().rev() {
        let (bend, y0, y1) = (x0 + LABEL, y0 + half, y1 + half);
        let middle = f64::midpoint(bend, x1);
        data = data.line_to((x1, y1)).cubic_curve_to((middle, y1, middle, y0, bend, y0)).line_to((x0, y0));
    }
    data.close()
}

/// Out, down to the lane, and back in.
fn back(from: (f64, f64), to: (f64, f64), right: f64, left: f64, lane: f64) -> Data {
    Data::new()
        .move_to(from)
        .line_to((right, from.1))
        .line_to((right, lane))
        .line_to((left, lane))
        .line_to((left, to.1))
        .line_to(to)
}
