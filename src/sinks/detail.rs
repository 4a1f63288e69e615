//! What a failure says to people: at most [`DETAIL_BYTES`] bytes of text.

use std::error::Error;
use std::fmt::Write;

use crate::routes::{Failure, FailureKind};

/// The most text a failure carries.
pub(super) const DETAIL_BYTES: usize = 512;

/// A failure with this text.
pub(super) fn failure(kind: FailureKind, detail: impl Into<String>) -> Failure {
    Failure { kind, detail: shortened(detail.into()), retry_after: None }
}

/// An error with its causes, unless a cause has been told by the error above it.
pub(super) fn of_error(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error) {
        let cause = cause.to_string();
        if !text.ends_with(&cause) {
            let _ = write!(text, ": {cause}");
        }
    }
    text
}

/// The causes below an error, the nearest first.
pub(super) fn causes<'error>(
    error: &'error (dyn Error + 'static),
) -> impl Iterator<Item = &'error (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// The start of an answer's body. Bytes that are not UTF-8 are shown as `\x` and two digits.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    let start = bytes.get(..DETAIL_BYTES).unwrap_or(bytes);
    let mut text = String::with_capacity(start.len());
    for chunk in start.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    shortened(text)
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(DETAIL_BYTES));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_and_other_bytes_are_spelled_out() {
        assert_eq!(of_bytes("größer".as_bytes()), "größer");
        assert_eq!(of_bytes(b"a\xff\x00b"), "a\\xff\0b");
    }

    #[test]
    fn no_more_than_the_limit_is_kept_and_no_character_is_cut() {
        let long = "ü".repeat(400);
        assert_eq!(of_bytes(long.as_bytes()).len(), DETAIL_BYTES);
        assert_eq!(failure(FailureKind::Io, format!("a{long}")).detail.len(), DETAIL_BYTES - 1);
        assert!(of_bytes(&[0xff; 600]).len() <= DETAIL_BYTES);
    }

    #[test]
    fn an_error_is_told_with_its_causes_once() {
        let inner = std::io::Error::other("disk on fire");
        let error = crate::sinks::SinkError::Stdout { route: "r".to_owned(), source: inner };
        assert_eq!(of_error(&error), "route `r`: standard output cannot be used: disk on fire");
    }
}
