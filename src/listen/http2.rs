//! HTTP/2: the limits that hyper is given and those that are kept beside it, with their reasons; and its streams.
//!
//! | attack | what ends it |
//! |---|---|
//! | rapid reset (CVE-2023-44487) | [`PENDING_RESETS_MAX`] streams that were reset and not yet seen; then hyper's GOAWAY |
//! | requests that make this side reset | [`OWN_RESETS_MAX`], where hyper's default is 1,024 |
//! | CONTINUATION, HPACK bombs | [`HEAD_MAX`], which h2 holds against the decoded list, and its own count of frames |
//! | empty DATA | h2 0.4.20 counts them |
//! | PING, SETTINGS, PRIORITY, WINDOW_UPDATE floods | [`UNASKED_MAX`]: hyper takes any number of them (200,000 of each measured) |
//! | many streams, slow bodies, windows of zero | [`STREAMS_MAX`]; each stream has the time limits of a request, and a connection that does not take an answer within its limit is closed |
//! | windows as memory | [`STREAM_WINDOW`], [`CONNECTION_WINDOW`]; read bodies are within `memory_budget` |
//! | silence | `head_timeout` to the first request, `idle_timeout` after the last |

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::header::CONNECTION;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::connection::Connection;
use super::io_thread::Thread;
use super::request::{Answerer, Request};
use super::watched::{Socket, Watched};
use crate::counters::ListenCounters;

/// Requests at once on a connection. Envoy's and nginx' advice for an open door; a provider that wants more opens another.
const STREAMS_MAX: u32 = 100;

/// Bytes of one body that may come before this side has taken some: what HTTP/2 begins with, so that no frame is needed to
/// say so, and above the size of nearly all webhooks.
const STREAM_WINDOW: u32 = 65_535;

/// The same for all bodies of a connection together: sixteen full streams, not all hundred.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// Bytes of a decoded header list, 32 more being counted for each header. Real webhooks have below 4 KiB.
const HEAD_MAX: u32 = 16 << 10;

/// Streams that the client has reset before they were looked at. hyper's own default, written down so that it stays.
const PENDING_RESETS_MAX: usize = 20;

/// Streams that this side has reset because of what the client did: an honest one causes none.
const OWN_RESETS_MAX: usize = 100;

/// Bytes of answers that wait for the client's window; an answer is a few hundred.
const SEND_BUFFER: usize = 64 << 10;

/// The least that a peer must take as a frame; more would only buffer more.
const FRAME_MAX: u32 = 16 << 10;

/// Bytes of frames that belong to no request, between two requests or parts of bodies: 3,800 `PING`s. An honest client sends
/// some dozens.
pub(super) const UNASKED_MAX: usize = 64 << 10;

/// Serves a connection whose client has chosen HTTP/2.
pub(super) async fn serve<A, C>(thread: Rc<Thread<A, C>>, stream: impl Socket + 'static, connection: Rc<Connection>)
where
    A: Answerer,
    C: AsRef<ListenCounters> + 'static,
{
    connection.begin_streams();
    let io = TokioIo::new(Watched::new(stream, Rc::clone(&connection)));
    let service = service_fn(|request| {
        let thread = Rc::clone(&thread);
        let stream = Stream::open(&connection);
        thread.watch(Rc::clone(&stream.state));
        async move {
            let (mut request, _place) = Request::new(request, Rc::clone(&stream.state), &thread.clients);
            let (mut answer, ready_at) = thread.answerer.answer(&mut request).await;
            // Which is about a connection that carries one request at a time.
            answer.headers_mut().remove(CONNECTION);
            stream.state.begin_writing(ready_at);
            Ok::<_, Infallible>(answer.map(|body| Streamed { body, _stream: stream }))
        }
    });
    let mut served = pin!(
        http2::Builder::new(OnThisThread)
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD_MAX)
            .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
            .max_local_error_reset_streams(OWN_RESETS_MAX)
            .max_send_buf_size(SEND_BUFFER)
            .max_frame_size(FRAME_MAX)
            .serve_connection(io, service)
    );
    let mut is_leaving = false;
    let _ = poll_fn(|cx| {
        if !is_leaving && connection.is_retired() {
            is_leaving = true;
            served.as_mut().graceful_shutdown();
        }
        connection.wake_me(cx);
        served.as_mut().poll(cx)
    })
    .await;
    if connection.is_flooding() {
        (*thread.counters).as_ref().floods.increment();
    }
}

/// hyper's tasks, one per stream.
#[derive(Debug, Clone, Copy)]
struct OnThisThread;

impl<F: Future + 'static> Executor<F> for OnThisThread {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move {
            task.await;
        });
    }
}

/// An open stream: from the end of its head until its answer is written or given up.
struct Stream {
    /// Where its request is, as of a connection that carries no other.
    state: Rc<Connection>,
    connection: Rc<Connection>,
}

impl Stream {
    fn open(connection: &Rc<Connection>) -> Self {
        connection.stream_begins();
        Self { state: Rc::new(Connection::stream_of(connection, Instant::now())), connection: Rc::clone(connection) }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.stream_ends(Instant::now());
    }
}

/// The body of an answer, dropped when hyper has done with it.
struct Streamed<B> {
    body: B,
    _stream: Stream,
}

impl<B: Body + Unpin> Body for Streamed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
