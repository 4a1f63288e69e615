//! The event's type and delivery id, found where the provider puts them without building a document.
//!
//! ```text
//! request line  /hooks/{segment}?name=value     looked up
//! headers       x-github-event: push, ce-type    looked up
//! body          {"id":"evt_1","data":{…},"type":"invoice.paid"}
//!                ^^^^ compared ^^^^^^^^ skipped   ^^^^^^^^^^^^ a range of the body
//!               From=%2B1&MessageStatus=sent     fields passed over, one decoded
//!               <e:Envelope><Body><Status>…      tags passed over, one text decoded
//! ```
//!
//! Runs on the io thread, between the last byte of a body and its answer. Nothing is copied or allocated unless a text has
//! escapes, or the body is XML; the body is never changed. One that is not what it should be, or is cut off, or lies, ends
//! in "not found": never in a panic, and never in a text that is not there.

mod cloudevent;

mod escape;

mod form;

mod inflate;

mod json;

#[cfg(target_arch = "x86_64")]
mod avx2;

mod scan;

mod sniffer;

mod split;

mod text;

mod xml;

#[cfg(any(test, feature = "fuzzing"))]
mod agreement;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

#[cfg(any(test, feature = "fuzzing"))]
mod unique_keys;

#[cfg(test)]
mod tests;

pub(crate) use cloudevent::is_batch;
pub(crate) use form::parameter;
pub(crate) use inflate::{Coding, InflateError, UnknownCoding};
pub(crate) use sniffer::{Sniffer, find};
pub(crate) use split::{SplitError, elements, lines};
