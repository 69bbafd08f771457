//! What the intent service remembers: intents, where each stands, and how it came there.
//!
//! ```text
//! accepted ─► waiting ⇄ triggered ─► solved ─► submitted ─► settled
//!                │  ▲        ▲          │          │
//!                │  └────────┼── failed ◄──────────┤ reverted, lost, or the plan no longer holds: solved anew
//!                └─► parked ─┘                     └─► waiting: the next slice
//!             any that is not submitted ─► cancelled, expired
//!
//! triggered ─► ordered: its orders stand at an order book ─► settled; waiting or failed once they have ended
//!                  └─► cancelling: by its owner, until they have ended ─► settled, cancelled
//! ```
//!
//! Each change is an event that is only ever added: when, why, with which numbers. The intent's row is what its events come to, and is written in the
//! same transaction; who changes it says which change they know as the last, so that of two at a time one is refused. What has been done
//! outside, a transaction above all, is written before it is done.
//!
//! One database, SQLite or PostgreSQL by its URL, may have several instances. A [`Lease`] lets one of them work at a time, and its token is held
//! against the lease in each change: who has lost it changes nothing any more.

mod error;
mod lease;
mod log;
mod post;
mod presence;
mod read;
mod status;
mod store;

pub use error::StoreError;
pub use lease::Lease;
pub use log::{Change, Event, Numbers};
pub use post::{NewIntent, Posted, Quota};
pub use read::{Filter, Listed, Page, Record, Slice};
pub use status::{Attempt, Block, Placed, State, Status};
pub use store::Store;
