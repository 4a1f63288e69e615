//! Whose turn it is, where many requests are there at once.
//!
//! hyper answers what is in a connection's buffer up to sixteen times before it looks up. With thousands of connections that send
//! so, the only request of any other waited for sixteen of each of them. So a connection answers one request each time it is
//! polled, as most clients never have more; what comes behind it stands in one line for the whole thread, of which some are let
//! through between the turns of others.
//!
//! The connections that are ready do the same two things: read and judge a request, and write its answer. One after the other,
//! each evicts the other's code and the system's from the processor's cache. So answers that are ready at once are
//! written when the requests of all that are ready are judged: a sixth to a fifth less CPU for each at 64 connections.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use tokio::sync::Notify;

use super::connection::Connection;

/// The line of one io thread.
#[derive(Debug, Default)]
pub(super) struct Turns {
    line: RefCell<VecDeque<Rc<Connection>>>,
    signal: Notify,
    /// Answers that wait for others of this round.
    gathered: Cell<usize>,
    /// So many answers to come do not wait, for the last one that did was alone.
    alone: Cell<usize>,
}

/// Where a connection is among the others of its thread.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// It has answered a request since its task was last polled.
    is_had: Cell<bool>,
    stands_in_line: Cell<bool>,
    /// The current request has begun since then.
    is_of_request: Cell<bool>,
}

impl Turn {
    /// Its task is polled, behind those of others that were ready before it.
    pub(super) fn begin(&self) {
        self.is_had.set(false);
        self.is_of_request.set(false);
    }

    /// A request is about to be judged.
    pub(super) fn begin_request(&self) {
        self.is_of_request.set(true);
    }

    /// Whether the current request has begun in this turn.
    pub(super) fn is_of_request(&self) -> bool {
        self.is_of_request.get()
    }

    /// A request is answered.
    pub(super) fn end(&self) {
        self.is_had.set(true);
    }

    /// The next request waits for those of others.
    pub(super) fn stand_in_line(&self) {
        self.stands_in_line.set(true);
    }

    pub(super) fn stands_in_line(&self) -> bool {
        self.stands_in_line.get()
    }

    pub(super) fn leave_line(&self) {
        self.stands_in_line.set(false);
    }
}

/// A round of answers, which is over when the first of them is written or given up.
struct Round<'turns>(&'turns Turns);

impl Drop for Round<'_> {
    fn drop(&mut self) {
        if self.0.gathered.replace(0) == 1 {
            self.0.alone.set(UNGATHERED);
        }
    }
}

/// Connections of the line that are let through before others have their turn: half a millisecond's work, and enough that what
/// the turn itself costs is small beside it.
const LET_THROUGH: usize = 32;

/// Answers that do not wait for others after one that was alone: waiting costs a lone one more than it saves.
const UNGATHERED: usize = 15;

impl Turns {
    /// Waits until the request that begins on `connection` may be answered.
    pub(super) async fn wait(&self, connection: &Rc<Connection>) {
        if !connection.turn.is_had.get() {
            return;
        }
        connection.turn.stand_in_line();
        self.line.borrow_mut().push_back(Rc::clone(connection));
        self.signal.notify_one();
        poll_fn(|cx| {
            if connection.turn.stands_in_line() {
                connection.wake_me(cx);
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Waits with an answer until the other requests that are ready are judged.
    pub(super) async fn gather(&self) {
        if let Some(left) = self.alone.get().checked_sub(1) {
            return self.alone.set(left);
        }
        let before = self.gathered.replace(self.gathered.get() + 1);
        let _round = (before == 0).then(|| Round(self));
        go_behind().await;
    }

    /// Lets connections through, for as long as the thread runs.
    pub(super) async fn run(&self) {
        loop {
            for _ in 0..LET_THROUGH {
                let Some(connection) = self.line.borrow_mut().pop_front() else { break };
                connection.turn.leave_line();
                connection.wake();
            }
            if self.line.borrow().is_empty() {
                self.signal.notified().await;
            }
            // Behind all that are ready.
            tokio::task::yield_now().await;
        }
    }
}

/// Lets all go first that are ready, without a wait for the sockets to be looked at.
pub(crate) async fn go_behind() {
    let mut is_behind = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_behind, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;

    const STANDING: usize = 100;

    #[tokio::test]
    async fn others_have_a_turn_between_some_of_the_line_and_the_next() {
        let line = async {
            let turns = Rc::new(Turns::default());
            let running = Rc::clone(&turns);
            spawn_local(async move { running.run().await });
            let through = Rc::new(Cell::new(0));
            for _ in 0..STANDING {
                let (turns, through) = (Rc::clone(&turns), Rc::clone(&through));
                spawn_local(async move {
                    let connection = Rc::new(Connection::new(([127, 0, 0, 1], 1).into(), std::time::Instant::now()));
                    turns.wait(&connection).await;
                    connection.turn.end();
                    turns.wait(&connection).await;
                    through.set(through.get() + 1);
                });
            }
            let mut seen = 0;
            while seen < STANDING {
                yield_now().await;
                assert!(through.get() - seen <= LET_THROUGH, "{} at once", through.get() - seen);
                seen = through.get();
            }
        };
        LocalSet::new().run_until(line).await;
    }

    #[tokio::test]
    async fn a_first_request_does_not_wait() {
        let connection = Rc::new(Connection::new(([127, 0, 0, 1], 1).into(), std::time::Instant::now()));
        let turns = Turns::default();
        turns.wait(&connection).await;
        connection.turn.end();
        connection.turn.begin();
        turns.wait(&connection).await;
        assert!(turns.line.borrow().is_empty());
    }

    #[tokio::test]
    async fn answers_of_a_round_are_written_when_all_its_requests_are_judged() {
        let round = async {
            let turns = Rc::new(Turns::default());
            let judged = Rc::new(Cell::new(0));
            let answered: Vec<_> = (0..STANDING)
                .map(|_| {
                    let (turns, judged) = (Rc::clone(&turns), Rc::clone(&judged));
                    spawn_local(async move {
                        judged.set(judged.get() + 1);
                        turns.gather().await;
                        assert_eq!(judged.get(), STANDING);
                    })
                })
                .collect();
            for task in answered {
                task.await.expect("no panic");
            }
            assert_eq!((turns.gathered.get(), turns.alone.get()), (0, 0));
        };
        LocalSet::new().run_until(round).await;
    }

    #[tokio::test]
    async fn after_a_lone_answer_some_do_not_wait() {
        let lone = async {
            let turns = Turns::default();
            for _ in 0..3 {
                turns.gather().await;
                assert_eq!(turns.alone.get(), UNGATHERED);
                for _ in 0..UNGATHERED {
                    turns.gather().await;
                }
                assert_eq!((turns.gathered.get(), turns.alone.get()), (0, 0));
            }
        };
        LocalSet::new().run_until(lone).await;
    }

    #[tokio::test]
    async fn a_round_whose_first_is_given_up_is_over() {
        let turns = Turns::default();
        let mut first = Box::pin(turns.gather());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        drop(first);
        assert_eq!(turns.gathered.get(), 0);
    }
}
