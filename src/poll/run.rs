//! One run of a poll, from the saved cursor to the last page. Runs on the `poll` thread.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::Request;
use http::request::Parts;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::PollError;
use super::advance::Advance;
use super::fetch::{Fetcher, Line, Page};
use super::memory::{Memory, MemoryFile};
use super::observed::ObservedPoll;
use super::page::Records;
use super::target;
use super::token::Tokens;
use super::trouble::Trouble;
use super::validators::Validators;
use crate::config::PollConfig;
use crate::event::{Event, IdSource, RecordPool};
use crate::journal::{Entrance, Outcome};
use crate::refusal::Refusal;
use crate::sinks::Server;
use crate::sniff::Sniffer;

/// What all polls of the thread share.
pub(super) struct Shared {
    pub(super) journal: Entrance,
    pub(super) records: RecordPool,
}

/// A poll, ready to run.
pub(super) struct Poller {
    pub(super) config: PollConfig,
    pub(super) observed: Arc<ObservedPoll>,
    pub(super) memory: Memory,
    pub(super) file: MemoryFile,
    /// Tells a run that waits for its server to wait no longer.
    pub(super) hurry: Arc<Notify>,
    /// The index of its events' source, as the journal and the routes know it, and its name.
    origin: usize,
    source: String,
    fetcher: Fetcher,
    sniffer: Sniffer,
    /// Records come without a request of their own.
    head: Parts,
    ids: IdSource,
}

/// Events that are on their way to the journal at once.
const CHUNK: usize = 256;

/// Times that one page is asked for before the run is given up.
const TRIES: u32 = 5;

/// For an event to become safe.
const SAFE_WITHIN: Duration = Duration::from_secs(30);

impl Poller {
    /// Reads what was saved last, and makes its requests ready.
    pub(super) fn new(
        config: &PollConfig,
        origin: (usize, &str),
        folder: &Path,
        observed: Arc<ObservedPoll>,
    ) -> Result<Self, PollError> {
        let file = MemoryFile::new(folder, &config.name);
        let memory = file.load()?.unwrap_or_else(|| Memory::first(config));
        observed.note_cursor(memory.cursor.as_deref());
        let server = Server::new(&config.name, &config.server)?;
        let line = Line::new(server, config.server.timeout, config.max_answer);
        let tokens = config.oauth2.as_ref().map(|oauth2| Tokens::new(&config.name, oauth2)).transpose()?;
        let (head, ()) = Request::new(()).into_parts();
        Ok(Self {
            origin: origin.0,
            source: origin.1.to_owned(),
            fetcher: Fetcher::new(line, tokens),
            sniffer: Sniffer::new(&config.event_type, &config.delivery_id),
            head,
            ids: IdSource::new(),
            memory,
            file,
            hurry: Arc::default(),
            observed,
            config: config.clone(),
        })
    }

    /// From the cursor to the last page.
    pub(super) async fn run(&mut self, shared: &Shared) -> Result<(), Trouble> {
        // Borrowed by the run beside what it changes.
        let config = self.config.clone();
        let url = &config.server.url;
        let mut target = target::first(url, self.memory.cursor.as_deref());
        let known = self.memory.validators.clone().filter(|known| known.are_of(url, &target));
        let mut advance = Advance::new(config.cursor.as_ref(), self.memory.cursor.clone());
        let (mut asked, mut records_taken, mut body_before) = (HashSet::new(), 0, None);
        let hashes = RandomState::new();
        for pages in 1..=config.max_pages {
            if !asked.insert(target.clone()) {
                return Err(Trouble::Repeats);
            }
            let at = SystemTime::now();
            let Some(page) = self.page(&target, known.as_ref().filter(|_| pages == 1)).await? else {
                self.observed.counts.unchanged.increment();
                return Ok(());
            };
            let records = Records::of(&page, &config.items)?;
            let body = (!records.places.is_empty()).then(|| hashes.hash_one(&page.body));
            if body.is_some() && body == body_before {
                return Err(Trouble::Repeats);
            }
            body_before = body;
            self.take(shared, &page.body, &records.places).await?;
            if pages == 1 {
                advance.note_answer(&page.headers, at);
            }
            records.values(&config.items).iter().for_each(|record| advance.note_record(record));
            records_taken += records.places.len();
            // That a first page is as it was says nothing of those behind it.
            let validators = if pages == 1 { Validators::of(url, &target, &page.headers) } else { None };
            match records.next(&config, &target, &page.headers, (pages, records_taken))? {
                Some(next) => target = next,
                None => return self.remember(Memory { cursor: advance.into_cursor(), validators }),
            }
        }
        Err(Trouble::TooManyPages(config.max_pages))
    }

