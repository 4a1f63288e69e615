//! The `quarantine` thread: writes what io threads hand over, answers what the admin address asks, and lets in again what is
//! right by the configuration of now, on the same way as any request that is proven and whole.
//!
//! An entry leaves its folder when its event is safe, or in memory with its routes, as its source promises, and not before.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use http::request::Parts;
use humantime::format_rfc3339_millis;
use tokio::sync::mpsc::{Receiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::{interval, sleep_until};

use super::intake::{Common, Intake, Proven};
use super::sources::{Source, Sources};
use crate::admit::{BodyCheck, Leniency};
use crate::config::{Ack, Config};
use crate::counters::IoCounters;
use crate::event::IdSource;
use crate::journal::Journal;
use crate::listen::{Answerer, SharedStage, Stage};
use crate::quarantine::{
    ADMITTED, Again, Ask, Dropped, Entry, Inbox, Loss, Quarantine, Refused, Store, Verdict, Which,
};
use crate::refusal::Refusal;
use crate::routes;
use crate::sniff::{Coding, UnknownCoding};

/// The running thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Readmission {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Requests that are written before it is looked whether they come too fast.
const TURN: u32 = 64;

/// For each of them: a flood costs so much of a core and no more, and what is over that has no place at the door.
const EACH: Duration = Duration::from_millis(1);

/// Requests that are written between two that are judged.
const BETWEEN: usize = 16;

/// As often as an io thread, while something waits for its receipt.
const SWEEP_EVERY: Duration = Duration::from_millis(50);

/// Beside a body: head and what is kept of it.
const HEAD_BYTES: usize = 1024;

/// Where io threads leave what they refuse, and where the thread finds it; `None` where nothing is kept.
pub(super) fn door(config: &Config) -> Option<(Arc<Quarantine>, Inbox)> {
    let sources: Vec<String> = config.sources.iter().map(|source| source.name.clone()).collect();
    let (quarantine, inbox) = Quarantine::new(sources, config.quarantine.as_ref()?);
    Some((Arc::new(quarantine), inbox))
}

impl Readmission {
    /// Starts the thread.
    pub(super) fn start(
        common: &Common,
        journal: Option<Arc<Journal>>,
        routes: routes::Intake,
        counters: Arc<IoCounters>,
        inbox: Inbox,
    ) -> io::Result<Self> {
        let (sources, stage) = (Arc::clone(&common.sources), common.stage.clone());
        // What is let in and refused again is there already.
        let common = Common { quarantine: None, ..common.clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("quarantine".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                let entrance = journal.as_ref().map(|journal| journal.entrance());
                let intake = Intake::new(common, entrance, routes, counters);
                let (ids, turn) = (IdSource::new(), (0, Instant::now()));
                let store = inbox.store();
                let warden = Warden { sources, journal, stage, store, intake, ids, turn };
                warden.run(inbox, stopped).await;
            });
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Whether it has ended by a fault in hookgate.
    pub(super) fn has_fallen(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }
}

impl Drop for Readmission {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the quarantine's thread panicked; what it had written is there at the next start");
        }
    }
}

struct Warden {
    sources: Arc<Sources>,
    journal: Option<Arc<Journal>>,
    stage: SharedStage,
    store: Store,
    intake: Intake,
    ids: IdSource,
    /// Requests written in this turn, and when it began.
    turn: (u32, Instant),
}

