//! Delivery ids: as wide as a UUID, no two alike, and cheap to turn into the next one.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hookgate::config::Pointer;
use serde_json::Value;

/// The ids of one thread: `RRRRRRRR-TTTT-4000-8000-NNNNNNNNNNNN`, of run, thread and number.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    text: [u8; Ids::WIDTH],
    next: u64,
}

impl Ids {
    /// Width of an id in bytes.
    pub(crate) const WIDTH: usize = 36;

    /// Ids of this thread in this run.
    pub(crate) fn new(run: u32, thread: u16) -> Self {
        let mut text = *b"00000000-0000-4000-8000-000000000000";
        write_hex(&mut text[..8], u64::from(run));
        write_hex(&mut text[9..13], u64::from(thread));
        Self { text, next: 0 }
    }

    /// The next id.
    pub(crate) fn next(&mut self) -> &[u8; Self::WIDTH] {
        write_hex(&mut self.text[24..], self.next);
        self.next += 1;
        &self.text
    }
}

/// A number that tells this run's ids from those of the runs before it.
pub(crate) fn run_number() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_micros() as u32) ^ std::process::id().rotate_left(16)
}

/// Where the string at `pointer` lies in a JSON body, its quotes not included; `None` if there is none.
///
/// The value may occur elsewhere too, so each occurrence is tried: it is the one if changing it changes the member.
pub(crate) fn find_in_body(body: &Bytes, pointer: &Pointer) -> Option<Range<usize>> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let quoted = serde_json::to_vec(member(&document, pointer)?.as_str()?).ok()?;
    (0..=body.len().checked_sub(quoted.len())?).filter(|&at| body[at..].starts_with(&quoted)).find_map(|at| {
        let inside = at + 1..at + quoted.len() - 1;
        let changed = replaced(body, &inside, MARK.as_bytes());
        let document: Value = serde_json::from_slice(&changed).ok()?;
        (member(&document, pointer)?.as_str()? == MARK).then_some(inside)
    })
}

/// `body` with `range` replaced.
pub(crate) fn replaced(body: &[u8], range: &Range<usize>, with: &[u8]) -> Vec<u8> {
    let mut changed = Vec::with_capacity(body.len() - range.len() + with.len());
    changed.extend_from_slice(&body[..range.start]);
    changed.extend_from_slice(with);
    changed.extend_from_slice(&body[range.end..]);
    changed
}

fn member<'d>(document: &'d Value, pointer: &Pointer) -> Option<&'d Value> {
    pointer.0.iter().try_fold(document, |value, segment| match value {
        Value::Object(members) => members.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

fn write_hex(slot: &mut [u8], mut number: u64) {
    for digit in slot.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

const MARK: &str = "an id that no payload has";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_run_thread_and_number() {
        let mut ids = Ids::new(0xdead_beef, 0x12);
        assert_eq!(ids.next(), b"deadbeef-0012-4000-8000-000000000000");
        assert_eq!(ids.next(), b"deadbeef-0012-4000-8000-000000000001");
        ids.next = 0xffff;
        assert_eq!(ids.next(), b"deadbeef-0012-4000-8000-00000000ffff");
        assert_eq!(ids.next(), b"deadbeef-0012-4000-8000-000000010000");
    }

    #[test]
    fn an_id_in_the_body_is_told_from_its_doubles() {
        let body = Bytes::from_static(br#"{"object":{"id":"evt_1"},"id" : "evt_1","last":"evt_1"}"#);
        let range = find_in_body(&body, &Pointer(vec!["id".into()])).expect("it is there");
        assert_eq!(range, 33..38);
        assert_eq!(replaced(&body, &range, b"x"), br#"{"object":{"id":"evt_1"},"id" : "x","last":"evt_1"}"#);
        assert_eq!(find_in_body(&body, &Pointer(vec!["object".into(), "id".into()])), Some(17..22));
    }

    #[test]
    fn a_body_without_the_member_has_no_id() {
        let body = Bytes::from_static(br#"{"id":7,"more":[]}"#);
        assert_eq!(find_in_body(&body, &Pointer(vec!["id".into()])), None);
        assert_eq!(find_in_body(&body, &Pointer(vec!["more".into(), "0".into()])), None);
        assert_eq!(find_in_body(&Bytes::new(), &Pointer(vec!["id".into()])), None);
    }
}
