//! Dead letters: one file per route, a line of JSON per event. The `disk` thread writes them, and the log of attempts.
//!
//! A route is done with an event only when its line is synced. Where that fails the event stays in memory, in its place in
//! the route's queue, and is tried again: the route's bounds hold, and nothing is lost but by the end of the process.
//!
//! A file is opened for each batch of lines. Dead letters are rare, and whoever moves or removes the file while hookgate
//! runs does not make it write into a file that is gone.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use data_encoding::BASE64;
use humantime::format_rfc3339_millis;
use serde::Serialize;

use super::attempts::{AttemptFiles, Notes};
use super::delivery::Outcome;
use super::error::RoutesError;
use super::letters::{self, LineDigest};
use super::retry::Reason;
use super::route::Route;
use super::waiting::Waiting;
use crate::failpoint;

/// The way to the `disk` thread.
#[derive(Debug, Clone)]
pub(super) struct DeadLetters {
    /// Not bounded by itself: each letter holds a place in the queue of its route.
    orders: Sender<Order>,
    notes: Notes,
    dir: Arc<Path>,
}

/// An event that is given up.
#[derive(Debug)]
pub(super) struct Letter {
    route: Arc<Route>,
    waiting: Waiting,
    reason: Reason,
    at: SystemTime,
}

#[derive(Debug)]
enum Order {
    Bury(Letter),
    /// There are attempts to write to the log.
    Attempts,
    /// Write those that are noted, and say when that is done.
    WriteAttempts(Sender<()>),
    /// Take letters of a route out of its file, and say how many those were.
    Remove {
        route: Arc<str>,
        letters: Vec<LineDigest>,
        removed: Sender<io::Result<usize>>,
    },
    Stop,
}

impl DeadLetters {
    /// Makes the directory if need be, proves that it can be written to, and starts the thread. It keeps the log of attempts
    /// too, if one is to be kept: where, and of how many bytes.
    pub(super) fn start(dir: &Path, attempts: Option<(&Path, u64)>) -> Result<(Self, JoinHandle<()>), RoutesError> {
        prepare(dir).map_err(|source| RoutesError::DeadDir { dir: dir.to_owned(), source })?;
        let (orders, received) = unbounded();
        let (notes, attempts) = match attempts {
            Some((dir, quota)) => {
                let (notes, files) = AttemptFiles::open(dir, quota);
                (notes, Some(files))
            }
            None => (Notes::off(), None),
        };
        let disk = Disk { dir: dir.to_owned(), orders: received, graves: HashMap::new(), attempts };
        let thread = std::thread::Builder::new()
            .name("disk".into())
            .spawn(move || disk.run())
            .map_err(|source| RoutesError::Thread { name: "disk".into(), source })?;
        Ok((Self { orders, notes, dir: dir.into() }, thread))
    }

    /// Whether a log of attempts is kept.
    pub(super) fn notes_attempts(&self) -> bool {
        self.notes.is_on()
    }

    /// Notes how an attempt that has just ended went.
    pub(super) fn note(&self, route: &Arc<str>, waiting: &Waiting, outcome: &Outcome, span: (SystemTime, Duration)) {
        if self.notes.note(route, waiting, outcome, span) {
            let _ = self.orders.send(Order::Attempts);
        }
    }

    /// Blocks until the log has what was noted before, at most for `patience`.
    pub(super) fn write_attempts(&self, patience: Duration) {
        let (done, is_done) = bounded(1);
        if self.orders.send(Order::WriteAttempts(done)).is_ok() {
            let _ = is_done.recv_timeout(patience);
        }
    }

    /// Attempts that are missing in the log.
    pub(super) fn attempts_dropped(&self) -> u64 {
        self.notes.dropped()
    }

    /// The file of a route's letters.
    pub(super) fn file_of(&self, route: &str) -> PathBuf {
        file_in(&self.dir, route)
    }

