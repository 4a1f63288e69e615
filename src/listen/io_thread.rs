//! An io thread: accepts, runs its connections, sweeps them, and ends when it is told to and they have.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;

use super::accept::Sockets;
use super::connection::{Connection, Expired};
use super::limits::{ConnectionLimit, ConnectionPermit, Limits};
use super::request::{Answerer, Request};
use super::stage::{SharedStage, Stage};
use super::watched::Watched;
use crate::counters::ListenCounters;

/// What every io thread of a gateway shares.
#[derive(Debug, Clone)]
pub(crate) struct IoThread {
    limits: Limits,
    connections: Arc<ConnectionLimit>,
    stage: SharedStage,
}

/// How often limits are looked at: a limit is kept to within this.
const SWEEP_EVERY: Duration = Duration::from_millis(50);

/// After a failed accept, such as for want of file descriptors, before the next.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The most that hyper buffers of one connection before it stops reading.
const READ_BUFFER_MAX: usize = 64 << 10;

/// Bytes of request line and headers together. The bound on the buffer is no bound on them: what arrives in one read passes.
const HEAD_MAX: usize = 64 << 10;

/// What a connection over the limit is told.
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

impl IoThread {
    /// The settings of threads that together hold `max_connections` and follow `stage`.
    pub(crate) fn new(limits: Limits, max_connections: usize, stage: SharedStage) -> Self {
        Self { limits, connections: ConnectionLimit::new(max_connections), stage }
    }

    /// Starts `io-N`. `on_thread` runs on it first, inside its runtime, and makes what answers its requests. Connections are
    /// counted in `counters`.
    pub(crate) fn spawn<A, C>(
        self,
        index: usize,
        sockets: Sockets,
        on_thread: impl FnOnce() -> A + Send + 'static,
        counters: Arc<C>,
    ) -> io::Result<JoinHandle<()>>
    where
        A: Answerer,
        C: AsRef<ListenCounters> + Send + Sync + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listeners = {
            // Registered here, where a failure can still be returned.
            let _inside = runtime.enter();
            sockets.into_listeners().into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>()?
        };
        std::thread::Builder::new().name(format!("io-{index}")).spawn(move || {
            LocalSet::new().block_on(&runtime, async move { self.run(listeners, on_thread(), counters).await });
        })
    }

    async fn run<A: Answerer, C: AsRef<ListenCounters> + 'static>(
        self,
        listeners: Vec<TcpListener>,
        answerer: A,
        counters: Arc<C>,
    ) {
        let thread = Rc::new(Thread {
            limits: self.limits,
            permits: self.connections,
            live: RefCell::default(),
            answerer,
            counters,
        });
        let accepting: Vec<_> = listeners
            .into_iter()
            .map(|listener| tokio::task::spawn_local(Rc::clone(&thread).accept(listener)))
            .collect();
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            sweeps.tick().await;
            let stage = self.stage.get();
            if stage >= Stage::Closing {
                accepting.iter().for_each(tokio::task::JoinHandle::abort);
            }
            let live = thread.sweep(stage >= Stage::Closing);
            if stage == Stage::Over || (stage == Stage::Closing && live == 0) {
                break;
            }
        }
    }
}

struct Thread<A, C> {
    limits: Limits,
    permits: Arc<ConnectionLimit>,
    live: RefCell<Vec<Rc<Connection>>>,
    answerer: A,
    counters: Arc<C>,
}

impl<A: Answerer, C: AsRef<ListenCounters> + 'static> Thread<A, C> {
    async fn accept(self: Rc<Self>, listener: TcpListener) {
        let mut is_failing = false;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    is_failing = false;
                    self.take(stream, peer);
                }
                Err(error) if was_given_up(&error) => {}
                Err(error) => {
                    if !is_failing {
                        tracing::warn!(
                            %error,
                            "cannot accept connections; they wait. If the process has too many files open, raise its limit \
                             (`ulimit -n`) or lower max_connections"
                        );
                    }
                    is_failing = true;
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
            // One connection, then the others' turn: an idle thread takes the next.
            tokio::task::yield_now().await;
        }
    }

    fn take(self: &Rc<Self>, stream: TcpStream, peer: std::net::SocketAddr) {
        let counters = (*self.counters).as_ref();
        let Some(permit) = self.permits.admit() else {
            counters.connections_refused.increment();
            // Into an empty send buffer: it is taken whole or the client is gone.
            let _ = stream.try_write(TOO_MANY_CONNECTIONS);
            return;
        };
        counters.connections_opened.increment();
        // Answers are small and complete: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let connection = Rc::new(Connection::new(peer, Instant::now()));
        self.live.borrow_mut().push(Rc::clone(&connection));
        tokio::task::spawn_local(Rc::clone(self).serve(stream, connection, permit));
    }

    async fn serve(self: Rc<Self>, stream: TcpStream, connection: Rc<Connection>, _permit: ConnectionPermit) {
        let io = TokioIo::new(Watched::new(stream, Rc::clone(&connection)));
        let service = service_fn(|request| {
            let connection = Rc::clone(&connection);
            let request = Request::new(request, Rc::clone(&connection));
            let answer = self.answerer.answer(request);
            async move {
                let (answer, ready_at) = answer.await;
                if !connection.request_is_whole() {
                    // The body is dropped by now. In its next turn hyper skips what is left of it, if that is there, or else
                    // adds `Connection: close` to this answer.
                    tokio::task::yield_now().await;
                }
                connection.begin_writing(ready_at);
                Ok::<_, Infallible>(answer)
            }
        });
        let served = http1::Builder::new()
            // A client that has sent its request and closed its side still gets the answer.
            .half_close(true)
            .max_buf_size(READ_BUFFER_MAX)
            .max_header_size(HEAD_MAX)
            .serve_connection(io, service)
            .await;
        let counters = (*self.counters).as_ref();
        if served.is_err_and(|error| error.is_parse()) {
            counters.malformed.increment();
        }
        counters.connections_closed.increment();
    }

    /// Closes what is over its limit and forgets what is gone. Returns how many connections are left.
    fn sweep(&self, closing: bool) -> usize {
        let now = Instant::now();
        self.answerer.sweep(now);
        let counters = (*self.counters).as_ref();
        let mut live = self.live.borrow_mut();
        live.retain(|connection| {
            if connection.is_over() {
                return false;
            }
            match connection.sweep(now, &self.limits, closing) {
                Some(Expired::Head) if !closing => counters.head_timeouts.increment(),
                Some(Expired::Idle) if !closing => counters.idle_timeouts.increment(),
                Some(Expired::Write) => counters.write_timeouts.increment(),
                _ => {}
            }
            true
        });
        live.len()
    }
}

/// Whether an error of `accept` is about one connection, whose client was gone before we came to it.
fn was_given_up(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
