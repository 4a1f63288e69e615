//! axum and `SQLite` in WAL mode with `synchronous=FULL`: a commit is synced. One thread writes, and puts all that waits
//! into one transaction.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::event::{self, Event};
use super::signature::Key;

#[derive(Clone)]
struct App {
    key: Key,
    events: Sender<(Event, oneshot::Sender<()>)>,
}

pub(super) fn serve(listen: SocketAddr, key: Key, store: &str) -> anyhow::Result<()> {
    let database = Connection::open(store).context("cannot open the database")?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute("CREATE TABLE events (n INTEGER PRIMARY KEY, id TEXT, type TEXT, body BLOB)", ())?;
    let (events, received) = channel();
    std::thread::spawn(move || {
        if let Err(error) = write(database, &received) {
            eprintln!("the database failed: {error}");
        }
    });
    event::serve(listen, async || Ok(Router::new().route("/hooks/github", post(hook)).with_state(App { key, events })))
}

async fn hook(State(app): State<App>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !app.key.verifies(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Some(event) = Event::read(&headers, body) else { return StatusCode::BAD_REQUEST };
    let (committed, commit) = oneshot::channel();
    // Whoever cannot be written drops the other end.
    let _ = app.events.send((event, committed));
    match commit.await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn write(mut database: Connection, events: &Receiver<(Event, oneshot::Sender<()>)>) -> rusqlite::Result<()> {
    while let Ok(first) = events.recv() {
        let mut committed = Vec::new();
        let transaction = database.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO events (id, type, body) VALUES (?, ?, ?)")?;
            for (Event { id, kind, body }, done) in std::iter::once(first).chain(events.try_iter()).take(BATCH_MAX) {
                insert.execute(params![id, kind, &body[..]])?;
                committed.push(done);
            }
        }
        transaction.commit()?;
        for done in committed {
            let _ = done.send(());
        }
    }
    Ok(())
}

const BATCH_MAX: usize = 1_000;
