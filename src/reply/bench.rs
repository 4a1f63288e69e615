//! What an answer costs.

use std::hint::black_box;

use http::HeaderMap;

use super::Reply;
use crate::config::SourceConfig;

/// The answers of a source.
#[derive(Debug)]
pub struct Answers(Reply);

impl Answers {
    /// Makes them, as at start.
    pub fn new(source: &SourceConfig) -> Self {
        Self(Reply::new(&source.reply, &source.refuse, false))
    }

    /// Makes the answer to an event that was taken, and gives back the map of its headers, as hyper takes it for the connection's next
    /// request.
    pub fn accepted(&self, id: &str, event_type: &str, headers: HeaderMap) -> HeaderMap {
        let (head, body) = self.0.accepted(|| (id, Some(event_type)), headers).into_parts();
        drop(black_box(body));
        head.headers
    }
}
