//! Optimal routing: the cheapest joint execution of trades over a graph of markets, with a bound on what any could reach.
//!
//! # The model
//! Tokens t, markets p with convex sets of trades, offers l at fixed rates. Choose a trade of each market and a fill of each offer to
//!
//! ```text
//! maximise    Σ weight_t·z_t
//! subject to  z = endowment + Σ trades + fills − gas of the markets used,   z_t ≥ 0
//! ```
//!
//! Arbitrage is no special case: a cycle that pays is part of the optimum, and its profit pays for the rest.
//!
//! # How it is solved
//! ```text
//! Markets ── Snapshot::new ──► Snapshot            flat arrays, the graph of hops
//!                                 │ clearing_prices ──► warm prices, once for many problems
//!                                 │ Ceiling ──► what no routing of an order can be worth: most that are of no use are seen by that
//! Problem ────────────────────► solve ──► Outcome  { flows, fills, prices, certificate, status }
//!                                 │  path      the best single path and the best few: incumbents
//!                                 │  dual      prices of a choice of markets, by Newton or an interior point: its worth
//!                                 │  solve     which markets: drop what does not earn its gas, add what would
//!                                 │  program   the linear programme: prices into flows
//!                                 └► certificate: worth, bound over the markets kept, bound over all
//! ```
//!
//! The dual function g(ν) = endowment·ν + Σ π_p(ν) bounds the worth at any prices ν ≥ weights, π_p being what market p can earn; with a
//! fixed gas it is Σ max(0, π_p(ν) − gas_p). One evaluation costs O(markets), and touches the curves only of those that trade.
//!
//! Many orders at once are markets too: [`Batch`] adds them to the others and chooses among both, and [`ToClear`] finds one price a token
//! at which every order that is filled is paid what the markets and the other orders bring.
//!
//! Sources: Angeris, Evans, Chitra, Boyd, "Optimal Routing for Constant Function Market Makers" (2022); Diamandis, Resnick, Chitra,
//! Angeris, "An Efficient Algorithm for Optimal Routing Through Constant Function Market Makers" (2023); Diamandis, Angeris, "Convex
//! Network Flows" (2024); Escudero, Lara, Sama, "Optimal Routing across CFMMs with Gas Fees" (2026).
//!
//! Everything is in value units: an amount times the reference price of its token, so that one unit of any token is worth about one of
//! any other. Nothing here does I/O, reads a clock, or knows of integers.
//!
//! ```
//! use ballast_routing::curve::{Curve, Product};
//! use ballast_routing::{Budget, Markets, Problem, Snapshot, Wanted, solve};
//!
//! // Two pools of one pair: 100 units are best split by depth.
//! let mut markets = Markets::new(2);
//! for depth in [1e4, 3e4] {
//!     let pool = Product::new([depth, depth], 0.003).ok_or("a pool")?;
//!     markets.add(&[0, 1], Curve::Product(pool), 60e3)?;
//! }
//! let problem = Problem {
//!     endowment: vec![(0, 100.0)],
//!     wanted: vec![Wanted { token: 1, weight: 1.0, free: true }],
//!     ..Problem::default()
//! };
//! let outcome = solve(&Snapshot::new(markets), &problem, None, &[], &Budget::default());
//! let sold: Vec<f64> = outcome.flows.iter().map(|flow| -flow.trade[0]).collect();
//! assert!((sold[0] - 25.0).abs() < 1e-3 && (sold[1] - 75.0).abs() < 1e-3);
//! assert!(outcome.certificate.convex_gap() < 1e-6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(not(any(feature = "microlp", feature = "highs")))]
compile_error!("ballast-routing needs a linear-programming back-end: enable the feature `microlp` (the default) or `highs`");

mod budget;
pub mod curve;
mod dual;
mod market;
mod path;
mod problem;
mod program;
mod solve;
mod view;

pub use budget::Budget;
pub use market::{MarketError, MarketId, Markets, Token};
pub use path::{Hop, Hops, Path, Paths};
pub use problem::{Bundle, Certificate, Flow, GasPrice, Limit, Outcome, Problem, Status, Wanted};
pub use program::ProgramError;
pub use program::uniform::{Claim, Clearing, Distance, Exact, Presence, ToClear, Trade};
pub use solve::basket::{Basket, Group, Position, Rebalanced, Tight, bound, rebalance, rebalance_again};
pub use solve::batch::{Batch, Bounds, Effort, Extent, Joint, Leftover, Opening, Order, Start};
pub use solve::ceiling::{Ceiling, Height};
pub use solve::{Search, Snapshot, clearing_prices, flows_at, solve, trading_prices, unclaimed};
