//! What an HTTP/2 connection has besides: its open streams, and how much came that belongs to no request.

use std::cell::Cell;

use super::http2::{STREAM_WINDOW, UNASKED_MAX};

/// The streams of one connection.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Cell<u32>,
    /// Bytes read since a request began or a part of its body was taken.
    unasked: Cell<usize>,
    /// Bytes that may still come of bodies that were refused: their senders learn of it too late.
    excused: Cell<usize>,
    is_flooding: Cell<bool>,
}

impl Streams {
    /// A request has begun.
    pub(super) fn open(&self) {
        self.open.set(self.open.get() + 1);
        self.progress();
    }

    /// A request's answer is written, or nobody wants it any more. Whether it was the last one.
    pub(super) fn close(&self) -> bool {
        self.open.set(self.open.get().saturating_sub(1));
        self.are_all_closed()
    }

    pub(super) fn are_all_closed(&self) -> bool {
        self.open.get() == 0
    }

    /// A part of a body was taken.
    pub(super) fn progress(&self) {
        self.unasked.set(0);
    }

    /// A request was answered without its body having been read to the end.
    pub(super) fn excuse_body(&self) {
        self.excused.set(self.excused.get() + STREAM_WINDOW as usize);
    }

    /// So many bytes were read. Whether there are too many that no request needed: acknowledging a `PING` or `SETTINGS`
    /// costs this side as much as sending it costs the other.
    pub(super) fn are_flooded_by(&self, bytes: usize) -> bool {
        let unasked = self.unasked.get() + bytes;
        let excess = unasked.saturating_sub(UNASKED_MAX);
        let Some(excused) = self.excused.get().checked_sub(excess) else {
            self.is_flooding.set(true);
            return true;
        };
        self.excused.set(excused);
        self.unasked.set(unasked - excess);
        false
    }

    pub(super) fn is_flooding(&self) -> bool {
        self.is_flooding.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_request_needed_is_a_flood() {
        let streams = Streams::default();
        for _ in 0..100 {
            assert!(!streams.are_flooded_by(UNASKED_MAX));
            streams.progress();
        }
        streams.open();
        assert!(!streams.are_flooded_by(UNASKED_MAX));
        streams.excuse_body();
        assert!(!streams.are_flooded_by(STREAM_WINDOW as usize), "the body of a refused request");
        assert!(!streams.is_flooding());
        assert!(streams.are_flooded_by(1));
        assert!(streams.is_flooding());
    }

    #[test]
    fn the_last_stream_is_told_from_others() {
        let streams = Streams::default();
        streams.open();
        streams.open();
        assert!(!streams.close());
        assert!(streams.close());
    }
}