    /// Takes letters of a route out of its file. Blocks until that is synced. `None` if the thread has ended before.
    pub(super) fn remove(&self, route: &Arc<str>, letters: Vec<LineDigest>) -> Option<io::Result<usize>> {
        let (removed, is_removed) = bounded(1);
        self.orders.send(Order::Remove { route: Arc::clone(route), letters, removed }).ok()?;
        is_removed.recv().ok()
    }

    /// Hands an event over.
    pub(super) fn bury(&self, letter: Letter) {
        // Fails only after the thread has been told to stop, which happens when no worker is left; the event then counts as
        // lost like any other that is still in its place.
        let _ = self.orders.send(Order::Bury(letter));
    }

    /// Ends the thread after it has tried once to write all it has.
    pub(super) fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
    }
}

impl Letter {
    pub(super) fn new(route: Arc<Route>, waiting: Waiting, reason: Reason) -> Self {
        Self { route, waiting, reason, at: SystemTime::now() }
    }
}

/// The `disk` thread.
struct Disk {
    dir: PathBuf,
    orders: Receiver<Order>,
    graves: HashMap<Arc<str>, Grave>,
    attempts: Option<AttemptFiles>,
}

/// The letters of one route that are not yet written.
struct Grave {
    path: PathBuf,
    letters: Vec<Letter>,
    /// After a failure: when to try again, and how long that wait was.
    again: Option<(Instant, Duration)>,
}

impl Disk {
    fn run(mut self) {
        let mut running = true;
        while running {
            running = self.gather();
            let now = Instant::now();
            for grave in self.graves.values_mut() {
                if !running || grave.is_due(now) {
                    grave.write(now);
                }
            }
            self.graves.retain(|_, grave| !grave.letters.is_empty());
            if let Some(attempts) = &mut self.attempts {
                if running { attempts.write_if_due(now) } else { attempts.end() }
            }
        }
    }

