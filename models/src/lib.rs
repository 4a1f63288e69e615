//! The hand-overs between hookgate's threads, in every way in which these can be interleaved and see each other's writes.
//!
//! The files of `src/` are included as they stand: what is explored is what runs. They take atomics and threads from
//! `crate::sync`, which here is made of loom's. Where they name something of the rooms around them there is a stand-in.
//!
//! A wake that is lost shows as a deadlock.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a model may stop")]
#![allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "a stand-in has the shape of what it stands for")]
#![expect(dead_code, reason = "the included files have more than the models use")]

#[path = "../../src/refusal.rs"]
mod refusal;

mod event;

mod journal;

mod routes;

mod sync;
