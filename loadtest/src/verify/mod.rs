//! `loadtest verify`: whether everything that was acknowledged arrives, once, and in which order.
//!
//! ```text
//! client ─ ids noted when answered 2xx ─▶ gateway ─▶ processors ─ ids noted when they arrive ─▶ judge
//! ```
//! Client and processors are this process, so that one clock orders all.

mod args;

mod receiver;

mod judge;

mod conduct;

pub(crate) use args::VerifyArgs;
pub(crate) use conduct::{run, settle};
pub(crate) use judge::Verdict;
pub(crate) use receiver::Receiver;