impl Warden {
    async fn run(mut self, mut inbox: Inbox, mut stopped: oneshot::Receiver<()>) {
        let age = self.store.max_age();
        let mut looks = interval(age.clamp(Duration::from_secs(1), Duration::from_mins(1)));
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                Some(ask) = inbox.asks.recv() => self.answer(ask, &mut inbox.refused).await,
                _ = looks.tick() => self.store.expire(SystemTime::now()),
                Some(refused) = inbox.refused.recv() => {
                    self.keep(&refused);
                    drop(refused);
                    self.pause().await;
                }
            }
        }
        while let Ok(refused) = inbox.refused.try_recv() {
            self.keep(&refused);
        }
    }

    fn keep(&mut self, refused: &Refused) {
        let Some(source) = self.sources.at(refused.source) else { return };
        // While the journal has no room on its disk, nothing else takes any.
        if self.journal.as_ref().is_some_and(|journal| !journal.is_well()) {
            return self.store.went_without(refused.source, Loss::Disk);
        }
        let id = self.ids.next(IdSource::unix_ms(refused.received));
        let id = String::from_utf8_lossy(&id).into_owned();
        self.store.keep(&Entry::of(refused, id, &source.name, &source.admission));
    }

    async fn pause(&mut self) {
        let (written, began) = &mut self.turn;
        *written += 1;
        if *written >= TURN {
            sleep_until((*began + EACH * TURN).into()).await;
            self.turn = (0, Instant::now());
        }
    }

    async fn answer(&mut self, ask: Ask, refused: &mut Receiver<Refused>) {
        self.store.expire(SystemTime::now());
        // Who has asked may be gone.
        match ask {
            Ask::List { source, told } => drop(told.send(self.store.list(source.as_deref()))),
            Ask::Show { id, told } => drop(told.send(self.store.read(&id))),
            Ask::Drop { which, dry_run, told } => drop(told.send(self.forget(which, dry_run))),
            Ask::Retry { which, how, told } => self.retry(which, how, &told, refused).await,
        }
    }

    fn forget(&mut self, which: Which, dry_run: bool) -> Dropped {
        let mut dropped = Dropped::default();
        for id in self.ids_of(which) {
            let is_there = if dry_run { self.store.has(&id) } else { self.store.remove(&id).is_some() };
            if is_there {
                dropped.dropped += 1;
            } else {
                dropped.unknown.push(id);
            }
        }
        dropped
    }

    /// Oldest first; those that are named, as they are named.
    fn ids_of(&self, which: Which) -> Vec<String> {
        let source = match which {
            Which::Ids(ids) => return ids,
            Which::Source(source) => Some(source),
            Which::All => None,
        };
        self.store.list(source.as_deref()).into_iter().map(|summary| summary.id).collect()
    }

    async fn retry(
        &mut self,
        which: Which,
        how: Again,
        told: &UnboundedSender<Verdict>,
        refused: &mut Receiver<Refused>,
    ) {
        for id in self.ids_of(which) {
            let is_stopping = self.stage.get() != Stage::Running;
            let verdict = if is_stopping {
                Verdict { why: Some("the gateway is stopping".to_owned()), ..Verdict::unjudged(id) }
            } else {
                self.judge(id, how).await
            };
            if told.send(verdict).is_err() || is_stopping {
                return;
            }
            // What is refused meanwhile is kept too.
            for _ in 0..BETWEEN {
                let Ok(more) = refused.try_recv() else { break };
                self.keep(&more);
            }
        }
    }

    async fn judge(&mut self, id: String, how: Again) -> Verdict {
        let Some(entry) = self.store.read(&id) else {
            let why = "nothing of this id is in quarantine; `hookgate quarantine list` prints what is".to_owned();
            return Verdict { why: Some(why), ..Verdict::unjudged(id) };
        };
        let source = Some(entry.summary.source.clone());
        match self.readmit(&entry, how).await {
            Ok(readmitted) => {
                let Readmitted { event, note } = readmitted;
                if !how.dry_run {
                    self.store.remove(&id);
                    tracing::info!(source = entry.summary.source, id, event, note, "let in from quarantine");
                }
                Verdict { source, accepted: true, event, why: note.map(str::to_owned), ..Verdict::unjudged(id) }
            }
            Err(why) => Verdict { source, why: Some(why), ..Verdict::unjudged(id) },
        }
    }

    async fn readmit(&self, entry: &Entry, how: Again) -> Result<Readmitted, String> {
        let name = &entry.summary.source;
        let Some((at, source)) = self.sources.named(name) else {
            return Err(format!("no source {name} is configured any more; drop it, or configure the source again"));
        };
        let head = entry.head().ok_or("what is kept is no request any more; drop it")?;
        let taken = self.take((at, source), &head, entry, how).await;
        taken.map_err(|refusal| format!("{}{}", refusal.label(), advice(refusal)))
    }

    async fn take(
        &self,
        (at, source): (usize, &Source),
        head: &Parts,
        entry: &Entry,
        how: Again,
    ) -> Result<Readmitted, Refusal> {
        let (started, now) = (Instant::now(), SystemTime::now());
        let (mut proof, by_hand) = match judged(source, head, entry, (now, how.ignore_age), false) {
            Ok(proof) => (proof, false),
            Err(_) if how.trust => (judged(source, head, entry, (now, how.ignore_age), true)?, true),
            Err(refusal) => return Err(refusal),
        };
        let coding = Coding::of(&head.headers).map_err(|UnknownCoding| Refusal::UnsupportedEncoding)?;
        if source.ack == Ack::Durable && self.intake.routes.borrow().is_refused(at) {
            return Err(Refusal::BacklogFull);
        }
        let mut draft = self.intake.records.draft_of(entry.body.len() + HEAD_BYTES);
        if !draft.reserve(entry.body.len()) {
            return Err(Refusal::OverMemoryBudget);
        }
        source.write_head(head, &mut draft);
        draft.header(ADMITTED, admitted(entry, by_hand).as_bytes());
        draft.push_body(&entry.body);
        proof.advance(&entry.body);
        proof.finish(draft.body())?;
        let note = by_hand.then_some("without its credentials, by hand");
        if how.dry_run {
            return Ok(Readmitted { event: None, note });
        }
        let mut taking = pin!(async {
            let taken = self.intake.take_proven((at, source), head, (coding, draft), (started, now)).await?;
            Ok::<_, Refusal>(match taken {
                Proven::Event(event) => {
                    let id = event.id().to_owned();
                    self.intake.keep(at, source, event, started).await?;
                    Readmitted { event: Some(id), note }
                }
                Proven::Batch(_) => Readmitted { event: None, note: note.or(Some("a batch of events")) },
                Proven::Handshake(_) => Readmitted { event: None, note: Some("a handshake, which is no event") },
            })
        });
        let mut sweeps = interval(SWEEP_EVERY);
        loop {
            tokio::select! {
                readmitted = &mut taking => return readmitted,
                _ = sweeps.tick() => self.intake.sweep(Instant::now()),
            }
        }
    }
}

