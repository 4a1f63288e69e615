//! `loadtest sweep`: which settings take the most events within a latency.
//!
//! ```text
//! settings ─▶ a short look at each ─▶ the better half, longer ─▶ … ─▶ the best, at many rates
//! ```
//! A look ([`trial`]) asks first how much a gateway with these settings takes, and then searches for the highest rate on
//! schedule at which it keeps up and meets the target. What was in its way is told by the CPU time of its threads
//! ([`busy`]).

mod args;

mod settings;

mod trial_config;

mod stand_in;

mod busy;

mod trial;

mod results;

mod html;

mod conduct;

pub(crate) use args::SweepArgs;
pub(crate) use conduct::run;