    /// Waits for letters or the next time to try again, and takes what is there. `false` when it is time to stop.
    fn gather(&mut self) -> bool {
        let again = self.graves.values().filter_map(|grave| grave.again).map(|(at, _)| at).min();
        let attempts = self.attempts.as_ref().and_then(AttemptFiles::due);
        let first = match again.into_iter().chain(attempts).min() {
            Some(at) => self.orders.recv_deadline(at),
            None => self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let first = match first {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        let more: Vec<Order> = self.orders.try_iter().take(BATCH_MAX).collect();
        for order in std::iter::once(first).chain(more) {
            match order {
                Order::Bury(letter) => self.grave_of(&letter.route.name).letters.push(letter),
                Order::Attempts => {
                    if let Some(attempts) = &mut self.attempts {
                        attempts.told(Instant::now());
                    }
                }
                Order::WriteAttempts(done) => {
                    if let Some(attempts) = &mut self.attempts {
                        attempts.write();
                    }
                    let _ = done.send(());
                }
                Order::Remove { route, letters, removed } => {
                    let _ = removed.send(letters::remove(&file_in(&self.dir, &route), &letters));
                }
                Order::Stop => return false,
            }
        }
        true
    }

    fn grave_of(&mut self, route: &Arc<str>) -> &mut Grave {
        self.graves.entry(Arc::clone(route)).or_insert_with(|| Grave {
            path: file_in(&self.dir, route),
            letters: Vec::new(),
            again: None,
        })
    }
}

impl Grave {
    fn is_due(&self, now: Instant) -> bool {
        self.again.is_none_or(|(at, _)| at <= now)
    }

    fn write(&mut self, now: Instant) {
        let mut lines = Vec::new();
        for letter in &self.letters {
            push_line(&mut lines, letter);
        }
        failpoint::pass("dead.gathered");
        match append(&self.path, &lines) {
            Ok(()) => {
                failpoint::pass("dead.synced");
                self.again = None;
                for letter in self.letters.drain(..) {
                    letter.route.buried(&letter.waiting);
                }
                failpoint::pass("dead.done");
            }
            Err(error) => {
                let wait = self.again.map_or(FIRST_WAIT, |(_, wait)| (wait * 2).min(LONGEST_WAIT));
                self.again = Some((now + wait, wait));
                tracing::error!(
                    path = %self.path.display(),
                    %error,
                    events = self.letters.len(),
                    again_in = ?wait,
                    "dead letters cannot be written and stay in memory: make room on the disk, or the file writable; ending \
                     hookgate now would lose them"
                );
            }
        }
    }
}

/// Lines of one batch, over all routes.
const BATCH_MAX: usize = 1_024;

const FIRST_WAIT: Duration = Duration::from_millis(200);

const LONGEST_WAIT: Duration = Duration::from_secs(30);

fn file_in(dir: &Path, route: &str) -> PathBuf {
    dir.join(format!("{route}.ndjson"))
}

fn prepare(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let probe = dir.join(".writable");
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&probe)?;
    match std::fs::remove_file(&probe) {
        // Another gateway that starts here in this moment has removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Appends whole lines and syncs them, or leaves the file as it was.
fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    let written = end_torn_line(&mut file, length).and_then(|()| file.write_all(lines)).and_then(|()| {
        failpoint::pass("dead.written");
        file.sync_data()
    });
    if let Err(error) = written {
        // Best effort: what cannot be cut off is closed by `end_torn_line` next time, and a line that was written and not
        // synced is written again, so that it is there at least once.
        let _ = file.set_len(length);
        return Err(error);
    }
    if is_new && let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

/// A line that an earlier process could not finish stays unreadable by itself and spoils no other.
fn end_torn_line(file: &mut File, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// One line of the file.
#[derive(Serialize)]
struct Line<'letter> {
    time: String,
    route: &'letter str,
    reason: &'static str,
    source: &'letter str,
    #[serde(rename = "type")]
    event_type: Option<&'letter str>,
    type_signed: bool,
    id: &'letter str,
    received: String,
    method: &'letter str,
    target: &'letter str,
    /// Pairs, since a name may be there twice.
    headers: Vec<(&'letter str, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'letter str>,
    /// Instead of `body` where that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    attempts: Vec<AttemptLine<'letter>>,
}

#[derive(Serialize)]
struct AttemptLine<'letter> {
    at: String,
    outcome: String,
    detail: &'letter str,
}

fn push_line(lines: &mut Vec<u8>, letter: &Letter) {
    let event = letter.waiting.event();
    let body = std::str::from_utf8(event.body()).ok();
    let line = Line {
        time: format_rfc3339_millis(letter.at).to_string(),
        route: &letter.route.name,
        reason: letter.reason.label(),
        source: event.source(),
        event_type: event.event_type(),
        type_signed: event.type_signed(),
        id: event.id(),
        received: format_rfc3339_millis(event.received()).to_string(),
        method: event.method(),
        target: event.target(),
        headers: event.headers().map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned())).collect(),
        body,
        body_base64: body.is_none().then(|| BASE64.encode(event.body())),
        attempts: letter
            .waiting
            .attempts()
            .iter()
            .map(|attempt| AttemptLine {
                at: format_rfc3339_millis(attempt.at).to_string(),
                outcome: attempt.kind.to_string(),
                detail: &attempt.detail,
            })
            .collect(),
    };
    // Writing to a `Vec` does not fail, and no map here has keys that are not text.
    let written = serde_json::to_writer(&mut *lines, &line);
    debug_assert!(written.is_ok());
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lines_are_appended_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("route.ndjson");
        append(&path, b"one\n").unwrap();
        append(&path, b"two\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn gateways_that_start_at_once_prepare_the_same_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| prepare(dir.path()).unwrap()));
            }
        });
    }

    #[test]
    fn a_torn_line_is_closed_before_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("route.ndjson");
        std::fs::write(&path, b"one\ntw").unwrap();
        append(&path, b"three\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntw\nthree\n");
    }
}
