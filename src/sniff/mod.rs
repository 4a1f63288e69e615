//! The event's type and delivery id, found where the provider puts them without building a document.
//!
//! ```text
//! request line  /hooks/{segment}?name=value     looked up
//! headers       x-github-event: push            looked up
//! body          {"id":"evt_1","data":{…},"type":"invoice.paid"}
//!                ^^^^ compared ^^^^^^^^ skipped   ^^^^^^^^^^^^ a range of the body
//! ```
//!
//! Runs on the io thread, between the last byte of a body and its answer. Nothing is copied or allocated unless a text has
//! escapes; the body is never changed. A body that is not JSON, or is cut off, or lies, ends in "not found": never in a
//! panic, and never in a text that is not there.

mod escape;

mod json;

mod query;

mod scan;

mod sniffer;

#[cfg(test)]
mod tests;

pub(crate) use query::parameter;
pub(crate) use sniffer::{Sniffer, find};
