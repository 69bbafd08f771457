//! Writes the example prices: `cargo run -p ballast-policy --example generate_prices > solver/policy/examples/prices.csv`.
//!
//! Seed 20 260 101, ChaCha8; daily candles of three invented assets over two years. A test compares the file with this.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(ballast_policy::history::generate::Generator::example().csv().as_bytes())
}
