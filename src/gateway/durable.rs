//! What makes an acknowledgement durable: the journal, opened as configured, and the journal as the routes read it. The two
//! rooms know nothing of each other.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::config::{Ack, Config};
use crate::event::{Event, Sequence};
use crate::journal::{
    IdWindow, Journal, JournalError, ParkOutcome, Parked, ReadParked, Reader, Recovered, RouteProgress, Settings,
};
use crate::routes::{Log, LogError, Progress};

/// Opens the journal if a source is durable, or if there is one from when a source was: its events are still owed.
pub(super) fn open(config: &Config) -> Result<Option<(Arc<Journal>, Recovered)>, JournalError> {
    let dir = config.journal.events_dir();
    let is_needed =
        config.sources.iter().any(|source| source.ack == Ack::Durable) || !config.polls.is_empty() || dir.exists();
    if !is_needed {
        return Ok(None);
    }
    let settings = Settings {
        max_size: config.journal.max_size,
        retain_age: Some(config.journal.retain.age),
        retain_size: Some(config.journal.retain.size),
        segment_size: config.journal.segment_size,
        id_windows: id_windows(config),
        shortest_deadline: shortest_deadline(config),
        ..Settings::new(dir)
    };
    let (journal, recovered) = Journal::open(&settings)?;
    report(&recovered);
    Ok(Some((Arc::new(journal), recovered)))
}

/// In the order of the indices that events are submitted with.
fn id_windows(config: &Config) -> Vec<IdWindow> {
    let sources = config.sources.iter().map(|source| source.duplicates);
    let windows = sources.chain(config.polls.iter().map(|poll| poll.duplicates));
    let named = config.origins().zip(windows);
    named.map(|(name, window)| IdWindow { source: name.into(), ids: window.ids, age: window.age }).collect()
}

fn shortest_deadline(config: &Config) -> Duration {
    let durable = config.sources.iter().filter(|source| source.ack == Ack::Durable);
    durable.map(|source| source.deadline).min().unwrap_or(Duration::MAX)
}

fn report(recovered: &Recovered) {
    let Recovered { last, oldest, segments, segments_read, took, torn_bytes, .. } = recovered;
    if let Some(last) = last {
        tracing::info!(%oldest, %last, segments, segments_read, ?took, "the journal is open");
    }
    if *torn_bytes > 0 {
        tracing::warn!(
            torn_bytes,
            "the last write had not ended when the process or the power did; it was cut off, and nothing in it had been \
             acknowledged"
        );
    }
}

/// A reader of the journal that keeps the routes' progress in it.
pub(super) struct JournalLog {
    journal: Arc<Journal>,
    reader: Reader,
}

impl JournalLog {
    pub(super) fn new(journal: Arc<Journal>) -> Self {
        let reader = journal.reader();
        Self { journal, reader }
    }
}

impl Log for JournalLog {
    fn read(&mut self, from: Sequence, max_bytes: usize) -> Result<Vec<(Sequence, Event)>, LogError> {
        match self.reader.read(from, max_bytes) {
            // What is gone was released because every route was done with it: the oldest that is there comes next.
            Err(JournalError::Gone { oldest }) => {
                tracing::info!(%from, oldest, "a route begins with the oldest event that the journal keeps");
                self.reader.read(Sequence(oldest), max_bytes)
            }
            read => read,
        }
        .map_err(LogError::new)
    }

    fn end(&self) -> Sequence {
        self.reader.synced_end()
    }

    fn bytes_from(&self, from: Sequence) -> u64 {
        self.reader.bytes_from(from)
    }

    fn last_bytes(&self, bytes: u64) -> Sequence {
        self.reader.last_bytes(bytes)
    }

    fn begins_before(&self, time: SystemTime) -> Sequence {
        self.reader.begins_before(time)
    }

    fn forget(&mut self, route: &Arc<str>) {
        self.journal.forget(route);
    }

    fn save(&mut self, progress: Vec<(Arc<str>, Progress)>, settled: Vec<Sequence>) {
        let encoded = progress.into_iter().map(|(route, progress)| {
            let mut done = Vec::new();
            progress.encode(&mut done);
            (route, RouteProgress { position: progress.position(), done })
        });
        self.journal.save_progress(encoded.collect(), settled);
    }

    fn park(&mut self, parking: Vec<Parked>) {
        self.journal.park(parking);
    }

    fn take_park_outcomes(&mut self) -> Vec<ParkOutcome> {
        self.journal.take_park_outcomes()
    }

    fn read_parked(&mut self, place: Sequence) -> Result<ReadParked, LogError> {
        let read = self.reader.read_parked(place).map_err(LogError::new)?;
        read.ok_or_else(|| LogError::new(format!("there is no parked event with the sequence {place}")))
    }

    fn release_before(&mut self, lowest: Sequence) {
        self.reader.release_before(lowest);
    }
}

/// The routes' progress, as it was found. What cannot be read is taken from its position on: events come again rather than
/// not at all.
pub(super) fn saved_progress(recovered: &Recovered) -> Vec<(Arc<str>, Progress)> {
    let progress = recovered.progress.iter().map(|(route, saved)| {
        let progress = Progress::decode(&saved.done).unwrap_or_else(|error| {
            tracing::warn!(%route, %error, "the route's progress cannot be read; it begins again at {}", saved.position);
            Progress::at(saved.position)
        });
        (Arc::clone(route), progress)
    });
    progress.collect()
}
