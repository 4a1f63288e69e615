//! `loadtest backlog`: what happens when a processor is away for long.
//!
//! ```text
//! client ─▶ gateway ─▶ route-1 ─▶ a processor that is there
//!                 └──▶ route-0 ─▶ nobody … SIGKILL, start, stop, start … ─▶ a processor that is back, intake going on
//! ```

mod args;

mod conduct;

mod table;

pub(crate) use args::BacklogArgs;
pub(crate) use conduct::run;
