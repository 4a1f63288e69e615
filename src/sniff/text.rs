//! A text that was found in a body.

use std::ops::Range;

/// The text of a member, a field or an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// These bytes of the body, which are UTF-8 and mean what they say.
    Plain(Range<usize>),
    /// What had to be decoded.
    Decoded(String),
}

impl Text {
    /// The text, given the body it was found in.
    pub(crate) fn in_body<'text>(&'text self, body: &'text [u8]) -> &'text str {
        match self {
            Text::Plain(range) => {
                body.get(range.clone()).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
            }
            Text::Decoded(text) => text,
        }
    }
}
