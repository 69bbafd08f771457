//! Where everything goes.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::greedy_feedback_arc_set;
use petgraph::graph::DiGraph;

use super::Picture;

/// Between a column and the next: the part that labels are in, and the part that bands bend in, besides those that turn there.
pub(super) const LABEL: f64 = 176.0;
const BEND: f64 = 110.0;
/// The width of a token's bar, and the height of its label.
pub(super) const BAR: f64 = 14.0;
pub(super) const HEAD: f64 = 20.0;
/// The least height that a band takes at a bar: two lines of text.
const SLOT: f64 = 31.0;
/// Between what stands in one column.
const GAP: f64 = 18.0;
/// The height of the bar through which most flows.
const TALLEST: f64 = 240.0;
const MARGIN: f64 = 64.0;
/// Around bands that run back.
pub(super) const LANE: f64 = 12.0;

/// A token's bar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub x: f64,
    /// Below its label.
    pub y: f64,
    pub height: f64,
}

/// A band's way: the middle line's heights at the bars and places that it passes, from left to right.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Way {
    /// From column to column.
    Forward(Vec<(f64, f64)>),
    /// Out at the first point, down to a lane, and back into the second.
    Back { from: (f64, f64), to: (f64, f64), right: f64, left: f64, lane: f64 },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub width: f64,
    pub height: f64,
    /// In the order of the picture's tokens.
    pub bars: Vec<Bar>,
    /// In the order of the picture's bands.
    pub ways: Vec<(Way, f64)>,
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Token(usize),
    /// A band that passes.
    Band(usize),
}

struct Graph<'a> {
    picture: &'a Picture,
    /// Tokens of each band, by place in the picture.
    ends: Vec<(usize, usize)>,
    back: BTreeSet<usize>,
    column: Vec<usize>,
    widths: Vec<f64>,
}

impl Layout {
    pub(super) fn new(picture: &Picture) -> Self {
        let graph = Graph::new(picture);
        let columns = graph.ordered(graph.places());
        graph.lay_out(&columns)
    }
}

impl<'a> Graph<'a> {
    fn new(picture: &'a Picture) -> Self {
        let at = |token| picture.tokens.iter().position(|(t, _)| *t == token).unwrap_or(0);
        let ends: Vec<(usize, usize)> = picture.bands.iter().map(|b| (at(b.from), at(b.to))).collect();
        let (sell, buy) = (at(picture.sell), at(picture.buy));
        // What leads to the first column or out of the last runs back, whatever else does.
        let mut back: BTreeSet<usize> = (0..ends.len()).filter(|&b| ends[b].1 == sell || ends[b].0 == buy).collect();
        let inner = ends.iter().enumerate().filter(|(b, _)| !back.contains(b)).map(|(b, &(i, o))| (i as u32, o as u32, b));
        let inner: DiGraph<(), usize> = DiGraph::from_edges(inner);
        let cycles: Vec<usize> = greedy_feedback_arc_set(&inner).map(|edge| *edge.weight()).collect();
        back.extend(cycles);
        // Longest paths: as many rounds as there are tokens settle them.
        let mut column = vec![1; picture.tokens.len()];
        for _ in 0..picture.tokens.len() {
            column[sell] = 0;
            for (band, &(from, to)) in ends.iter().enumerate() {
                if !back.contains(&band) {
                    column[to] = column[to].max(column[from] + 1);
                }
            }
        }
        column[buy] = column.iter().enumerate().filter(|(t, _)| *t != buy).map(|(_, c)| c + 1).max().unwrap_or(1);
        let mut through = vec![[0.0; 2]; picture.tokens.len()];
        for (band, &(from, to)) in picture.bands.iter().zip(&ends) {
            through[from][0] += band.value.max(0.0);
            through[to][1] += band.value.max(0.0);
        }
        let most = through.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
        let widths = picture.bands.iter().map(|band| (TALLEST * band.value / most).clamp(1.5, TALLEST)).collect();
        Self { picture, ends, back, column, widths }
    }

    fn slot(&self, band: usize) -> f64 {
        self.widths[band].max(SLOT)
    }

    /// The bands that a place takes in, or gives out.
    fn at(&self, place: Place, out: bool) -> Vec<usize> {
        match place {
            Place::Token(token) => {
                let end = |b: &usize| if out { self.ends[*b].0 } else { self.ends[*b].1 };
                (0..self.ends.len()).filter(|b| end(b) == token).collect()
            }
            Place::Band(band) => vec![band],
        }
    }

    fn height(&self, place: Place) -> f64 {
        let sum = |out| self.at(place, out).iter().map(|&b| self.slot(b)).sum::<f64>();
        match place {
            Place::Token(_) => HEAD + sum(true).max(sum(false)),
            Place::Band(band) => self.slot(band),
        }
    }

    /// What stands in each column.
    fn places(&self) -> Vec<Vec<Place>> {
        let mut columns = vec![Vec::new(); self.column.iter().max().map_or(0, |c| c + 1)];
        for (token, &column) in self.column.iter().enumerate() {
            columns[column].push(Place::Token(token));
        }
        for (band, &(from, to)) in self.ends.iter().enumerate().filter(|(b, _)| !self.back.contains(b)) {
            for column in &mut columns[self.column[from] + 1..self.column[to]] {
                column.push(Place::Band(band));
            }
        }
        columns
    }

