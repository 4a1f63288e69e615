//! hookgate is a gateway for incoming webhooks: it proves who sent an event, learns its type, answers in the way and the
//! time its provider expects, and hands it to the processor deployed for that type.
//!
//! This file is the map. The rooms stand in the order in which an event walks through them; a room knows the rooms above
//! it and none below. `gateway` alone knows every room and wires them.

/// Where tests end the process at a moment they choose. Nothing in a release build.
mod failpoint;

/// What the models of `models/` put something explorable in the place of.
mod sync;

/// The nouns all rooms share: an event and the record its bytes lie in.
mod event;

/// Why a sender is refused: a value with a status and a label, not an error.
mod refusal;

/// Counts and latencies, kept per thread and summed when somebody looks.
mod counters;

/// The TOML file, checked and resolved.
pub mod config;

/// Sockets, io threads, connections and their limits.
mod listen;

/// Who may send: signatures, credentials, handshakes.
mod admit;

/// The event's type and delivery id, found without building a document.
mod sniff;

/// What "safe" means: events in segments on disk, synced before anybody is told so; duplicates; reading back.
mod journal;

/// What was refused and may yet be let in, kept with its reason.
mod quarantine;

/// The answer of each source for each outcome.
mod reply;

/// From an accepted event to deliveries: matching, queues, pools, retries, dead letters.
mod routes;

/// Where deliveries go.
mod sinks;

/// What has no webhook: asked for at an interval, and then an event like any other.
mod poll;

/// Health, metrics and control, on a listener of their own.
mod admin;

/// Builder, start and drain: the one place that knows every room.
mod gateway;

/// What is fed with arbitrary bytes, by `cargo fuzz` and by a test. No part of the interface.
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;

/// What `benches/` measures. No part of the interface.
#[cfg(feature = "benches")]
#[doc(hidden)]
pub mod bench;

/// The commands of the `hookgate` binary.
pub mod cli;

pub use admit::{AdmissionError, Message, Signer};
pub use event::Event;
pub use gateway::{Builder, Gateway, StartError, Stopped};
pub use routes::{Delivery, Lost};
pub use sinks::HandlerError;
