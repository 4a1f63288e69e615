//! Rooms together that know nothing of each other.

#![allow(clippy::unwrap_used)]

mod day;
