//! One connection, from the accept to its end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::HeaderValue;
use http::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::accept::Door;
use super::connection::Connection;
use super::exchange::{Exchanges, Recycling};
use super::handshake::Shaken;
use super::io_thread::Thread;
use super::limits::ConnectionPermit;
use super::per_address::Held;
use super::request::{Answerer, Request};
use super::tls::{HTTP_2, Tls};
use super::watched::{Socket, Watched};
use super::{certificate, http2, proxy};
use crate::counters::ListenCounters;

/// What a connection takes up: of all, and of what its address may have.
pub(super) type Taken = (ConnectionPermit, Option<Held>);

/// The most that hyper buffers of one connection before it stops reading.
const READ_BUFFER_MAX: usize = 64 << 10;

/// Bytes of request line and headers together. The bound on the buffer is no bound on them: what arrives in one read passes.
const HEAD_MAX: usize = 64 << 10;

/// A connection that carries HTTP/1.1 from its first byte.
pub(super) async fn plain<E, C>(
    exchanges: Rc<E>,
    counters: Arc<C>,
    stream: TcpStream,
    connection: Rc<Connection>,
    _taken: Taken,
) where
    E: Exchanges,
    C: AsRef<ListenCounters> + 'static,
{
    let counters = (*counters).as_ref();
    http1(&*exchanges, counters, stream, connection).await;
    counters.connections_closed.increment();
}

/// A connection that passes a door first.
pub(super) async fn behind<A, C, E>(
    (thread, exchanges): (Rc<Thread<A, C>>, Rc<E>),
    door: Door,
    stream: TcpStream,
    connection: Rc<Connection>,
    mut taken: Taken,
) where
    A: Answerer,
    C: AsRef<ListenCounters> + 'static,
    E: Exchanges,
{
    through((&thread, &*exchanges), &door, stream, connection, &mut taken).await;
    (*thread.counters).as_ref().connections_closed.increment();
}

async fn through<A, C, E>(
    (thread, exchanges): (&Rc<Thread<A, C>>, &E),
    door: &Door,
    mut stream: TcpStream,
    connection: Rc<Connection>,
    (_, share): &mut Taken,
) where
    A: Answerer,
    C: AsRef<ListenCounters> + 'static,
    E: Exchanges,
{
    let counters = (*thread.counters).as_ref();
    if door.proxy_protocol {
        if !thread.clients.trusts(connection.address()) {
            return counters.bad_proxy_headers.increment();
        }
        connection.begin_handshake();
        match until_closed(&connection, proxy::read(&mut stream)).await {
            None => return,
            Some(Err(proxy::NoHeader)) => return counters.bad_proxy_headers.increment(),
            Some(Ok(None)) => {}
            Some(Ok(Some(client))) => {
                connection.comes_from(client);
                if !thread.clients.trusts(connection.address()) {
                    *share = thread.clients.connection(connection.address());
                    if share.is_none() {
                        return counters.connections_refused.increment();
                    }
                }
            }
        }
        connection.end_handshake();
    }
    match &door.tls {
        None => http1(exchanges, counters, stream, connection).await,
        Some(tls) => encrypted((thread, exchanges), tls, stream, connection).await,
    }
}

async fn encrypted<A, C, E>(
    (thread, exchanges): (&Rc<Thread<A, C>>, &E),
    tls: &Tls,
    stream: TcpStream,
    connection: Rc<Connection>,
) where
    A: Answerer,
    C: AsRef<ListenCounters> + 'static,
    E: Exchanges,
{
    let counters = (*thread.counters).as_ref();
    if thread.handshakes.begin(&connection) {
        counters.handshakes_dropped.increment();
    }
    let stream = match thread.handshakes.complete(stream, tls.current(), &connection).await {
        Shaken::Done(stream) => stream,
        Shaken::Failed => return counters.handshakes_failed.increment(),
        Shaken::Closed => return,
    };
    let session = stream.get_ref().1;
    if let Some(certificate) = session.peer_certificates().and_then(<[_]>::first) {
        connection.has_names(certificate::names(certificate));
    }
    if session.alpn_protocol() == Some(HTTP_2) {
        http2::serve(Rc::clone(thread), stream, connection).await;
    } else {
        http1(exchanges, counters, stream, connection).await;
    }
}

async fn http1<E>(exchanges: &E, counters: &ListenCounters, stream: impl Socket, connection: Rc<Connection>)
where
    E: Exchanges,
{
    let io = TokioIo::new(Watched::new(stream, Rc::clone(&connection)));
    let service = service_fn(|request| exchanges.begin(request, &connection));
    let mut served = pin!(
        http1::Builder::new()
            // A client that has sent its request and closed its side still gets the answer.
            .half_close(true)
            .max_buf_size(READ_BUFFER_MAX)
            .max_header_size(HEAD_MAX)
            .serve_connection(io, service)
    );
    let served = poll_fn(|cx| {
        connection.turn.begin();
        served.as_mut().poll(cx)
    })
    .await;
    if served.is_err_and(|error| error.is_parse()) {
        counters.malformed.increment();
    }
}

/// What answers the requests of connections with HTTP/1.
pub(super) fn exchanges<A, C>(thread: Rc<Thread<A, C>>) -> impl Exchanges
where
    A: Answerer,
    C: AsRef<ListenCounters> + 'static,
{
    Recycling::new(move |request, connection| {
        let (mut request, place) = Request::new(request, Rc::clone(&connection), &thread.clients);
        let thread = Rc::clone(&thread);
        async move {
            thread.turns.wait(&connection).await;
            connection.turn.begin_request();
            let (mut answer, ready_at) = thread.answerer.answer(&mut request).await;
            drop((request, place));
            if connection.end_is_doubtful() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            if !connection.request_is_whole() {
                // The body is dropped by now. In its next turn hyper skips what is left of it, if that is there, or else adds
                // `Connection: close` to this answer.
                tokio::task::yield_now().await;
            }
            // Answers that had to be waited for come together anyway.
            if connection.turn.is_of_request() {
                thread.turns.gather().await;
            }
            connection.turn.end();
            connection.begin_writing(ready_at);
            Ok(answer)
        }
    })
}

/// What a future gives, or `None` if the sweep closes the connection first.
async fn until_closed<F: Future>(connection: &Connection, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if connection.is_closed() {
            return Poll::Ready(None);
        }
        connection.wake_me(cx);
        future.as_mut().poll(cx).map(Some)
    })
    .await
}
