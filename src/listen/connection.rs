//! One connection: where it is in the cycle of requests, since when, and the stream that every byte of it passes.
//!
//! ```text
//!            first byte        head complete         answer ready          answer flushed
//! Waiting ──────────────▶ Head ─────────────▶ Receiving ────────▶ Writing ───────────────▶ Waiting
//!                                                                    │ the connection ends, and not all was read
//!                                                                    └─────────────────────▶ Lingering
//! ```
//!
//! The sweep compares the time in a phase with its limit. It cannot close a socket that hyper owns, so it leaves a verdict
//! here and wakes the connection's task, which meets the verdict at its next read or write.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::limits::Limits;

/// Where a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No byte of a request yet; the flag says whether it has carried one before.
    Waiting { served: bool },
    /// Some bytes of a head.
    Head,
    /// The head is complete, the body is being read. Its time counts from when the sweep first saw it, which costs a request
    /// no look at the clock and a slow one at most the time between two sweeps.
    Receiving { seen: bool },
    /// The request is complete and the gateway has not answered yet: no limit of the listener's applies.
    Answering,
    /// The answer is ready.
    Writing,
    /// Our side is closed and the client is still sending: what comes is thrown away. Were the socket closed with something
    /// unread, the system would reset the connection, and many a client never see why it was refused.
    Lingering,
}

/// What the sweep decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Live,
    /// The body took too long: the request is still to be answered.
    BodyExpired,
    /// It waited for a request for too long: reads see the end of the stream, unless a request has just come.
    Retired,
    /// Reads see the end of the stream, writes fail.
    Closed,
}

/// What a limit did to a connection, for the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    Head,
    Idle,
    Write,
    /// Counted as what it leads to, or not worth it.
    Other,
}

/// The state of one connection, shared by its stream, its requests and the sweep of its thread.
#[derive(Debug)]
pub(crate) struct Connection {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    verdict: Cell<Verdict>,
    /// The first byte of the current request's head, from which its deadline counts.
    head_started: Cell<Instant>,
    /// Whether the current request has been read to its end.
    request_is_whole: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    peer: SocketAddr,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, now: Instant) -> Self {
        Self {
            phase: Cell::new(Phase::Waiting { served: false }),
            since: Cell::new(now),
            verdict: Cell::new(Verdict::Live),
            head_started: Cell::new(now),
            request_is_whole: Cell::new(true),
            waker: RefCell::new(None),
            peer,
        }
    }

    /// The address at the other end.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn head_started(&self) -> Instant {
        self.head_started.get()
    }

    pub(super) fn request_is_whole(&self) -> bool {
        self.request_is_whole.get()
    }

    /// The head is complete.
    pub(super) fn begin_receiving(&self, has_body: bool) {
        self.phase.set(Phase::Receiving { seen: false });
        self.request_is_whole.set(!has_body);
    }

    /// The body is complete.
    pub(super) fn begin_answering(&self) {
        self.phase.set(Phase::Answering);
        self.request_is_whole.set(true);
    }

    pub(super) fn begin_writing(&self, now: Instant) {
        self.phase.set(Phase::Writing);
        self.since.set(now);
    }

    fn begin_lingering(&self, now: Instant) {
        self.phase.set(Phase::Lingering);
        self.since.set(now);
    }

    pub(super) fn body_has_expired(&self) -> bool {
        self.verdict.get() == Verdict::BodyExpired
    }

    /// Closes the connection if it has been in its phase for too long, or if it waits while the gateway is closing.
    pub(super) fn sweep(&self, now: Instant, limits: &Limits, closing: bool) -> Option<Expired> {
        if let Verdict::Retired | Verdict::Closed = self.verdict.get() {
            return None;
        }
        let elapsed = now.saturating_duration_since(self.since.get());
        let (verdict, expired) = match self.phase.get() {
            Phase::Waiting { served: false } if closing || elapsed > limits.head => (Verdict::Retired, Expired::Head),
            Phase::Waiting { served: true } if closing || elapsed > limits.idle => (Verdict::Retired, Expired::Idle),
            Phase::Head if elapsed > limits.head => (Verdict::Closed, Expired::Head),
            Phase::Receiving { seen: false } => {
                self.phase.set(Phase::Receiving { seen: true });
                self.since.set(now);
                return None;
            }
            Phase::Receiving { seen: true } if self.body_has_expired() => return None,
            Phase::Receiving { seen: true } if elapsed > limits.body => (Verdict::BodyExpired, Expired::Other),
            Phase::Writing if elapsed > limits.write => (Verdict::Closed, Expired::Write),
            Phase::Lingering if elapsed > limits.linger => (Verdict::Closed, Expired::Other),
            _ => return None,
        };
        self.verdict.set(verdict);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
        Some(expired)
    }

    /// Whether its stream is gone: the sweep's reference is then the only one.
    pub(super) fn is_over(self: &std::rc::Rc<Self>) -> bool {
        std::rc::Rc::strong_count(self) == 1
    }

    fn bytes_were_read(&self) {
        if let Phase::Waiting { .. } = self.phase.get() {
            let now = Instant::now();
            self.phase.set(Phase::Head);
            self.since.set(now);
            self.head_started.set(now);
            self.request_is_whole.set(false);
        }
    }

    fn was_flushed(&self) {
        if self.phase.get() == Phase::Writing {
            self.phase.set(Phase::Waiting { served: true });
            // The next request may already be in hyper's buffer: then no read will start its clock.
            self.head_started.set(self.since.get());
        }
    }

    fn wake_me(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}

