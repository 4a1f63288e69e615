//! A batch on its way: part of the writer.

use super::batch::BatchBuffer;
use super::id_hash::IdHash;
use super::receipt::Ticket;
use crate::event::Event;

/// The batch that is being gathered, and who waits for it.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) buffer: BatchBuffer,
    pub(super) events: Vec<Event>,
    /// One for each event.
    pub(super) waiting: Vec<Waiting>,
    /// Second copies of events in this very batch: what becomes of the first becomes of them.
    pub(super) copies: Vec<Waiting>,
}

pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) source: usize,
    pub(super) id: IdHash,
    /// Whether it takes part in the window of duplicates.
    pub(super) dedupe: bool,
}
