//! One poll: run after run, each from the saved cursor to the last page. Runs on the `poll` thread.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::Request;
use http::request::Parts;
use tokio::time::sleep;

use super::PollError;
use super::counts::PollCounts;
use super::cursor::{Advance, CursorFile};
use super::fetch::{Fetcher, Page};
use super::page::Records;
use super::target;
use super::trouble::Trouble;
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
    config: PollConfig,
    /// The index of its events' source, as the journal and the routes know it, and its name.
    origin: usize,
    source: String,
    fetcher: Fetcher,
    sniffer: Sniffer,
    /// Records come without a request of their own.
    head: Parts,
    ids: IdSource,
    file: CursorFile,
    cursor: Option<String>,
    counts: Arc<PollCounts>,
}

/// Events that are on their way to the journal at once.
const CHUNK: usize = 256;

/// Times that one page is asked for before the run is given up.
const TRIES: u32 = 5;

/// For an event to become safe.
const SAFE_WITHIN: Duration = Duration::from_secs(30);

impl Poller {
    /// Reads the cursor that was saved last.
    pub(super) fn new(
        config: &PollConfig,
        origin: (usize, &str),
        server: Server,
        folder: &Path,
        counts: Arc<PollCounts>,
    ) -> Result<Self, PollError> {
        let file = CursorFile::new(folder, &config.name)?;
        let start = || config.cursor.as_ref().and_then(|cursor| cursor.start.clone());
        let (head, ()) = Request::new(()).into_parts();
        Ok(Self {
            origin: origin.0,
            source: origin.1.to_owned(),
            fetcher: Fetcher::new(server, config.server.timeout, config.max_answer),
            sniffer: Sniffer::new(&config.event_type, &config.delivery_id),
            head,
            ids: IdSource::new(),
            cursor: file.load()?.or_else(start),
            file,
            counts,
            config: config.clone(),
        })
    }

    /// Runs for as long as the thread does.
    pub(super) async fn go(mut self, shared: Rc<Shared>) {
        let mut failures = 0;
        loop {
            let wait = match self.run(&shared).await {
                Ok(()) => {
                    if self.counts.failing.get() > 0 {
                        tracing::info!(poll = self.config.name, "the poll succeeds again");
                    }
                    failures = 0;
                    self.counts.failing.set(0);
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    self.counts.last_success.set(now.as_secs());
                    self.config.every.mul_f64(1.0 + self.config.jitter * fastrand::f64())
                }
                Err(trouble) => {
                    failures += 1;
                    self.note(&trouble, trouble.wait(failures, self.config.every))
                }
            };
            sleep(wait).await;
        }
    }

    /// From the cursor to the last page.
    async fn run(&mut self, shared: &Shared) -> Result<(), Trouble> {
        // Borrowed by the run beside what it changes.
        let config = self.config.clone();
        let mut target = target::first(&config.server.url, self.cursor.as_deref());
        let mut advance = Advance::new(config.cursor.as_ref(), self.cursor.clone());
        let (mut asked, mut records_taken, mut body_before) = (HashSet::new(), 0, None);
        let hashes = RandomState::new();
        for pages in 1..=config.max_pages {
            if !asked.insert(target.clone()) {
                return Err(Trouble::Repeats);
            }
            let at = SystemTime::now();
            let page = self.page(&target).await?;
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
            match records.next(&config, &target, &page.headers, (pages, records_taken))? {
                Some(next) => target = next,
                None => return self.advance_to(advance.into_cursor()),
            }
        }
        Err(Trouble::TooManyPages(config.max_pages))
    }

    /// A page, for which a server that is busy or down for a moment is asked again: a run of many pages need not begin anew.
    async fn page(&mut self, target: &str) -> Result<Page, Trouble> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.fetcher.page(target).await {
                Ok(page) => {
                    self.counts.pages.increment();
                    return Ok(page);
                }
                Err(trouble) if trouble.passes() && tries < TRIES => {
                    let wait = trouble.wait(tries, self.config.every);
                    sleep(self.note(&trouble, wait)).await;
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
                    Outcome::Safe(_) => self.counts.records.increment(),
                    Outcome::Duplicate => self.counts.duplicates.increment(),
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

    /// Everything before this cursor is safe.
    fn advance_to(&mut self, cursor: Option<String>) -> Result<(), Trouble> {
        if let Some(cursor) = cursor.filter(|cursor| self.cursor.as_ref() != Some(cursor)) {
            self.file.save(&cursor)?;
            self.cursor = Some(cursor);
        }
        Ok(())
    }

    /// Tells of a failure, and how long nothing is asked after it.
    fn note(&self, trouble: &Trouble, wait: Duration) -> Duration {
        let reason = trouble.reason();
        self.counts.note_error(reason);
        tracing::warn!(poll = self.config.name, reason, wait_ms = wait.as_millis() as u64, "the poll waits: {trouble}");
        wait
    }
}

/// Beside a record: head, and what a type is joined from.
const HEAD_BYTES: usize = 512;
