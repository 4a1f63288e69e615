//! What is fed with arbitrary bytes: one function for each reader of what others write. Each panics where something does not
//! hold that must hold of any bytes; what that is, the `fuzz.rs` of the room says, and of the
//! whole way [`requests`].
//!
//! `fuzz/fuzz_targets` hands them to libFuzzer, [`mutated`] to the ordinary tests.

mod requests;

#[cfg(test)]
mod mutated;

/// A JSON body that is looked into, and taken apart.
pub fn json(data: &[u8]) {
    crate::sniff::fuzz::json_type(data);
}

/// A request whose type may be in a query, a form, XML or a `CloudEvent`.
pub fn formats(data: &[u8]) {
    crate::sniff::fuzz::formats(data);
}

/// A compressed body.
pub fn inflate(data: &[u8]) {
    crate::sniff::fuzz::inflate(data);
}

/// A request to a source that proves its sender.
pub fn admission(data: &[u8]) {
    crate::admit::fuzz::admission(data);
}

/// A source whose scheme is described in the configuration, and a body that is signed for it.
pub fn scheme(data: &[u8]) {
    crate::admit::fuzz::scheme(data);
}

/// Requests on a connection of a gateway.
pub fn requests(data: &[u8]) {
    requests::on_a_connection(data);
}

/// What a balancer puts before a connection.
pub fn proxy_header(data: &[u8]) {
    crate::listen::fuzz::proxy_header(data);
}

/// The main file of a configuration.
pub fn config(data: &[u8]) {
    crate::config::fuzz::text(data);
}

/// A block of the log of attempts.
pub fn attempts(data: &[u8]) {
    crate::routes::attempts_fuzz::log(data);
}

/// A file of the quarantine.
pub fn quarantine(data: &[u8]) {
    crate::quarantine::fuzz::entry(data);
}

/// What a poll remembers.
pub fn poll_memory(data: &[u8]) {
    crate::poll::fuzz::memory(data);
}

/// Records of the journal.
pub fn journal_records(data: &[u8]) {
    crate::journal::fuzz::records(data);
}

/// A batch of records.
pub fn journal_batch(data: &[u8]) {
    crate::journal::fuzz::batch(data);
}

/// The header of a segment.
pub fn journal_header(data: &[u8]) {
    crate::journal::fuzz::header(data);
}

/// An index page.
pub fn journal_page(data: &[u8]) {
    crate::journal::fuzz::page(data);
}