/// A client's socket with its state.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    connection: std::rc::Rc<Connection>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, connection: std::rc::Rc<Connection>) -> Self {
        Self { stream, connection }
    }

    /// Whether reads are to see the end of the stream. A request that came before the client could know of it is still taken:
    /// many clients do not dare to send a `POST` a second time.
    fn is_at_its_end(&self) -> bool {
        match self.connection.verdict.get() {
            Verdict::Live | Verdict::BodyExpired => false,
            Verdict::Closed => true,
            Verdict::Retired => {
                // Asked of the system: the runtime may not have heard of it yet.
                let mut byte = [MaybeUninit::uninit()];
                let has_come = socket2::SockRef::from(&self.stream).peek(&mut byte).is_ok_and(|count| count > 0);
                if has_come {
                    self.connection.verdict.set(Verdict::Live);
                }
                !has_come
            }
        }
    }

    /// Throws away what comes, until the client closes or the sweep has seen enough.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 4096];
        while self.connection.verdict.get() != Verdict::Closed {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => break,
                Poll::Pending => {
                    self.connection.wake_me(cx);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_at_its_end() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Pending => {
                self.connection.wake_me(cx);
                Poll::Pending
            }
            Poll::Ready(result) => {
                if buffer.filled().len() > before {
                    self.connection.bytes_were_read();
                }
                Poll::Ready(result)
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.connection.verdict.get() == Verdict::Closed {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if result.is_pending() {
            self.connection.wake_me(cx);
        }
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connection.verdict.get() == Verdict::Closed {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        if result.is_pending() {
            self.connection.wake_me(cx);
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.connection.was_flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.phase.get() != Phase::Lingering {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            // Of a connection that was idle, hyper has skipped what the last request left unread.
            if self.connection.request_is_whole() || self.connection.verdict.get() == Verdict::Retired {
                return Poll::Ready(Ok(()));
            }
            self.connection.begin_lingering(Instant::now());
        }
        self.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: Limits = Limits {
        head: Duration::from_secs(10),
        body: Duration::from_secs(30),
        idle: Duration::from_secs(75),
        write: Duration::from_secs(10),
        linger: Duration::from_secs(2),
    };

    fn connection() -> (Connection, Instant) {
        let now = Instant::now();
        (Connection::new(([127, 0, 0, 1], 1).into(), now), now)
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_connection_gets_the_heads_limit_and_an_idle_one_its_own() {
        let (silent, start) = connection();
        assert_eq!(silent.sweep(after(start, 10), &LIMITS, false), None);
        assert_eq!(silent.sweep(after(start, 11), &LIMITS, false), Some(Expired::Head));

        let (idle, start) = connection();
        idle.begin_writing(start);
        idle.was_flushed();
        assert_eq!(idle.sweep(after(start, 75), &LIMITS, false), None);
        assert_eq!(idle.sweep(after(start, 76), &LIMITS, false), Some(Expired::Idle));
    }

    #[test]
    fn a_slow_body_expires_once_and_is_still_answered() {
        let (connection, start) = connection();
        connection.bytes_were_read();
        connection.begin_receiving(true);
        assert_eq!(connection.sweep(after(start, 1), &LIMITS, false), None);
        assert!(connection.sweep(after(start, 32), &LIMITS, false).is_some());
        assert!(connection.body_has_expired());
        assert_eq!(connection.sweep(after(start, 33), &LIMITS, false), None);
        connection.begin_writing(after(start, 33));
        assert_ne!(connection.verdict.get(), Verdict::Closed);
    }

    #[test]
    fn a_slow_head_does_not_eat_the_bodys_time() {
        let (connection, start) = connection();
        connection.bytes_were_read();
        let limits = Limits { body: Duration::from_secs(3), ..LIMITS };
        connection.begin_receiving(true);
        assert_eq!(connection.sweep(after(start, 9), &limits, false), None);
        assert_eq!(connection.sweep(after(start, 12), &limits, false), None);
        assert_eq!(connection.sweep(after(start, 13), &limits, false), Some(Expired::Other));
    }

    #[test]
    fn no_limit_of_the_listener_applies_while_the_gateway_decides() {
        let (connection, start) = connection();
        connection.begin_answering();
        assert_eq!(connection.sweep(after(start, 3600), &LIMITS, true), None);
    }

    #[test]
    fn closing_ends_waiting_connections_at_once_and_lets_requests_finish() {
        let (waiting, start) = connection();
        assert!(waiting.sweep(start, &LIMITS, true).is_some());

        let (busy, start) = connection();
        busy.bytes_were_read();
        assert_eq!(busy.sweep(start, &LIMITS, true), None);
    }

    async fn read(watched: &mut Watched) -> usize {
        let mut bytes = [0; 8];
        let mut buffer = ReadBuf::new(&mut bytes);
        std::future::poll_fn(|cx| Pin::new(&mut *watched).poll_read(cx, &mut buffer)).await.expect("a read");
        buffer.filled().len()
    }

    #[tokio::test]
    async fn a_request_that_came_before_the_end_is_taken() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let mut client = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("a client");
        let (stream, peer) = listener.accept().await.expect("a connection");
        let connection = std::rc::Rc::new(Connection::new(peer, Instant::now()));
        let mut watched = Watched::new(stream, std::rc::Rc::clone(&connection));

        std::io::Write::write_all(&mut client, b"POST").expect("a request");
        assert!(connection.sweep(Instant::now(), &LIMITS, true).is_some());
        assert_eq!(read(&mut watched).await, 4);
        assert_eq!(connection.sweep(Instant::now(), &LIMITS, true), None, "it is a request now, and finished");

        connection.begin_receiving(false);
        connection.begin_writing(Instant::now());
        connection.was_flushed();
        assert!(connection.sweep(Instant::now(), &LIMITS, true).is_some());
        assert_eq!(read(&mut watched).await, 0);
    }

    #[test]
    fn a_client_that_sends_on_after_its_refusal_is_cut_in_the_end() {
        let (connection, start) = connection();
        connection.begin_lingering(start);
        assert_eq!(connection.sweep(after(start, 2), &LIMITS, true), None);
        assert_eq!(connection.sweep(after(start, 3), &LIMITS, false), Some(Expired::Other));
    }

    #[test]
    fn a_client_that_does_not_take_its_answer_is_closed() {
        let (connection, start) = connection();
        connection.begin_writing(start);
        assert_eq!(connection.sweep(after(start, 11), &LIMITS, false), Some(Expired::Write));
    }
}
