//! The answer of each source for each outcome, made ready at start.
//!
//! Providers differ in what they take for success: an empty 200, a JSON object, an XML acknowledgement with the event's id.
//! Status, headers and body of every answer exist before the first request; only an id or a type is filled in on the io
//! thread, escaped for the content type.

mod answer;

mod body;

mod handshake;

mod refusals;

mod shared;

mod template;

#[cfg(feature = "benches")]
pub(crate) mod bench;

pub(crate) use answer::Reply;
pub(crate) use body::{ReplyBody, ReplyBytes};
pub(crate) use handshake::{Asked, Handshaken, Handshakes};
pub(crate) use refusals::refused;
pub(crate) use shared::{close_after, health};