/// One that was let in.
struct Readmitted {
    event: Option<String>,
    note: Option<&'static str>,
}

/// By the same code that judged it when it came.
fn judged<'a>(
    source: &'a Source,
    head: &'a Parts,
    entry: &Entry,
    (now, any_age): (SystemTime, bool),
    by_hand: bool,
) -> Result<BodyCheck<'a>, Refusal> {
    // The certificate was its connection's. A source that asks for nothing else has nothing left to judge it by.
    if source.senders.want_certificate() && !source.admission.verifies_signature() && !by_hand {
        return Err(Refusal::MissingCertificate);
    }
    let leniency = Leniency { any_age, had_credentials: entry.had_credentials(), by_hand };
    source.admission.head_again(head, source.tenant(head.uri.path()), now, leniency)
}

/// What the event says of how it came in.
fn admitted(entry: &Entry, by_hand: bool) -> String {
    let received = format_rfc3339_millis(entry.summary.received());
    let by_hand = if by_hand { ", by hand without its credentials" } else { "" };
    format!("from quarantine, received {received}, refused then for {}{by_hand}", entry.summary.reason)
}

/// What to do about it, where there is something.
fn advice(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::StaleTimestamp | Refusal::FutureTimestamp => "; with --ignore-age its time does not matter",
        Refusal::MissingCredentials | Refusal::WrongCredentials | Refusal::MissingCertificate => {
            "; its credentials are not kept: with --trust it is let in by your word for them"
        }
        Refusal::WrongSignature | Refusal::MalformedSignature => "; no secret of this source fits it",
        _ => "",
    }
}
