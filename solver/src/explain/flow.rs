//! A picture of a route: tokens in columns from what is sold to what is bought, swaps as bands as wide as the value that flows.
//!
//! A layered drawing as of Sugiyama: cycles are broken by taking back the fewest bands, columns are longest paths, a band over
//! several columns has a place of its own in each that it passes, and places are ordered by the mean of what leads to them. The bands taken
//! back run below everything, each in a lane of its own.

mod draw;
mod layout;

use ballast_routing::Token;

/// A swap in the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// What is given.
    pub from: Token,
    /// What is taken.
    pub to: Token,
    /// What flows; any unit.
    pub value: f64,
    /// The kind of venue, which chooses the colour.
    pub kind: &'static str,
    /// Two lines that say what it is.
    pub label: [String; 2],
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Lines above it, the first one large.
    pub title: Vec<String>,
    /// What is sold: the first column.
    pub sell: Token,
    /// What is bought: the last column.
    pub buy: Token,
    /// Every token with its label.
    pub tokens: Vec<(Token, String)>,
    /// The swaps.
    pub bands: Vec<Band>,
}

impl Picture {
    /// The picture as an SVG document.
    pub fn to_svg(&self) -> String {
        draw::document(self, &layout::Layout::new(self)).to_string()
    }
}
