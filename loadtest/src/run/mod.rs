//! `loadtest run`: signed events at a steady rate, and what becomes of them.
//!
//! The main thread prepares, starts, shows progress and reports. Client threads ([`client`]) send; each has its own
//! runtime, connections, requests and counts, and shares nothing with the others while it runs.

mod args;

mod payloads;

mod id;

mod target;

mod prepare;

mod supply;

mod schedule;

mod pacer;

mod response;

mod connection;

mod client;

mod tally;

mod machine;

mod progress;

mod report;

mod table;

mod conduct;

pub(crate) use args::RunArgs;
pub(crate) use conduct::run;
pub(crate) use report::Report;
