//! What `benches/` measures that the interface does not show. No part of it, and in no release build.

pub use crate::journal::bench::Gathering;
pub use crate::reply::bench::Answers;
