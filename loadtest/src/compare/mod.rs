//! `loadtest compare`: hookgate and what one would use instead, in turn, on the same cores.
//!
//! ```text
//! for each size:  closed loop:  A B C … A B C …   ▶ rate, CPU per request
//!                 open loop, at half of hookgate's rate:  A B C … A B C …   ▶ latency
//! ```
//! A server is started for each sample, with an empty directory, alone on its cores. A sample that others have disturbed is
//! thrown away and taken again ([`crate::quiet`]).

mod args;

mod contender;

mod certificate;

mod rustls_alone;

mod started;

mod sample;

mod device;

mod results;

mod table;

mod html;

mod conduct;

mod idle;

pub(crate) use args::CompareArgs;
pub(crate) use conduct::run;
pub(crate) use idle::{IdleArgs, idle};
