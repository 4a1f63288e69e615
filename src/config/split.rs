//! `split`: a request that carries several events.

use super::Pointer;

/// Most events in one request.
pub(crate) const ITEMS_MAX: usize = 10_000;

/// How a body is taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Split {
    /// The elements of the JSON array that the pointer leads to; of the body itself if it is empty.
    Array(Pointer),
    /// A JSON document on each line.
    Lines,
    /// The elements of the body, if its content type says that it is a batch of CloudEvents.
    CloudEvents,
}

impl Split {
    /// Reads `lines`, `/items`, or nothing for an array that is the body.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "lines" => Some(Self::Lines),
            "" => Some(Self::Array(Pointer(Vec::new()))),
            pointer => Pointer::parse(pointer).map(Self::Array),
        }
    }
}
