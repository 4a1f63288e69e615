//! Following the journal live: an endless body of lines of JSON, one for each event that becomes safe.
//!
//! Nobody pushes anything for it. Its task looks at the ring of recent events ten times a second, and only while the client
//! takes what it is given; a client that is too slow finds the ring gone on, is told how much it has missed, and goes on
//! with what is there. What lies further back is read from the disk, on a thread for that, until the present is reached.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body::{Body, Frame};
use humantime::format_rfc3339_millis;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::archive::Archive;
use crate::config::TypePattern;
use crate::event::{Event, Sequence};
use crate::journal::{Journal, JournalError, Reader};
use crate::reply::ReplyBytes;
use crate::routes;

/// Which events are followed.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) source: Option<String>,
    pub(super) event_type: Option<TypePattern>,
    pub(super) route: Option<String>,
    /// Those that were received since; `None`: from now on.
    pub(super) since: Option<SystemTime>,
}

/// Lines as they come.
#[derive(Debug)]
pub(super) struct Lines(Receiver<Bytes>);

impl Lines {
    /// A body, and where its lines come from: it ends when that is dropped.
    pub(super) fn channel() -> (Sender<Bytes>, Self) {
        let (lines, body) = channel(PIECES);
        (lines, Self(body))
    }
}

impl Body for Lines {
    type Data = ReplyBytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<ReplyBytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes.into()))))
    }
}

/// Pieces that wait for a client.
const PIECES: usize = 4;

/// Bytes of lines in one.
const PIECE_BYTES: usize = 64 << 10;

/// Bodies that are read at once. The ring is locked as long as it takes to count up to so much.
const READ_BYTES: usize = 256 << 10;

/// How often the ring is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Begins to follow. To be called on a `LocalSet`; it ends when the body is dropped.
pub(super) fn follow(journal: &Journal, archive: Arc<Archive>, filter: Filter) -> Lines {
    let (lines, body) = Lines::channel();
    let reader = Arc::new(journal.reader());
    let is_behind = filter.since.is_some();
    let next = filter.since.map_or_else(|| reader.synced_end(), |since| reader.first_after(since));
    let follower = Follower { reader, archive, filter, next, is_behind };
    tokio::task::spawn_local(follower.run(lines));
    body
}

struct Follower {
    reader: Arc<Reader>,
    archive: Arc<Archive>,
    filter: Filter,
    next: Sequence,
    /// It has not reached the present yet, and reads the disk.
    is_behind: bool,
}

impl Follower {
    async fn run(mut self, lines: Sender<Bytes>) {
        while !lines.is_closed() {
            let mut text = String::new();
            let events = match self.read(&mut text).await {
                Ok(events) => events,
                Err(error) => {
                    let _ = lines.send(notice(&format!("the journal cannot be read: {error}"), 0).into()).await;
                    return;
                }
            };
            if let Some((last, _)) = events.last() {
                self.next = last.next();
            } else if text.is_empty() {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = lines.closed() => {}
                }
                continue;
            }
            for (sequence, event) in events {
                self.push_line(sequence, &event, &mut text);
                if text.len() >= PIECE_BYTES && lines.send(std::mem::take(&mut text).into()).await.is_err() {
                    return;
                }
            }
            if !text.is_empty() && lines.send(text.into()).await.is_err() {
                return;
            }
            // Other requests come in between.
            tokio::task::yield_now().await;
        }
    }

    async fn read(&mut self, text: &mut String) -> Result<Vec<(Sequence, Event)>, JournalError> {
        if self.is_behind {
            let (reader, from) = (Arc::clone(&self.reader), self.next);
            let read = tokio::task::spawn_blocking(move || reader.read(from, READ_BYTES)).await;
            // A task that has panicked, or a gateway that ends.
            let Ok(read) = read else { return Ok(Vec::new()) };
            match read {
                Err(JournalError::Gone { oldest }) => {
                    self.skip_to(Sequence(oldest), "they are no longer kept", text);
                    return Ok(Vec::new());
                }
                read => {
                    let events = read?;
                    self.is_behind = !events.is_empty();
                    return Ok(events);
                }
            }
        }
        if let Some(events) = self.reader.read_recent(self.next, READ_BYTES) {
            return Ok(events);
        }
        self.skip_to(self.reader.synced_end(), "they came faster than they were taken", text);
        Ok(Vec::new())
    }

    fn skip_to(&mut self, next: Sequence, why: &str, text: &mut String) {
        let skipped = next.0.saturating_sub(self.next.0);
        self.next = next;
        if skipped > 0 {
            text.push_str(&notice(&format!("{skipped} events of all sources were left out: {why}"), skipped));
        }
    }

    fn push_line(&self, sequence: Sequence, event: &Event, text: &mut String) {
        let Filter { source, event_type, route, since } = &self.filter;
        if source.as_ref().is_some_and(|source| source != event.source())
            || event_type.as_ref().is_some_and(|pattern| !routes::matches(pattern, event.event_type()))
            || since.is_some_and(|since| event.received() < since)
        {
            return;
        }
        let routes: Vec<&str> = self.archive.matcher.routes_of(event).collect();
        if route.as_ref().is_some_and(|route| !routes.contains(&route.as_str())) {
            return;
        }
        let line = json!({
            "sequence": sequence.0,
            "received": format_rfc3339_millis(event.received()).to_string(),
            "source": event.source(),
            "type": event.event_type(),
            "type_signed": event.type_signed(),
            "id": event.id(),
            "bytes": event.body().len(),
            "routes": routes,
        });
        text.push_str(&line.to_string());
        text.push('\n');
    }
}

fn notice(text: &str, skipped: u64) -> String {
    format!("{}\n", json!({ "notice": text, "skipped": skipped }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;
    use std::time::Instant;

    use bytes::Buf;
    use http_body_util::BodyExt;
    use tokio::task::LocalSet;

    use super::*;
    use crate::config::Config;
    use crate::journal::{Entrance, Outcome, Settings};

    async fn submit(entrance: &Entrance, id: &str, bytes: usize) {
        let event = Event::for_test("s", Some("a.b"), id, &[], &vec![b'x'; bytes]);
        let outcome = entrance.submit(event, 0, Instant::now() + Duration::from_secs(600), false).await;
        assert!(matches!(outcome, Outcome::Safe(_)), "{outcome:?}");
    }

    async fn next(lines: &mut Lines) -> serde_json::Value {
        let frame = lines.frame().await.unwrap().unwrap();
        let bytes = frame.into_data().map(|data| Buf::chunk(&data).to_vec()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn what_has_left_the_memory_is_left_out_with_a_notice_and_what_follows_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let small =
            Settings { ring_bytes: 64 << 10, segment_size: 1 << 20, max_size: 8 << 20, ..Settings::new(dir.path()) };
        let (journal, _) = Journal::open(&small).unwrap();
        let config = Config::parse("[[source]]\nname = \"s\"\nauth = \"none\"", Path::new("test")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let entrance = journal.entrance();
            let mut lines = follow(&journal, Arc::new(Archive::new(&config)), Filter::default());
            // Larger than all that is kept in memory: gone before anybody could look.
            submit(&entrance, "large", 100 << 10).await;
            let notice = next(&mut lines).await;
            assert_eq!(notice["skipped"], 1, "{notice}");
            submit(&entrance, "small", 10).await;
            assert_eq!(next(&mut lines).await["id"], "small");
        });
    }
}
