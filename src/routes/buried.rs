//! Reads dead letters back, by the id of their event. Blocks its thread.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::Path;

use memchr::memmem::Finder;
use serde::Deserialize;

/// A dead letter, without the event itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Buried {
    pub(crate) route: String,
    pub(crate) source: String,
    id: String,
    /// When its event was received, as the others of its times in RFC 3339.
    pub(crate) received: String,
    /// When and why it was given up.
    pub(crate) time: String,
    pub(crate) reason: String,
    pub(crate) attempts: Vec<BuriedAttempt>,
}

/// One of its attempts.
#[derive(Debug, Deserialize)]
pub(crate) struct BuriedAttempt {
    pub(crate) at: String,
    pub(crate) outcome: String,
    pub(crate) detail: String,
}

/// The dead letters of an id, over all routes and sources. Lines that are not whole are passed over.
pub(crate) fn read_buried(dir: &Path, id: &str) -> io::Result<Vec<Buried>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    // As it stands in the file, escaped, within its quotes.
    let written = serde_json::to_string(id)?;
    let finder = Finder::new(&written);
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "ndjson") {
            continue;
        }
        let mut lines = BufReader::new(File::open(path)?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if finder.find(&line).is_some() {
                let letter = serde_json::from_slice::<Buried>(&line).ok();
                found.extend(letter.filter(|letter| letter.id == id));
            }
            line.clear();
        }
    }
    Ok(found)
}