    /// Orders each column by the mean place of what leads to it, then, going back, of what it leads to.
    fn ordered(&self, mut columns: Vec<Vec<Place>>) -> Vec<Vec<Place>> {
        let count = columns.len();
        for round in 0..4 {
            let forward = round % 2 == 0;
            for step in 1..count {
                let (at, other) = if forward { (step, step - 1) } else { (count - 1 - step, count - step) };
                let rank: BTreeMap<Place, f64> = columns[other].iter().copied().zip((0..).map(f64::from)).collect();
                let mean = |place: Place| {
                    let bands = self.at(place, !forward);
                    let ranks: Vec<f64> = bands.iter().filter_map(|&b| self.neighbour(b, other, &rank)).collect();
                    if ranks.is_empty() { f64::INFINITY } else { ranks.iter().sum::<f64>() / ranks.len() as f64 }
                };
                columns[at].sort_by(|&a, &b| mean(a).total_cmp(&mean(b)));
            }
        }
        columns
    }

    /// Where a band stands in a column.
    fn neighbour(&self, band: usize, column: usize, rank: &BTreeMap<Place, f64>) -> Option<f64> {
        if self.back.contains(&band) {
            return None;
        }
        let (from, to) = self.ends[band];
        let place = [from, to].into_iter().find(|&t| self.column[t] == column).map_or(Place::Band(band), Place::Token);
        rank.get(&place).copied()
    }

    fn lay_out(&self, columns: &[Vec<Place>]) -> Layout {
        let top = HEAD + HEAD * (self.picture.title.len() as f64 + 2.0);
        let tall = |column: &[Place]| column.iter().map(|&p| self.height(p) + GAP).sum::<f64>();
        let tallest = columns.iter().map(|c| tall(c)).fold(0.0, f64::max);
        let bend = BEND + self.back.iter().map(|&b| self.widths[b] + LANE).sum::<f64>();
        let x = |column: usize| MARGIN + column as f64 * (BAR + LABEL + bend) + if self.runs_back_to(0) { bend } else { 0.0 };
        let mut tops: BTreeMap<(usize, Place), f64> = BTreeMap::new();
        for (index, column) in columns.iter().enumerate() {
            let mut y = top + (tallest - tall(column)) / 2.0;
            for &place in column {
                tops.insert((index, place), y);
                y += self.height(place) + GAP;
            }
        }
        let bars: Vec<Bar> = (0..self.column.len())
            .map(|token| {
                let column = self.column[token];
                let y = tops.get(&(column, Place::Token(token))).copied().unwrap_or(top) + HEAD;
                Bar { x: x(column), y, height: self.height(Place::Token(token)) - HEAD }
            })
            .collect();
        let slots = [true, false].map(|out| self.slots(&bars, &tops, out));
        let mut lane = top + tallest;
        // In each column, how much is taken by bands that turn there.
        let mut turns: BTreeMap<(usize, bool), f64> = BTreeMap::new();
        let mut ways = Vec::with_capacity(self.ends.len());
        for (band, &(from, to)) in self.ends.iter().enumerate() {
            let (start, end) = ((bars[from].x + BAR, slots[0][band]), (bars[to].x, slots[1][band]));
            let width = self.widths[band];
            if self.back.contains(&band) {
                let mut turn = |column: usize, right: bool| {
                    let used = turns.entry((column, right)).or_insert(LANE / 2.0);
                    let middle = *used + width / 2.0;
                    *used += width + LANE / 2.0;
                    middle
                };
                let right = start.0 + LABEL + turn(self.column[from], true);
                let left = end.0 - turn(self.column[to], false);
                lane += LANE + width / 2.0;
                ways.push((Way::Back { from: start, to: end, right, left, lane }, width));
                lane += width / 2.0;
                continue;
            }
            let mut points = vec![start];
            for column in self.column[from] + 1..self.column[to] {
                let y = tops.get(&(column, Place::Band(band))).copied().unwrap_or(top) + self.slot(band) / 2.0;
                points.extend([(x(column), y), (x(column) + BAR, y)]);
            }
            points.push(end);
            ways.push((Way::Forward(points), width));
        }
        let last = columns.len().saturating_sub(1);
        let room = if self.runs_back_from(last) { LABEL + bend } else { 0.0 };
        Layout { width: x(last) + BAR + room + MARGIN, height: lane + HEAD, bars, ways }
    }

    fn runs_back_to(&self, column: usize) -> bool {
        self.back.iter().any(|&b| self.column[self.ends[b].1] == column)
    }

    fn runs_back_from(&self, column: usize) -> bool {
        self.back.iter().any(|&b| self.column[self.ends[b].0] == column)
    }

    /// The height at which each band leaves its bar, or reaches it: in the order of where they go, those that run back at last.
    fn slots(&self, bars: &[Bar], tops: &BTreeMap<(usize, Place), f64>, out: bool) -> Vec<f64> {
        let mut slots = vec![0.0; self.ends.len()];
        for (token, bar) in bars.iter().enumerate() {
            let beyond = |band: usize| {
                if self.back.contains(&band) {
                    return f64::INFINITY;
                }
                let (from, to) = self.ends[band];
                let (other, column) =
                    if out { (to, self.column[token] + 1) } else { (from, self.column[token].saturating_sub(1)) };
                let place = if self.column[other] == column { Place::Token(other) } else { Place::Band(band) };
                tops.get(&(column, place)).copied().unwrap_or(0.0)
            };
            let mut bands = self.at(Place::Token(token), out);
            bands.sort_by(|&a, &b| beyond(a).total_cmp(&beyond(b)));
            let used: f64 = bands.iter().map(|&b| self.slot(b)).sum();
            let mut y = bar.y + (bar.height - used) / 2.0;
            for band in bands {
                slots[band] = y + self.slot(band) / 2.0;
                y += self.slot(band);
            }
        }
        slots
    }
}
