//! What an HTTP/2 connection has besides: its open streams, and how much came that belongs to no request.
//!
//! hyper does not tell of the frames it answers or ignores by itself, so their heads are looked at as they pass: nine bytes
//! each, and the payload is skipped. Bodies and heads are none of this file's business: windows and h2's own limits bound them.

use std::cell::{Cell, RefCell};

use super::http2::UNASKED_MAX;

/// The streams of one connection.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Cell<u32>,
    frames: RefCell<Frames>,
    /// Bytes of frames that belong to no request, since a request began or a part of its body was taken.
    unasked: Cell<usize>,
    is_flooding: Cell<bool>,
}

/// Where in the frames of a connection the last read ended.
#[derive(Debug)]
struct Frames {
    /// Bytes to pass over: of the connection's preface, or of a payload.
    skip: usize,
    head: [u8; HEAD_LENGTH],
    /// How much of `head` is there.
    filled: usize,
}

const HEAD_LENGTH: usize = 9;

/// `PRI * HTTP/2.0…`
const PREFACE_LENGTH: usize = 24;

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

    /// These bytes were read. Whether too many by now are of frames that no request needs: acknowledging a `PING` or
    /// `SETTINGS` costs this side as much as sending it costs the other.
    pub(super) fn are_flooded_by(&self, bytes: &[u8]) -> bool {
        self.unasked.set(self.unasked.get() + self.frames.borrow_mut().unasked_in(bytes));
        self.is_flooding.set(self.is_flooding.get() || self.unasked.get() > UNASKED_MAX);
        self.is_flooding.get()
    }

    pub(super) fn is_flooding(&self) -> bool {
        self.is_flooding.get()
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self { skip: PREFACE_LENGTH, head: [0; HEAD_LENGTH], filled: 0 }
    }
}

impl Frames {
    /// How many bytes belong to the frames that begin in `bytes` and to no request.
    fn unasked_in(&mut self, mut bytes: &[u8]) -> usize {
        let mut unasked = 0;
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            if bytes.is_empty() {
                return unasked;
            }
            let (missing, rest) = bytes.split_at(bytes.len().min(HEAD_LENGTH - self.filled));
            let end = self.filled + missing.len();
            if let Some(part) = self.head.get_mut(self.filled..end) {
                part.copy_from_slice(missing);
            }
            bytes = rest;
            self.filled = end % HEAD_LENGTH;
            if end == HEAD_LENGTH {
                let [high, middle, low, kind, ..] = self.head;
                self.skip = u32::from_be_bytes([0, high, middle, low]) as usize;
                if !belongs_to_a_request(kind) {
                    unasked += HEAD_LENGTH + self.skip;
                }
            }
        }
    }
}

/// `DATA`, `HEADERS`, `RST_STREAM` and `CONTINUATION`: h2 counts what can go wrong with these.
fn belongs_to_a_request(kind: u8) -> bool {
    matches!(kind, 0 | 1 | 3 | 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let size = (length as u32).to_be_bytes();
        [&size[1..], &[kind, 0, 0, 0, 0, 1], vec![kind; length].as_slice()].concat()
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        let all =
            [vec![b'P'; PREFACE_LENGTH], frame(4, 6), frame(1, 20), frame(0, 3000), frame(6, 8), frame(0, 0)].concat();
        for step in [1, 7, 9, 24, 100, 5000] {
            let mut frames = Frames::default();
            let unasked: usize = all.chunks(step).map(|bytes| frames.unasked_in(bytes)).sum();
            assert_eq!(unasked, (9 + 6) + (9 + 8), "{step}");
            assert_eq!((frames.skip, frames.filled), (0, 0));
        }
    }

    #[test]
    fn only_what_no_request_needed_is_a_flood() {
        let streams = Streams::default();
        let ping = frame(6, 8);
        assert!(!streams.are_flooded_by(&[b'P'; PREFACE_LENGTH]));
        assert!(!streams.are_flooded_by(&frame(0, 16_000).repeat(1000)), "a body is bounded by its window");
        let just = UNASKED_MAX / ping.len();
        for _ in 0..3 {
            assert!(!streams.are_flooded_by(&ping.repeat(just)));
            streams.progress();
        }
        assert!(!streams.are_flooded_by(&ping.repeat(just)));
        assert!(streams.are_flooded_by(&ping));
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
