//! One connection: where it is in the cycle of requests, and since when.
//!
//! The sweep compares the time in a phase with its limit. It cannot close a socket that hyper owns, so it leaves a verdict
//! here and wakes the connection's task, which meets the verdict at its next read or write (`Watched`).
//!
//! With HTTP/2 each stream has a state of its own, which is to its request what a connection is that carries no other. The
//! connection's own then knows two phases: `Answering` while a stream is open, and `Waiting`.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Instant;

use super::limits::Limits;
use super::phase::{Expired, Phase, Verdict};
use super::stage::Stage;
use super::streams::Streams;
use super::turns::Turn;

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
    /// Whether the client and hyper may see the current request's end in different places.
    end_is_doubtful: Cell<bool>,
    /// Where it is among the others of its thread.
    pub(super) turn: Turn,
    waker: RefCell<Option<Waker>>,
    /// Of the client, as the system or a PROXY header says.
    address: Cell<IpAddr>,
    /// The names in the client's certificate, if it has shown one.
    client_names: OnceCell<Vec<String>>,
    /// With HTTP/2 only.
    streams: OnceCell<Streams>,
    /// If this is a stream, the connection that it is of.
    carrier: Option<Rc<Connection>>,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, now: Instant) -> Self {
        Self {
            phase: Cell::new(Phase::Waiting { served: false }),
            since: Cell::new(now),
            verdict: Cell::new(Verdict::Live),
            head_started: Cell::new(now),
            request_is_whole: Cell::new(true),
            end_is_doubtful: Cell::new(false),
            turn: Turn::default(),
            waker: RefCell::new(None),
            address: Cell::new(peer.ip().to_canonical()),
            client_names: OnceCell::new(),
            streams: OnceCell::new(),
            carrier: None,
        }
    }

    /// A stream of a connection with HTTP/2, whose request's head is complete.
    pub(super) fn stream_of(carrier: &Rc<Self>, now: Instant) -> Self {
        let address = SocketAddr::new(carrier.address(), 0);
        Self { carrier: Some(Rc::clone(carrier)), ..Self::new(address, now) }
    }

    /// The address at the other end.
    pub(super) fn address(&self) -> IpAddr {
        self.address.get()
    }

    /// A balancer has told for whom it connects.
    pub(super) fn comes_from(&self, client: SocketAddr) {
        self.address.set(client.ip().to_canonical());
    }

    /// The names in the client's certificate, `None` if it has shown none.
    pub(super) fn client_names(&self) -> Option<&[String]> {
        let connection = self.carrier.as_deref().unwrap_or(self);
        connection.client_names.get().map(Vec::as_slice)
    }

    pub(super) fn has_names(&self, names: Vec<String>) {
        let _ = self.client_names.set(names);
    }

    pub(super) fn begin_handshake(&self) {
        self.phase.set(Phase::Handshake);
    }

    /// What is left of the head's time counts on.
    pub(super) fn end_handshake(&self) {
        self.phase.set(Phase::Waiting { served: false });
    }

    pub(super) fn is_shaking_hands(&self) -> bool {
        self.phase.get() == Phase::Handshake && !self.is_closed()
    }

    pub(super) fn head_started(&self) -> Instant {
        self.head_started.get()
    }

    pub(super) fn request_is_whole(&self) -> bool {
        self.request_is_whole.get()
    }

    pub(super) fn end_is_doubtful(&self) -> bool {
        self.end_is_doubtful.get()
    }

    /// The head is complete.
    pub(super) fn begin_receiving(&self, has_body: bool) {
        self.phase.set(Phase::Receiving { seen: false });
        self.request_is_whole.set(!has_body);
        self.end_is_doubtful.set(false);
    }

    /// The client may see the end of its request where hyper does not: if nobody makes sure of it, it is the last one.
    pub(super) fn doubt_end(&self) {
        self.end_is_doubtful.set(true);
    }

    /// The request was read to its end, which is where anybody sees it.
    pub(super) fn trust_end(&self) {
        self.end_is_doubtful.set(false);
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

    /// HTTP/2 begins.
    pub(super) fn begin_streams(&self) {
        let _ = self.streams.set(Streams::default());
    }

    pub(super) fn has_streams(&self) -> bool {
        self.streams.get().is_some()
    }

    pub(super) fn stream_begins(&self) {
        if let Some(streams) = self.streams.get() {
            streams.open();
            self.phase.set(Phase::Answering);
        }
    }

    pub(super) fn stream_ends(&self, now: Instant) {
        if self.streams.get().is_some_and(Streams::close) {
            self.phase.set(Phase::Waiting { served: true });
            self.since.set(now);
        }
    }

    pub(super) fn is_flooding(&self) -> bool {
        self.streams.get().is_some_and(Streams::is_flooding)
    }

    /// Whether it is one stream of a connection.
    pub(super) fn is_stream(&self) -> bool {
        self.carrier.is_some()
    }

    /// A part of a body was taken.
    pub(super) fn body_progresses(&self) {
        if let Some(streams) = self.carrier.as_ref().and_then(|carrier| carrier.streams.get()) {
            streams.progress();
        }
    }

    /// Ends it, whatever it is about.
    pub(super) fn close(&self) {
        self.decide(Verdict::Closed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.verdict.get() == Verdict::Closed
    }

    pub(super) fn is_retired(&self) -> bool {
        self.verdict.get() == Verdict::Retired
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
    pub(super) fn sweep(&self, now: Instant, limits: &Limits, stage: Stage) -> Option<Expired> {
        if let Some(streams) = self.streams.get() {
            return self.sweep_streams(streams, now, limits, stage);
        }
        let closing = stage >= Stage::Closing;
        if let Verdict::Retired | Verdict::Closed = self.verdict.get() {
            return None;
        }
        let elapsed = now.saturating_duration_since(self.since.get());
        let (verdict, expired) = match self.phase.get() {
            Phase::Waiting { served: false } if closing || elapsed > limits.head => (Verdict::Retired, Expired::Head),
            Phase::Waiting { served: true } if closing || elapsed > limits.idle => (Verdict::Retired, Expired::Idle),
            Phase::Handshake | Phase::Head if elapsed > limits.head => (Verdict::Closed, Expired::Head),
            // Its time has not begun.
            Phase::Receiving { .. } if self.turn.stands_in_line() => {
                self.phase.set(Phase::Receiving { seen: false });
                return None;
            }
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
        self.decide(verdict);
        if let (Verdict::Closed, Some(carrier)) = (verdict, &self.carrier) {
            // Its client takes nothing more, or would have to be believed that it does.
            carrier.close();
        }
        Some(expired)
    }

    /// The streams have limits of their own. Their connection is asked to end after them, and then given as long as a client
    /// that is still sending.
    fn sweep_streams(&self, streams: &Streams, now: Instant, limits: &Limits, stage: Stage) -> Option<Expired> {
        let elapsed = now.saturating_duration_since(self.since.get());
        let (verdict, expired) = match (self.verdict.get(), self.phase.get()) {
            (Verdict::Retired, _) if streams.are_all_closed() && elapsed > limits.linger => {
                (Verdict::Closed, Expired::Other)
            }
            (Verdict::Closed | Verdict::Retired, _) => return None,
            (_, Phase::Waiting { served: false }) if elapsed > limits.head => (Verdict::Retired, Expired::Head),
            (_, Phase::Waiting { served: true }) if elapsed > limits.idle => (Verdict::Retired, Expired::Idle),
            _ if stage >= Stage::NotReady => (Verdict::Retired, Expired::Other),
            _ => return None,
        };
        self.since.set(now);
        self.decide(verdict);
        Some(expired)
    }

    fn decide(&self, verdict: Verdict) {
        self.verdict.set(verdict);
        self.wake();
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Whether its stream is gone: the sweep's reference is then the only one.
    pub(super) fn is_over(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) == 1
    }

    pub(super) fn bytes_were_read(&self, bytes: &[u8]) {
        if let Some(streams) = self.streams.get() {
            if streams.are_flooded_by(bytes) {
                self.verdict.set(Verdict::Closed);
            }
            return;
        }
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
        assert_eq!(silent.sweep(after(start, 10), &LIMITS, Stage::Running), None);
        assert_eq!(silent.sweep(after(start, 11), &LIMITS, Stage::Running), Some(Expired::Head));

        let (idle, start) = connection();
        idle.begin_writing(start);
        idle.was_flushed();
        assert_eq!(idle.sweep(after(start, 75), &LIMITS, Stage::Running), None);
        assert_eq!(idle.sweep(after(start, 76), &LIMITS, Stage::Running), Some(Expired::Idle));
    }

    #[test]
    fn a_slow_body_expires_once_and_is_still_answered() {
        let (connection, start) = connection();
        connection.bytes_were_read(b"P");
        connection.begin_receiving(true);
        assert_eq!(connection.sweep(after(start, 1), &LIMITS, Stage::Running), None);
        assert!(connection.sweep(after(start, 32), &LIMITS, Stage::Running).is_some());
        assert!(connection.body_has_expired());
        assert_eq!(connection.sweep(after(start, 33), &LIMITS, Stage::Running), None);
        connection.begin_writing(after(start, 33));
        assert_ne!(connection.verdict.get(), Verdict::Closed);
    }

    #[test]
    fn a_slow_head_does_not_eat_the_bodys_time() {
        let (connection, start) = connection();
        connection.bytes_were_read(b"P");
        let limits = Limits { body: Duration::from_secs(3), ..LIMITS };
        connection.begin_receiving(true);
        assert_eq!(connection.sweep(after(start, 9), &limits, Stage::Running), None);
        assert_eq!(connection.sweep(after(start, 12), &limits, Stage::Running), None);
        assert_eq!(connection.sweep(after(start, 13), &limits, Stage::Running), Some(Expired::Other));
    }

    #[test]
    fn a_request_that_stands_in_line_loses_none_of_its_bodys_time() {
        let (connection, start) = connection();
        connection.bytes_were_read(b"P");
        connection.begin_receiving(true);
        assert_eq!(connection.sweep(after(start, 1), &LIMITS, Stage::Running), None);
        connection.turn.stand_in_line();
        assert_eq!(connection.sweep(after(start, 3600), &LIMITS, Stage::Running), None);
        connection.turn.leave_line();
        assert_eq!(connection.sweep(after(start, 3601), &LIMITS, Stage::Running), None);
        assert_eq!(connection.sweep(after(start, 3630), &LIMITS, Stage::Running), None);
        assert!(!connection.body_has_expired());
        assert!(connection.sweep(after(start, 3633), &LIMITS, Stage::Running).is_some());
    }

    #[test]
    fn no_limit_of_the_listener_applies_while_the_gateway_decides() {
        let (connection, start) = connection();
        connection.begin_answering();
        assert_eq!(connection.sweep(after(start, 3600), &LIMITS, Stage::Closing), None);
    }

    #[test]
    fn closing_ends_waiting_connections_at_once_and_lets_requests_finish() {
        let (waiting, start) = connection();
        assert!(waiting.sweep(start, &LIMITS, Stage::Closing).is_some());

        let (busy, start) = connection();
        busy.bytes_were_read(b"P");
        assert_eq!(busy.sweep(start, &LIMITS, Stage::Closing), None);
    }

    #[test]
    fn a_client_that_sends_on_after_its_refusal_is_cut_in_the_end() {
        let (connection, start) = connection();
        connection.begin_lingering(start);
        assert_eq!(connection.sweep(after(start, 2), &LIMITS, Stage::Closing), None);
        assert_eq!(connection.sweep(after(start, 3), &LIMITS, Stage::Running), Some(Expired::Other));
    }

    #[test]
    fn a_client_that_does_not_take_its_answer_is_closed() {
        let (connection, start) = connection();
        connection.begin_writing(start);
        assert_eq!(connection.sweep(after(start, 11), &LIMITS, Stage::Running), Some(Expired::Write));
    }
    #[test]
    fn a_handshake_has_the_heads_time_and_may_end_while_the_gateway_closes() {
        let (connection, start) = connection();
        connection.begin_handshake();
        assert_eq!(connection.sweep(after(start, 10), &LIMITS, Stage::Closing), None);
        assert_eq!(connection.sweep(after(start, 11), &LIMITS, Stage::Running), Some(Expired::Head));

        let (connection, start) = self::connection();
        connection.begin_handshake();
        connection.end_handshake();
        assert_eq!(
            connection.sweep(after(start, 11), &LIMITS, Stage::Running),
            Some(Expired::Head),
            "and a request too"
        );
    }

    #[test]
    fn a_connection_with_streams_is_idle_when_the_last_has_ended() {
        let (connection, start) = connection();
        connection.begin_streams();
        connection.stream_begins();
        assert_eq!(connection.sweep(after(start, 3600), &LIMITS, Stage::Running), None);
        connection.stream_ends(after(start, 3600));
        connection.bytes_were_read(&[0; 17]);
        assert_eq!(connection.sweep(after(start, 3675), &LIMITS, Stage::Running), None);
        assert_eq!(connection.sweep(after(start, 3676), &LIMITS, Stage::Running), Some(Expired::Idle));
        assert!(connection.is_retired());
        assert_eq!(connection.sweep(after(start, 3678), &LIMITS, Stage::Running), None, "it may say goodbye");
        assert!(connection.sweep(after(start, 3679), &LIMITS, Stage::Running).is_some());
        assert!(connection.is_closed());
    }

    #[test]
    fn a_stream_whose_answer_is_not_taken_closes_its_connection() {
        let (carrier, start) = connection();
        let carrier = Rc::new(carrier);
        carrier.begin_streams();
        carrier.stream_begins();
        let stream = Connection::stream_of(&carrier, start);
        stream.begin_writing(start);
        assert_eq!(stream.sweep(after(start, 11), &LIMITS, Stage::Running), Some(Expired::Write));
        assert!(carrier.is_closed());
    }

    #[test]
    fn a_stop_lets_open_streams_end() {
        let (carrier, start) = connection();
        carrier.begin_streams();
        carrier.stream_begins();
        assert!(carrier.sweep(start, &LIMITS, Stage::NotReady).is_some());
        assert_eq!(carrier.sweep(after(start, 20), &LIMITS, Stage::Closing), None);
        carrier.stream_ends(after(start, 20));
        assert!(carrier.sweep(after(start, 23), &LIMITS, Stage::Closing).is_some());
    }
}
