//! A body whose bytes are all there: hyper writes its length and it with the head, in one go.

use std::convert::Infallible;
use std::io::Cursor;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;

/// The body of an answer.
#[derive(Debug, Default)]
pub(crate) struct ReplyBody(ReplyBytes);

/// What a body is made of.
#[derive(Debug)]
pub(crate) enum ReplyBytes {
    /// Made at start, or by somebody else.
    Shared(Bytes),
    /// Filled in for one event. A usual acknowledgement needs no allocation.
    Filled(Cursor<Filled>),
}

/// Holds hookgate's own acknowledgement with an id, and most that are configured.
pub(super) type Filled = SmallVec<[u8; 120]>;

impl ReplyBody {
    pub(crate) fn new(bytes: impl Into<ReplyBytes>) -> Self {
        Self(bytes.into())
    }
}

impl Body for ReplyBody {
    type Data = ReplyBytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<ReplyBytes>, Infallible>>> {
        let bytes = mem::take(&mut self.get_mut().0);
        Poll::Ready(bytes.has_remaining().then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        !self.0.has_remaining()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.remaining() as u64)
    }
}

impl Default for ReplyBytes {
    fn default() -> Self {
        Self::Shared(Bytes::new())
    }
}

impl<B: Into<Bytes>> From<B> for ReplyBytes {
    fn from(bytes: B) -> Self {
        Self::Shared(bytes.into())
    }
}

impl Buf for ReplyBytes {
    fn remaining(&self) -> usize {
        match self {
            Self::Shared(bytes) => bytes.remaining(),
            Self::Filled(filled) => filled.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes.chunk(),
            Self::Filled(filled) => filled.chunk(),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Shared(bytes) => bytes.advance(count),
            Self::Filled(filled) => filled.advance(count),
        }
    }
}
