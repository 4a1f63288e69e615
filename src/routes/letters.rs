//! Dead letters as events again, and out of their file. Blocks its thread.
//!
//! A letter is known by a digest of its line, not by its place: the file may be moved, or grow, between reading a letter and
//! removing it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Take, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Instant, SystemTime};

use data_encoding::BASE64;
use humantime::parse_rfc3339_weak;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::event::{Event, EventParts};

/// The letters in a file when it was opened, one after the other.
#[derive(Debug)]
pub(crate) struct Letters {
    /// `None` where there is no file.
    lines: Option<BufReader<Take<File>>>,
    line: Vec<u8>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct DeadEvent {
    pub(crate) event: Event,
    pub(crate) digest: LineDigest,
}

/// What tells a line from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LineDigest([u8; 16]);

impl LineDigest {
    fn of(line: &[u8]) -> Self {
        let whole = Sha256::digest(line.trim_ascii());
        Self(whole.first_chunk().copied().unwrap_or_default())
    }
}

impl Letters {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let lines = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            file => {
                let file = file?;
                // What is added meanwhile may be what was just handed over, and failed again.
                let length = file.metadata()?.len();
                Some(BufReader::new(file.take(length)))
            }
        };
        Ok(Self { lines, line: Vec::new() })
    }

    /// Lines that are no whole letter are passed over, and stay.
    fn read(&mut self) -> io::Result<Option<DeadEvent>> {
        let Some(lines) = &mut self.lines else { return Ok(None) };
        loop {
            self.line.clear();
            if lines.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            let letter = serde_json::from_slice::<Letter>(&self.line).ok();
            if let Some(event) = letter.and_then(|letter| letter.event()) {
                return Ok(Some(DeadEvent { event, digest: LineDigest::of(&self.line) }));
            }
        }
    }
}

impl Iterator for Letters {
    type Item = io::Result<DeadEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Takes lines out of a file, of each digest one. Either all of them are out when this returns, and that is synced, or the
/// file is as it was. To be called by whoever else writes the file: nothing may be appended meanwhile.
pub(super) fn remove(path: &Path, letters: &[LineDigest]) -> io::Result<usize> {
    let mut wanted: HashMap<LineDigest, usize> = HashMap::with_capacity(letters.len());
    for digest in letters {
        *wanted.entry(*digest).or_default() += 1;
    }
    let mut lines = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        file => BufReader::new(file?),
    };
    // No name that is taken for dead letters. One that a crash has left is written anew.
    let beside = path.with_extension("ndjson.new");
    let mut rest =
        BufWriter::new(OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?);
    let mut removed = 0;
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        match wanted.get_mut(&LineDigest::of(&line)) {
            Some(count @ 1..) => {
                *count -= 1;
                removed += 1;
            }
            _ => rest.write_all(&line)?,
        }
        line.clear();
    }
    rest.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    std::fs::rename(&beside, path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(removed)
}

/// A line, as far as an event is made of it.
#[derive(Debug, Deserialize)]
struct Letter {
    source: String,
    #[serde(rename = "type")]
    event_type: Option<String>,
    #[serde(default)]
    type_signed: bool,
    id: String,
    received: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    body_base64: Option<String>,
}

impl Letter {
    fn event(self) -> Option<Event> {
        let body = match (self.body, self.body_base64) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(base64)) => BASE64.decode(base64.as_bytes()).ok()?,
            (None, None) => return None,
        };
        let headers =
            self.headers.iter().fold(String::new(), |headers, (name, value)| headers + name + ": " + value + "\r\n");
        let parts = EventParts {
            source: &self.source,
            event_type: self.event_type.as_deref(),
            type_signed: self.type_signed,
            id: &self.id,
            method: &self.method,
            target: &self.target,
            headers: headers.as_bytes(),
            body: &body,
            received: parse_rfc3339_weak(&self.received).ok()?,
        };
        Some(Event::from_parts(&parts, (Instant::now(), SystemTime::now())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn line(id: &str, body: &str) -> String {
        format!(
            r#"{{"time":"2026-11-24T10:00:00.000Z","route":"r","reason":"attempts","source":"s","type":null,"id":"{id}","received":"2026-11-24T09:00:00.123Z","method":"POST","target":"/hooks/s","headers":[["content-type","text/plain"]],{body},"attempts":[]}}"#
        ) + "\n"
    }

    #[test]
    fn letters_become_the_events_they_were_and_what_is_none_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.ndjson");
        let (text, bytes) = (line("1", r#""body":"é\n""#), line("2", r#""body_base64":"/wA=""#));
        std::fs::write(&path, format!("{text}{{\"torn\n{bytes}")).unwrap();
        let letters = Letters::open(&path).unwrap();
        let events: Vec<Event> = letters.map(|letter| letter.unwrap().event).collect();
        let told: Vec<_> = events.iter().map(|event| (event.id(), event.body())).collect();
        assert_eq!(told, [("1", "é\n".as_bytes()), ("2", &[0xff, 0][..])]);
        assert_eq!(events[0].header("content-type"), Some(&b"text/plain"[..]));
    }

    #[test]
    fn only_what_was_read_is_removed_and_what_came_since_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.ndjson");
        let lines = ["1", "2", "2", "3"].map(|id| line(id, r#""body":"""#));
        std::fs::write(&path, lines.concat() + "{\"torn\n").unwrap();
        let digests: Vec<_> = Letters::open(&path).unwrap().map(|letter| letter.unwrap().digest).collect();
        let new = line("4", r#""body":"""#);
        File::options().append(true).open(&path).unwrap().write_all(new.as_bytes()).unwrap();
        // The two lines of 2 are the same: one stays.
        assert_eq!(remove(&path, &digests[..2]).unwrap(), 2);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), lines[2..].concat() + "{\"torn\n" + &new);
        assert_eq!(remove(&path, &digests).unwrap(), 2);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{{\"torn\n{new}"));
        assert_eq!(remove(&dir.path().join("none.ndjson"), &digests).unwrap(), 0);
    }
}
