//! The client: prepared requests, connections, schedule, counts. What every command measures with.
//!
//! The calling thread starts and watches ([`measure`](fn@measure)). Client threads ([`client`]) send; each has its own
//! runtime, connections, requests and counts, and shares nothing with the others while it runs.

mod payloads;

mod id;

mod target;

mod prepare;

mod supply;

mod schedule;

mod pacer;

mod work;

mod response;

mod stream;

mod connection;

mod returns;

mod client;

mod tally;

mod machine;

mod verdict;

mod measure;

pub(crate) use client::Acknowledged;
pub(crate) use connection::FailureKind;
#[cfg(test)]
pub(crate) use connection::{Exchange, Failure};
pub(crate) use id::Ids;
pub(crate) use machine::{Cpu, Others};
pub(crate) use measure::{Outcome, Plan, measure, probe};
pub(crate) use payloads::{Payload, Sizes, read};
pub(crate) use prepare::{Press, Request};
#[cfg(test)]
pub(crate) use response::Answer;
pub(crate) use response::Reader;
pub(crate) use returns::Returns;
pub(crate) use stream::{Dial, Tls};
#[cfg(test)]
pub(crate) use tally::Times;
pub(crate) use tally::{Live, Tally};
pub(crate) use target::Target;
pub(crate) use verdict::{Client, Quantiles, saturation, slipped};
pub(crate) use work::Work;
