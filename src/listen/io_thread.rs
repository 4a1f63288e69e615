//! An io thread: accepts, runs its connections, sweeps them, and ends when it is told to and they have.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;

use super::accept::{Door, Sockets};
use super::clients::Clients;
use super::connection::Connection;
use super::exchange::Exchanges;
use super::handshake::Handshakes;
use super::limits::{ConnectionLimit, Limits};
use super::phase::Expired;
use super::request::Answerer;
use super::serve;
use super::stage::{SharedStage, Stage};
use super::turns::Turns;
use crate::counters::ListenCounters;

/// What every io thread of a gateway shares.
#[derive(Debug, Clone)]
pub(crate) struct IoThread {
    limits: Limits,
    connections: Arc<ConnectionLimit>,
    stage: SharedStage,
    clients: Arc<Clients>,
}

/// How often limits are looked at: a limit is kept to within this.
const SWEEP_EVERY: Duration = Duration::from_millis(50);

/// Connections that are accepted before the others have their turn. Were it one, the last of a burst of 512 would wait for
/// 512 turns of a busy thread, each as long as there are connections.
const ACCEPTED_IN_A_TURN: usize = 64;

/// After a failed accept, such as for want of file descriptors, before the next.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What a connection over the limit is told.
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

impl IoThread {
    /// The settings of threads that together hold `max_connections` and follow `stage`.
    pub(crate) fn new(limits: Limits, max_connections: usize, stage: SharedStage, clients: Arc<Clients>) -> Self {
        Self { limits, connections: ConnectionLimit::new(max_connections), stage, clients }
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
            let registered = |(listener, door)| Ok((TcpListener::from_std(listener)?, door));
            sockets.into_listeners().into_iter().map(registered).collect::<io::Result<Vec<_>>>()?
        };
        std::thread::Builder::new().name(format!("io-{index}")).spawn(move || {
            LocalSet::new().block_on(&runtime, async move { self.run(listeners, on_thread(), counters).await });
        })
    }

    async fn run<A: Answerer, C: AsRef<ListenCounters> + 'static>(
        self,
        listeners: Vec<(TcpListener, Door)>,
        answerer: A,
        counters: Arc<C>,
    ) {
        let thread = Rc::new(Thread {
            limits: self.limits,
            permits: self.connections,
            clients: self.clients,
            handshakes: Handshakes::new(),
            turns: Turns::default(),
            live: RefCell::default(),
            answerer,
            counters,
        });
        let exchanges = Rc::new(serve::exchanges(Rc::clone(&thread)));
        let accept = |(listener, door)| Rc::clone(&thread).accept(listener, door, Rc::clone(&exchanges));
        let accepting: Vec<_> =
            listeners.into_iter().map(|listener| tokio::task::spawn_local(accept(listener))).collect();
        let turns = Rc::clone(&thread);
        tokio::task::spawn_local(async move { turns.turns.run().await });
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            sweeps.tick().await;
            let stage = self.stage.get();
            if stage >= Stage::Closing {
                accepting.iter().for_each(tokio::task::JoinHandle::abort);
            }
            let live = thread.sweep(stage);
            if stage == Stage::Over || (stage == Stage::Closing && live == 0) {
                break;
            }
        }
    }
}

/// One io thread at work.
pub(super) struct Thread<A, C> {
    pub(super) clients: Arc<Clients>,
    pub(super) handshakes: Handshakes,
    pub(super) turns: Turns,
    pub(super) answerer: A,
    pub(super) counters: Arc<C>,
    limits: Limits,
    permits: Arc<ConnectionLimit>,
    /// Connections, and streams of them.
    live: RefCell<Vec<Rc<Connection>>>,
}

impl<A: Answerer, C: AsRef<ListenCounters> + 'static> Thread<A, C> {
    async fn accept<E: Exchanges>(self: Rc<Self>, listener: TcpListener, door: Door, exchanges: Rc<E>) {
        let mut is_failing = false;
        let mut in_this_turn = 0;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    is_failing = false;
                    self.take(stream, peer, &door, &exchanges);
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
            // Not all that wait: an idle thread takes some of them.
            in_this_turn += 1;
            if in_this_turn == ACCEPTED_IN_A_TURN {
                in_this_turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    fn take<E: Exchanges>(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, door: &Door, exchanges: &Rc<E>) {
        let counters = (*self.counters).as_ref();
        let is_plain = door.tls.is_none() && !door.proxy_protocol;
        let address = peer.ip().to_canonical();
        // A trusted proxy connects for others: their requests are counted, or with a PROXY header they are.
        let share = if self.clients.trusts(address) { Some(None) } else { self.clients.connection(address).map(Some) };
        let (Some(permit), Some(share)) = (self.permits.admit(), share) else {
            counters.connections_refused.increment();
            if is_plain {
                // Into an empty send buffer: it is taken whole or the client is gone.
                let _ = stream.try_write(TOO_MANY_CONNECTIONS);
            }
            return;
        };
        counters.connections_opened.increment();
        // Answers are small and complete: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let connection = Rc::new(Connection::new(peer, Instant::now()));
        self.watch(Rc::clone(&connection));
        let place = (permit, share);
        // Two kinds of task: one that may do TLS is several times as large.
        if is_plain {
            let (exchanges, counters) = (Rc::clone(exchanges), Arc::clone(&self.counters));
            tokio::task::spawn_local(serve::plain(exchanges, counters, stream, connection, place));
        } else {
            let to = (Rc::clone(self), Rc::clone(exchanges));
            tokio::task::spawn_local(serve::behind(to, door.clone(), stream, connection, place));
        }
    }

    /// Holds a connection, or a stream of one, to the time limits.
    pub(super) fn watch(&self, connection: Rc<Connection>) {
        self.live.borrow_mut().push(connection);
    }

    /// Closes what is over its limit and forgets what is gone. Returns how many connections are left.
    fn sweep(&self, stage: Stage) -> usize {
        let now = Instant::now();
        let closing = stage >= Stage::Closing;
        self.answerer.sweep(now);
        self.handshakes.sweep();
        let counters = (*self.counters).as_ref();
        let mut live = self.live.borrow_mut();
        live.retain(|connection| {
            if connection.is_over() {
                return false;
            }
            match connection.sweep(now, &self.limits, stage) {
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
