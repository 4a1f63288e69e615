//! What a batch costs before it is written.

use super::batch::{BatchBuffer, SegmentId};
use super::record;
use crate::event::{Event, EventParts, Sequence};

const ID: SegmentId = *b"0123456789abcdef";

/// Events that come together, and the buffer they are gathered in, which is used again as the writer's is.
#[derive(Debug)]
pub struct Gathering {
    events: Vec<Event>,
    buffer: BatchBuffer,
}

impl Gathering {
    /// An event for each body, as GitHub sends it.
    pub fn new<'body>(bodies: impl IntoIterator<Item = &'body [u8]>) -> Self {
        let now = record::now();
        let event = |body| {
            let parts = EventParts {
                source: "github",
                event_type: Some("issues.opened"),
                type_signed: true,
                id: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
                method: "POST",
                target: "/hooks/github",
                headers: b"content-type: application/json\r\nx-github-event: issues\r\n",
                body,
                received: now.1,
            };
            Event::from_parts(&parts, now)
        };
        Self { events: bodies.into_iter().map(event).collect(), buffer: BatchBuffer::default() }
    }

    /// The batch of these events, in whole blocks.
    pub fn batch(&mut self) -> &[u8] {
        self.buffer.clear();
        for event in &self.events {
            self.buffer.push_event(event);
        }
        self.buffer.seal(&ID, 1, Sequence(1))
    }
}
