//! Events in JSON: what is written of them alike wherever that is, and whether a body is JSON itself, all of it. What is copied
//! as it stands into other JSON would spoil that too if it were not.

use std::borrow::Cow;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use serde::Serialize;
use simd_json::{Buffers, Tape};

/// Many readers of JSON give up on nesting beyond 128, of which what it is put into takes some.
const DEPTH_MAX: usize = 100;

/// Bytes of scratch space to keep from one body to the next.
const SCRATCH_KEPT_BYTES: usize = 1 << 20;

/// Checks bodies, with buffers that are used again.
pub(super) struct JsonCheck {
    scratch: Vec<u8>,
    buffers: Buffers,
    tape: Option<Tape<'static>>,
}

impl JsonCheck {
    pub(super) fn new() -> Self {
        Self { scratch: Vec::new(), buffers: Buffers::with_max_depth(0, DEPTH_MAX), tape: None }
    }

    /// Whether it is one JSON document, nested no deeper than most can read. The check is a whole parse, which needs a copy
    /// that it overwrites.
    pub(super) fn is_json(&mut self, body: &[u8]) -> bool {
        if body.is_empty() {
            return false;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(body);
        let mut tape = self.tape.take().unwrap_or_else(Tape::null).reset();
        let valid = simd_json::fill_tape(&mut self.scratch, &mut self.buffers, &mut tape).is_ok();
        if body.len() > SCRATCH_KEPT_BYTES {
            *self = Self::new();
        } else {
            self.tape = Some(tape.reset());
        }
        valid
    }
}

/// Appends bytes as base64.
pub(super) fn push_base64(to: &mut Vec<u8>, bytes: &[u8]) {
    let start = to.len();
    to.resize(start + BASE64.encode_len(bytes.len()), 0);
    if let Some(room) = to.get_mut(start..) {
        BASE64.encode_mut(bytes, room);
    }
}

/// Appends a value. Strings always serialize.
pub(super) fn push_json<T: Serialize + ?Sized>(to: &mut Vec<u8>, value: &T) {
    let _ = serde_json::to_writer(to, value);
}

/// A header's value as text: UTF-8, or else what it is in ISO-8859-1.
pub(super) fn header_text(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

/// Appends a time in RFC 3339. The clock of a machine may be set to before 1970; what is written cannot.
pub(super) fn push_time(to: &mut Vec<u8>, time: SystemTime) {
    let _ = write!(to, "{}", humantime::format_rfc3339_millis(time.max(UNIX_EPOCH)));
}
