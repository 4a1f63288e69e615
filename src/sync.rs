//! How threads share and wait, for the code that is explored: every way in which its threads can be interleaved.
//!
//! The models in `models/` include that code as it stands here, with a module of this name of their own.

pub(crate) use std::sync::atomic;
pub(crate) use std::thread;

pub(crate) use tokio::sync::Notify;
pub(crate) use tokio::sync::mpsc;
pub(crate) use tokio::task::spawn_local;
