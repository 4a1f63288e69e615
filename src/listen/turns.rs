//! Whose turn it is, where some send many requests without waiting for answers.
//!
//! hyper answers what is in a connection's buffer up to sixteen times before it looks up. With thousands of connections that send
//! so, the only request of any other waited for sixteen of each of them. So a connection answers one request each time it is
//! polled, as most clients never have more; what comes behind it stands in one line for the whole thread, of which some are let
//! through between the turns of others.

use std::cell::RefCell;
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
}

/// Connections of the line that are let through before others have their turn: half a millisecond's work, and enough that what
/// the turn itself costs is small beside it.
const LET_THROUGH: usize = 32;

impl Turns {
    /// Waits until the request that begins on `connection` may be answered.
    pub(super) async fn wait(&self, connection: &Rc<Connection>) {
        if !connection.had_its_turn() {
            return;
        }
        connection.stand_in_line();
        self.line.borrow_mut().push_back(Rc::clone(connection));
        self.signal.notify_one();
        poll_fn(|cx| {
            if connection.stands_in_line() {
                connection.wake_me(cx);
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Lets connections through, for as long as the thread runs.
    pub(super) async fn run(&self) {
        loop {
            for _ in 0..LET_THROUGH {
                let Some(connection) = self.line.borrow_mut().pop_front() else { break };
                connection.is_let_through();
            }
            if self.line.borrow().is_empty() {
                self.signal.notified().await;
            }
            // Behind all that are ready.
            tokio::task::yield_now().await;
        }
    }
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
                    connection.end_turn();
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
        connection.end_turn();
        connection.begin_turn();
        turns.wait(&connection).await;
        assert!(turns.line.borrow().is_empty());
    }
}
