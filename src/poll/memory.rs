//! What a poll remembers from run to run: its cursor, and what tells whether there is anything new. It is in the file
//! `poll/NAME.json` in the journal's directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::validators::Validators;
use crate::config::PollConfig;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) cursor: Option<String>,
    /// Of the last run that was complete, if it was one page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) validators: Option<Validators>,
}

impl Memory {
    /// What a poll begins with.
    pub(super) fn first(config: &PollConfig) -> Self {
        let start = config.cursor.as_ref().and_then(|cursor| cursor.start.clone());
        Self { cursor: start, validators: None }
    }

    /// What these bytes of a file say; `None` if that is nothing.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|saved| *saved != Self::default())
    }

    /// The bytes that say it.
    pub(super) fn write(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// What a poll goes on with that is told to go on from this cursor, or to begin anew.
    pub(super) fn anew(config: &PollConfig, to: Option<String>) -> Result<Self, String> {
        match to {
            None => Ok(Self::first(config)),
            Some(_) if config.cursor.is_none() => Err(format!("poll {} has no cursor: it begins anew", config.name)),
            Some(to) if to.is_empty() || to.len() > CURSOR_BYTES_MAX => {
                Err(format!("a cursor has 1 to {CURSOR_BYTES_MAX} bytes"))
            }
            Some(_) => Ok(Self { cursor: to, validators: None }),
        }
    }
}

/// Where it is kept.
#[derive(Debug)]
pub(super) struct MemoryFile(PathBuf);

/// It has to fit into a URL.
pub(super) const CURSOR_BYTES_MAX: usize = 1024;

impl MemoryFile {
    /// In this folder, which need not be there yet.
    pub(super) fn new(folder: &Path, poll: &str) -> Self {
        Self(folder.join(format!("{poll}.json")))
    }

    /// What was saved, if anything was.
    pub(super) fn load(&self) -> io::Result<Option<Memory>> {
        let bytes = match fs::read(&self.0) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let saved = Memory::read(&bytes);
        let why = || {
            let help = "holds no cursor; take the file away to begin anew";
            io::Error::new(io::ErrorKind::InvalidData, format!("{} {help}", self.0.display()))
        };
        Ok(Some(saved.ok_or_else(why)?))
    }

    /// Saves it: when this returns it survives the power, and until then the one before does.
    pub(super) fn save(&self, memory: &Memory) -> io::Result<()> {
        fs::create_dir_all(self.folder())?;
        let temporary = self.0.with_extension("json.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&memory.write()?)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.0)?;
        File::open(self.folder())?.sync_all()
    }

    /// Replaces it, as durably. What a poll begins with needs no file: another `start` is then obeyed.
    pub(super) fn replace(&self, config: &PollConfig, memory: &Memory) -> io::Result<()> {
        if *memory == Memory::first(config) { self.forget() } else { self.save(memory) }
    }

    fn forget(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => File::open(self.folder())?.sync_all(),
        }
    }

    fn folder(&self) -> &Path {
        self.0.parent().unwrap_or(Path::new("."))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_saved_cursor_is_loaded_and_a_broken_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = MemoryFile::new(&dir.path().join("poll"), "orders");
        let at = |cursor: &str| Memory { cursor: Some(cursor.to_owned()), validators: None };
        assert_eq!(file.load().unwrap(), None);
        file.forget().unwrap();
        file.save(&at("a\"b")).unwrap();
        file.save(&at("c")).unwrap();
        assert_eq!(file.load().unwrap(), Some(at("c")));
        for broken in ["{}", "", r#"{"cursor":1}"#] {
            fs::write(dir.path().join("poll/orders.json"), broken).unwrap();
            assert!(file.load().unwrap_err().to_string().contains("orders.json"));
        }
        file.forget().unwrap();
        assert_eq!(file.load().unwrap(), None);
    }
}
