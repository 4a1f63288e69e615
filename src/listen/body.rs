//! Reading a body into the draft of an event: each frame is copied once and dropped, so that hyper reuses its buffer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use http_body::{Body, Frame};
use hyper::body::{Bytes, Incoming};

use super::clients::Unfinished;
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

/// Reads the body to its end. What is announced must have room, and is reserved as it comes, in steps that double: a sender
/// that announces much and sends nothing holds nothing. `unfinished` bounds what the bodies that have begun hold together.
/// `on_progress` sees how far the body has come.
///
/// Trailers are dropped: nothing in them may change what the head said. Where there are any, the end is not trusted: hyper
/// 1.12 takes a bare LF among them for their end, and drops what stands behind it up to an empty line.
pub(super) async fn read<'s>(
    body: &mut Incoming,
    max: usize,
    connection: &Connection,
    draft: &mut Draft,
    unfinished: impl Fn() -> Unfinished<'s>,
    mut on_progress: impl FnMut(&[u8]),
) -> Result<(), Refusal> {
    check_length(body, max)?;
    // hyper sees to it that no more comes than was announced.
    let announced = body.size_hint().exact().map(|length| length as usize);
    if announced.is_some_and(|length| !draft.has_room_for(length)) {
        return Err(Refusal::OverMemoryBudget);
    }
    let mut holding = None;
    let (mut received, mut reserved, mut room) = (0, 0, 0);
    let mut has_trailers = false;
    while let Some(frame) = next_frame(body, connection).await? {
        let Ok(data) = frame.into_data() else {
            has_trailers = true;
            continue;
        };
        connection.body_progresses();
        received += data.len();
        if received > max {
            return Err(Refusal::BodyTooLarge);
        }
        if received > reserved {
            let wanted = announced.map_or(received, |length| length.min((reserved * 2).max(STEP)).max(received));
            reserve(draft, wanted - reserved)?;
            reserved = wanted;
            if announced.is_none_or(|length| received < length) {
                holding.get_or_insert_with(&unfinished).grow_to(reserved)?;
            }
        }
        if let Some(length) = announced
            && received > room
        {
            room = length.min((room * 2).max(ROOM_STEP)).max(received);
            draft.expect_body(room - draft.body().len());
        }
        draft.push_body(&data);
        on_progress(draft.body());
    }
    if !has_trailers {
        connection.trust_end();
    }
    Ok(())
}

/// What is reserved of an announced body when its first bytes come. Most are smaller and come whole.
const STEP: usize = 64 << 10;

/// What is allocated of it. More than is reserved: a page takes up memory when something is written to it.
const ROOM_STEP: usize = 1 << 20;

fn reserve(draft: &mut Draft, bytes: usize) -> Result<(), Refusal> {
    if draft.reserve(bytes) { Ok(()) } else { Err(Refusal::OverMemoryBudget) }
}

async fn next_frame(body: &mut Incoming, connection: &Connection) -> Result<Option<Frame<Bytes>>, Refusal> {
    poll_fn(|cx| {
        if connection.body_has_expired() {
            return Poll::Ready(Err(Refusal::BodyTimeout));
        }
        match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Pending => {
                // The sweep must find the task that waits: a stream's is not the one that reads.
                connection.wake_me(cx);
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(Ok(None)),
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Ok(Some(frame))),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Err(Refusal::BrokenBody)),
        }
    })
    .await
}
