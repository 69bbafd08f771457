//! The engine: auctions in, verified settlements out.
//!
//! The way of an auction: [`auction`] reads the request into exact, dense types → [`batch::liquidity`] lays the pools out in value
//! units, less those that are dead, dust or poisoned → [`batch::compile`] makes an order a problem → [`ballast_routing::solve()`]
//! returns flows, prices, bound and status → [`batch::plan`] turns flows into exact swaps in an executable order → [`batch::bid`] sets
//! clearing prices → [`settlement::verify`] passes it or names why not. [`engine`] owns the loop, [`pipeline`] puts
//! it under an operator's [`config`], `api` serves it.

#[cfg(feature = "serve")]
pub mod api;
pub mod archive;
pub mod auction;
pub mod batch;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
#[cfg(feature = "chain")]
pub mod devnet;
pub mod engine;
pub mod explain;
pub mod intent;
#[cfg(feature = "serve")]
mod intents;
pub mod jit;
pub mod market;
pub mod pipeline;
pub mod settlement;
mod wide;
