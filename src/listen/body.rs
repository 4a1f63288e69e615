//! Reading a body into the draft of an event: each frame is copied once and dropped, so that hyper reuses its buffer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Poll, ready};

use http_body::{Body, Frame};
use hyper::body::{Bytes, Incoming};

use super::connection::Connection;
use crate::event::Draft;
use crate::refusal::Refusal;

/// Refuses a body whose announced length is over `max`.
pub(super) fn check_length(body: &Incoming, max: usize) -> Result<(), Refusal> {
    match body.size_hint().exact() {
        Some(length) if length > max as u64 => Err(Refusal::BodyTooLarge),
        _ => Ok(()),
    }
}

/// Reads the body to its end. An announced length is reserved at once, a chunked body as it comes. `on_frame` sees each
/// frame while it is in cache.
pub(super) async fn read(
    body: &mut Incoming,
    max: usize,
    connection: &Connection,
    draft: &mut Draft,
    mut on_frame: impl FnMut(&[u8]),
) -> Result<(), Refusal> {
    check_length(body, max)?;
    // hyper sees to it that no more comes than was announced.
    let announced = body.size_hint().exact().map(|length| length as usize);
    if let Some(length) = announced {
        reserve(draft, length)?;
        draft.expect_body(length);
    }
    while let Some(frame) = next_frame(body, connection).await? {
        // Trailers are dropped: nothing in them may change what the head said.
        let Ok(data) = frame.into_data() else { continue };
        if announced.is_none() {
            if draft.body().len() + data.len() > max {
                return Err(Refusal::BodyTooLarge);
            }
            reserve(draft, data.len())?;
        }
        draft.push_body(&data);
        on_frame(&data);
    }
    Ok(())
}

fn reserve(draft: &mut Draft, bytes: usize) -> Result<(), Refusal> {
    if draft.reserve(bytes) { Ok(()) } else { Err(Refusal::OverMemoryBudget) }
}

async fn next_frame(body: &mut Incoming, connection: &Connection) -> Result<Option<Frame<Bytes>>, Refusal> {
    poll_fn(|cx| {
        if connection.body_has_expired() {
            return Poll::Ready(Err(Refusal::BodyTimeout));
        }
        Poll::Ready(match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => Ok(None),
            Some(Ok(frame)) => Ok(Some(frame)),
            Some(Err(_)) => Err(Refusal::BrokenBody),
        })
    })
    .await
}
