//! TLS handshakes, within limits: strangers can ask for them, and each costs more than a hundred requests.
//!
//! A handshake that stalls costs memory only, and is closed by the limit on heads. Beyond [`UNFINISHED_MAX`] of them the one
//! that has been at it the longest makes room: an honest one is done within two round trips. One that goes on costs a
//! signature; a *turn* for each step lets [`TURNS`] of them happen between two looks at the other connections.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use super::connection::Connection;

/// The handshakes of one io thread.
#[derive(Debug)]
pub(super) struct Handshakes {
    unfinished: RefCell<VecDeque<Rc<Connection>>>,
    turns: Arc<Semaphore>,
}

/// How a handshake ended.
pub(super) enum Shaken {
    Done(Box<TlsStream<TcpStream>>),
    /// The client spoke no TLS, found no common ground or showed a certificate that is not trusted.
    Failed,
    /// It took too long, or made room for others.
    Closed,
}

/// Some 30 KB each while they last. A thousand honest clients may arrive within the same two round trips.
const UNFINISHED_MAX: usize = 1024;

/// Signatures between two looks at the other connections: 0.1 ms each with a key on P-256, 1 ms with RSA of 2048 bits.
const TURNS: usize = 2;

impl Handshakes {
    pub(super) fn new() -> Self {
        Self { unfinished: RefCell::default(), turns: Arc::new(Semaphore::new(TURNS)) }
    }

    /// Takes a connection that begins a handshake. Whether another had to make room for it.
    pub(super) fn begin(&self, connection: &Rc<Connection>) -> bool {
        let mut unfinished = self.unfinished.borrow_mut();
        if unfinished.len() >= UNFINISHED_MAX {
            unfinished.retain(|connection| connection.is_shaking_hands());
        }
        let dropped = if unfinished.len() >= UNFINISHED_MAX { unfinished.pop_front() } else { None };
        if let Some(oldest) = &dropped {
            oldest.close();
        }
        connection.begin_handshake();
        unfinished.push_back(Rc::clone(connection));
        dropped.is_some()
    }

    /// Forgets those that have ended, so that their connections can be forgotten too.
    pub(super) fn sweep(&self) {
        self.unfinished.borrow_mut().retain(|connection| connection.is_shaking_hands());
    }

    /// Does what [`Handshakes::begin`] began.
    pub(super) async fn complete(
        &self,
        stream: TcpStream,
        config: Arc<ServerConfig>,
        connection: &Connection,
    ) -> Shaken {
        let mut accept = TlsAcceptor::from(config).accept(stream);
        let shaken = loop {
            let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else { break Shaken::Closed };
            let step = step(&mut accept).await;
            // Given back when everybody else has had a turn.
            tokio::task::spawn_local(async move {
                tokio::task::yield_now().await;
                drop(turn);
            });
            match step {
                Some(Ok(stream)) => break Shaken::Done(Box::new(stream)),
                Some(Err(_)) => break Shaken::Failed,
                None => {}
            }
            woken(connection).await;
            if connection.is_closed() {
                break Shaken::Closed;
            }
        };
        connection.end_handshake();
        shaken
    }
}

/// One poll: its signature, if it is time for that, happens here.
async fn step(accept: &mut Accept<TcpStream>) -> Option<std::io::Result<TlsStream<TcpStream>>> {
    poll_fn(|cx| {
        Poll::Ready(match Pin::new(&mut *accept).poll(cx) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        })
    })
    .await
}

/// Until the task is woken: by its socket, which has its waker from the step, or by the sweep.
async fn woken(connection: &Connection) {
    let mut was_asleep = false;
    poll_fn(|cx| {
        if was_asleep || connection.is_closed() {
            return Poll::Ready(());
        }
        was_asleep = true;
        connection.wake_me(cx);
        Poll::Pending
    })
    .await;
}
