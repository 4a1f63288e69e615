//! One connection: where it is in the cycle of requests, and since when.
//!
//! ```text
//!            first byte        head complete         answer ready          answer flushed
//! Waiting ──────────────▶ Head ─────────────▶ Receiving ────────▶ Writing ───────────────▶ Waiting
//!                                                                    │ the connection ends, and not all was read
//!                                                                    └─────────────────────▶ Lingering
//! ```
//!
//! The sweep compares the time in a phase with its limit. It cannot close a socket that hyper owns, so it leaves a verdict
//! here and wakes the connection's task, which meets the verdict at its next read or write (`Watched`).

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Instant;

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
pub(super) enum Verdict {
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

    pub(super) fn begin_lingering(&self, now: Instant) {
        self.phase.set(Phase::Lingering);
        self.since.set(now);
    }

    pub(super) fn is_lingering(&self) -> bool {
        self.phase.get() == Phase::Lingering
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.verdict.get()
    }

    /// A request has come all the same.
    pub(super) fn revive(&self) {
        self.verdict.set(Verdict::Live);
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
    pub(super) fn is_over(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) == 1
    }

    pub(super) fn bytes_were_read(&self) {
        if let Phase::Waiting { .. } = self.phase.get() {
            let now = Instant::now();
            self.phase.set(Phase::Head);
            self.since.set(now);
            self.head_started.set(now);
            self.request_is_whole.set(false);
        }
    }

    pub(super) fn was_flushed(&self) {
        if self.phase.get() == Phase::Writing {
            self.phase.set(Phase::Waiting { served: true });
            // The next request may already be in hyper's buffer: then no read will start its clock.
            self.head_started.set(self.since.get());
        }
    }

    pub(super) fn wake_me(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
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
