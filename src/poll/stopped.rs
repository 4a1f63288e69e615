//! The polls of a gateway that does not run, by the files that it left.

use std::io;

use super::FOLDER;
use super::memory::{Memory, MemoryFile};
use super::observed::PollStatus;
use crate::config::{Config, PollConfig};

/// What is known of each.
pub(crate) fn stopped(config: &Config) -> io::Result<Vec<PollStatus>> {
    let one = |poll: &PollConfig| {
        let memory = file(config, poll).load()?.unwrap_or_else(|| Memory::first(poll));
        let filled = poll.fills.and_then(|at| config.sources.get(at));
        Ok(PollStatus {
            poll: poll.name.clone(),
            source: filled.map_or(&poll.name, |source| &source.name).clone(),
            state: "stopped".to_owned(),
            cursor: memory.cursor,
            last_success: None,
            lag_seconds: None,
            next_run_seconds: None,
            records: 0,
            duplicates: 0,
            errors: 0,
            reason: None,
            trouble: None,
        })
    };
    config.polls.iter().map(one).collect()
}

/// Has a poll go on from this cursor at the next start, or begin anew; returns where. Its gateway must not run.
pub(crate) fn reset_stopped(config: &Config, poll: &PollConfig, to: Option<String>) -> Result<Option<String>, String> {
    let memory = Memory::anew(poll, to)?;
    let replaced = file(config, poll).replace(poll, &memory);
    replaced.map_err(|error| format!("the cursor of poll {} cannot be saved: {error}", poll.name))?;
    Ok(memory.cursor)
}

fn file(config: &Config, poll: &PollConfig) -> MemoryFile {
    MemoryFile::new(&config.journal.dir.join(FOLDER), &poll.name)
}