    /// A page, for which a server that is busy or down for a moment is asked again: a run of many pages need not begin anew.
    /// `None` if it is as it was.
    async fn page(&mut self, target: &str, known: Option<&Validators>) -> Result<Option<Page>, Trouble> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.fetcher.page(target, known).await {
                Ok(page) => {
                    self.observed.counts.pages.increment();
                    return Ok(page);
                }
                Err(trouble) if trouble.passes() && tries < TRIES => {
                    let wait = trouble.wait(tries, self.config.every);
                    self.note(&trouble, wait, false);
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.hurry.notified() => {}
                    }
                    self.observed.note_start();
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Hands the records of a page to the journal, and returns when all of them are safe.
    async fn take(&mut self, shared: &Shared, body: &[u8], places: &[Range<usize>]) -> Result<(), Trouble> {
        for (chunk, places) in places.chunks(CHUNK).enumerate() {
            let mut receipts = Vec::with_capacity(places.len());
            for (number, place) in places.iter().enumerate() {
                let record = body.get(place.clone()).unwrap_or_default();
                let event = self.event(shared, record, chunk * CHUNK + number)?;
                receipts.push(shared.journal.submit(event, self.origin, Instant::now() + SAFE_WITHIN, true));
            }
            for receipt in receipts {
                match receipt.await {
                    Outcome::Safe(_) => self.observed.counts.records.increment(),
                    Outcome::Duplicate => self.observed.counts.duplicates.increment(),
                    Outcome::Refused(refusal) => return Err(Trouble::Refused(refusal)),
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, shared: &Shared, record: &[u8], number: usize) -> Result<Event, Trouble> {
        let mut draft = shared.records.draft_of(record.len() + HEAD_BYTES);
        if !draft.reserve(record.len()) {
            return Err(Trouble::Refused(Refusal::OverMemoryBudget));
        }
        // Without its query, in which somebody may have written a key.
        draft.head(&self.source, "GET", self.config.server.url.path());
        draft.header("content-type", b"application/json");
        draft.push_body(record);
        let meta = self.sniffer.sniff_item(&self.head, |_| None, record, number);
        if meta.id.is_none() {
            let what = format!("record {} has no id where `delivery_id` says", number + 1);
            return Err(Trouble::NotUnderstood(what));
        }
        Ok(draft.seal(meta, false, (Instant::now(), SystemTime::now()), &mut self.ids))
    }

    /// All that was found before is safe.
    pub(super) fn remember(&mut self, memory: Memory) -> Result<(), Trouble> {
        if memory != self.memory {
            self.file.save(&memory)?;
            self.observed.note_cursor(memory.cursor.as_deref());
            self.memory = memory;
        }
        Ok(())
    }

    /// Tells of a failure, and how long nothing is asked after it.
    pub(super) fn note(&self, trouble: &Trouble, wait: Duration, run_is_over: bool) {
        self.observed.note_trouble(trouble);
        self.observed.note_wait(wait, run_is_over);
        let (poll, reason) = (&self.config.name, trouble.reason());
        tracing::warn!(poll, reason, wait_ms = wait.as_millis() as u64, "the poll waits: {trouble}");
    }
}

/// Beside a record: head, and what a type is joined from.
const HEAD_BYTES: usize = 512;
