//! Reads back what the log tells of an event. Blocks its thread for as long as reading all files since then takes.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::files::list;
use super::format::{Entry, key, take_block};
use crate::event::Sequence;

/// An attempt, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) route: Arc<str>,
    /// 1 for the first.
    pub(crate) number: u32,
    /// Where in the journal the event was received.
    pub(crate) sequence: Option<Sequence>,
    pub(crate) started: SystemTime,
    pub(crate) took: Duration,
    /// `None` if it was delivered: what failed, and the first bytes of the answer.
    pub(crate) failure: Option<(String, String)>,
}

/// When a process delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) began: SystemTime,
    /// `None`: it runs, or was cut off.
    pub(crate) ended: Option<SystemTime>,
}

/// What the log tells of one event.
#[derive(Debug, Default)]
pub(crate) struct AttemptsOf {
    /// In the order in which they ended.
    pub(crate) attempts: Vec<Told>,
    /// The processes since then, oldest first.
    pub(crate) runs: Vec<Run>,
    /// The log reaches back at least as far as the event; if not, what was before is deleted.
    pub(crate) is_whole: bool,
}

/// Files of the log were last written up to this much before the times in them.
const CLOCK_SLACK: Duration = Duration::from_secs(5);

/// Reads what the log in `dir` tells of an event that was received at `since` or later.
pub(crate) fn read_attempts(dir: &Path, source: &str, id: &str, since: SystemTime) -> io::Result<AttemptsOf> {
    let wanted = key(source, id);
    let mut of = AttemptsOf::default();
    let files = list(dir)?;
    let skipped = files.iter().take_while(|file| file.modified + CLOCK_SLACK < since).count();
    of.is_whole = skipped > 0;
    for file in files.iter().skip(skipped) {
        let bytes = match std::fs::read(&file.path) {
            // It was the oldest, and is deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            bytes => bytes?,
        };
        let mut rest = bytes.as_slice();
        // What is behind a torn block belongs to no other: see `files`.
        while let Some(entries) = take_block(&mut rest) {
            for entry in entries {
                of.take(entry, wanted, since);
            }
        }
    }
    Ok(of)
}

impl AttemptsOf {
    fn take(&mut self, entry: Entry, wanted: u64, since: SystemTime) {
        match entry {
            Entry::Began(began) => {
                self.is_whole |= began <= since;
                self.runs.push(Run { began, ended: None });
            }
            Entry::Ended(ended) => {
                if let Some(run) = self.runs.last_mut() {
                    run.ended = Some(ended);
                }
            }
            Entry::Attempt(attempt) => {
                self.is_whole |= attempt.started <= since;
                if attempt.key == wanted {
                    self.attempts.push(Told {
                        route: attempt.route,
                        number: attempt.number,
                        sequence: attempt.sequence,
                        started: attempt.started,
                        took: attempt.took,
                        failure: attempt.failure.map(|(kind, detail)| (kind.to_string(), detail.into())),
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Instant;

    use super::super::files::AttemptFiles;
    use super::*;
    use crate::event::Event;
    use crate::routes::delivery::{Failure, FailureKind, Outcome};
    use crate::routes::waiting::Waiting;

    #[test]
    fn attempts_are_told_over_files_runs_and_torn_tails() {
        let dir = tempfile::tempdir().unwrap();
        let event = Event::for_test("s", None, "wanted", &[], b"");
        let other = Event::for_test("s", None, "other", &[], b"");
        let since = SystemTime::now() - Duration::from_millis(1);
        let failed =
            Outcome::Failed(Failure { kind: FailureKind::Status(503), detail: "busy".into(), retry_after: None });
        for (process, outcome) in [failed, Outcome::Delivered].iter().enumerate() {
            let (notes, mut files) = AttemptFiles::open(dir.path(), 1 << 20);
            let waiting = Waiting::new(event.clone(), Some(Sequence(7)), Duration::ZERO);
            let now = (SystemTime::now(), Duration::from_millis(3));
            assert!(notes.note(&"r".into(), &waiting, outcome, now), "the first makes disk look");
            let of_other = Waiting::new(other.clone(), Some(Sequence(8)), Duration::ZERO);
            assert!(!notes.note(&"r".into(), &of_other, outcome, now), "the next does not");
            files.told(Instant::now());
            if process == 0 {
                files.write();
                // Killed while it wrote more.
                let file = &list(dir.path()).unwrap()[0].path;
                let mut bytes = std::fs::read(file).unwrap();
                bytes.extend_from_slice(b"hgat\x10\0\0\0half");
                std::fs::write(file, bytes).unwrap();
            } else {
                files.end();
            }
        }
        let of = read_attempts(dir.path(), "s", "wanted", since).unwrap();
        let failures: Vec<_> = of.attempts.iter().map(|attempt| attempt.failure.clone()).collect();
        assert_eq!(failures, [Some(("status 503".to_owned(), "busy".to_owned())), None]);
        assert_eq!(of.attempts[0].sequence, Some(Sequence(7)));
        assert_eq!(of.runs.iter().map(|run| run.ended.is_some()).collect::<Vec<_>>(), [false, true]);
        assert!(read_attempts(dir.path(), "s", "nobody", since).unwrap().attempts.is_empty());
    }
}
