//! Where stories are told from: the configuration, the log of attempts, the dead letters. The journal is passed in, since
//! it may be open or closed.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use humantime::{format_rfc3339_micros, format_rfc3339_millis};

use super::story::{AttemptStory, RouteStory, Story};
use crate::config::{Ack, Config};
use crate::event::{Sequence, id_time};
use crate::journal::{Found, JournalError, Search};
use crate::quarantine::ADMITTED;
use crate::routes::{AttemptsOf, Buried, Matcher, Run, Told, read_attempts, read_buried};

/// What is known of events beside the journal.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) matcher: Matcher,
    /// What a request to each source must prove, and whether its events are in the journal.
    sources: BTreeMap<String, (String, Ack)>,
    /// `None` where no log is kept.
    attempts: Option<PathBuf>,
    dead: PathBuf,
}

/// Which event.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) id: String,
    /// Of this source; `None` for any.
    pub(crate) source: Option<String>,
}

/// Whether a route is done with an event of the journal; `None` where that is not known.
pub(crate) type IsDone<'a> = &'a dyn Fn(&str, Sequence) -> Option<bool>;

/// Why a story cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoryError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The log of attempts, or the dead letters.
    #[error("cannot read {} beside the journal: {cause}", path.display())]
    File {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// In the place of a proof.
const POLLED: &str = "asked for by hookgate";

impl Archive {
    pub(crate) fn new(config: &Config) -> Self {
        let journal = &config.journal;
        Self {
            matcher: Matcher::new(config),
            sources: config
                .sources
                .iter()
                .map(|source| (source.name.clone(), (source.auth.to_string(), source.ack)))
                .chain(config.polls.iter().map(|poll| (poll.name.clone(), (POLLED.to_owned(), Ack::Durable))))
                .collect(),
            attempts: journal.attempts.map(|_| journal.attempts_dir()),
            dead: journal.dead_dir(),
        }
    }

    /// All that is known of an event: one story for each time that its id was received. Reads much, and blocks. `runs`
    /// whether the gateway does.
    pub(crate) fn tell(
        &self,
        search: Option<&Search>,
        wanted: &Wanted,
        is_done: IsDone<'_>,
        runs: bool,
        advance: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<Story>, StoryError> {
        let found = match search {
            Some(search) => search.find(&wanted.id, wanted.source.as_deref(), advance)?,
            None => Vec::new(),
        };
        let buried =
            read_buried(&self.dead, &wanted.id).map_err(|cause| StoryError::File { path: self.dead.clone(), cause })?;
        if found.is_empty() {
            return self.tell_of_memory(wanted, &buried, runs);
        }
        let mut stories = Vec::with_capacity(found.len());
        for event in &found {
            let of = self.attempts_of(event.event.source(), &wanted.id, event.event.received())?;
            let mut story = self.introduce(event);
            let routes: Vec<&str> = self.matcher.routes_of(&event.event).collect();
            let attempts: Vec<&Told> = of.attempts.iter().filter(|told| is_of(told, event, &found)).collect();
            let letters: Vec<&Buried> = buried
                .iter()
                .filter(|letter| letter.source == story.source && Some(&letter.received) == story.received.as_ref())
                .collect();
            for route in routes_told(&routes, &attempts, &letters) {
                let evidence = Evidence { of: &of, attempts: &attempts, letters: &letters, runs };
                let is_done = is_done(route, event.sequence);
                story.routes.push(evidence.of_route(route, is_done, event.event.received(), self.attempts.is_some()));
            }
            stories.push(story);
        }
        Ok(stories)
    }

    /// Of an event that never was in the journal, or is no more: what the log and the dead letters tell.
    fn tell_of_memory(&self, wanted: &Wanted, buried: &[Buried], runs: bool) -> Result<Vec<Story>, StoryError> {
        let since = id_time(&wanted.id).unwrap_or(UNIX_EPOCH);
        let mut stories = Vec::new();
        for source in self.sources.keys().filter(|name| wanted.source.as_ref().is_none_or(|wanted| wanted == *name)) {
            let of = self.attempts_of(source, &wanted.id, since)?;
            let attempts: Vec<&Told> = of.attempts.iter().collect();
            let letters: Vec<&Buried> = buried.iter().filter(|letter| letter.source == *source).collect();
            if attempts.is_empty() && letters.is_empty() {
                continue;
            }
            let mut story = Story { id: wanted.id.clone(), ..self.story_of(source) };
            story.received = letters.first().map(|letter| letter.received.clone());
            for route in routes_told(&[], &attempts, &letters) {
                let evidence = Evidence { of: &of, attempts: &attempts, letters: &letters, runs };
                story.routes.push(evidence.of_route(route, None, since, true));
            }
            stories.push(story);
        }
        Ok(stories)
    }

    fn attempts_of(&self, source: &str, id: &str, since: SystemTime) -> Result<AttemptsOf, StoryError> {
        let Some(dir) = &self.attempts else { return Ok(AttemptsOf::default()) };
        read_attempts(dir, source, id, since).map_err(|cause| StoryError::File { path: dir.clone(), cause })
    }

    fn introduce(&self, found: &Found) -> Story {
        let event = &found.event;
        let of_source = self.story_of(event.source());
        Story {
            id: event.id().to_owned(),
            event_type: event.event_type().map(str::to_owned),
            type_signed: Some(event.type_signed()),
            received: Some(format_rfc3339_millis(event.received()).to_string()),
            bytes: Some(event.body().len()),
            method: Some(event.method().to_owned()),
            target: Some(event.target().to_owned()),
            sequence: Some(found.sequence.0),
            segment: Some(found.segment.clone()),
            offset: Some(found.offset),
            verified: of_source.verified.as_ref().map(|proof| match event.header(ADMITTED) {
                Some(how) => format!("{proof}; {}", String::from_utf8_lossy(how)),
                None => proof.clone(),
            }),
            ..of_source
        }
    }

    /// What is known of all events of a source.
    fn story_of(&self, source: &str) -> Story {
        let known = self.sources.get(source);
        Story {
            source: source.to_owned(),
            verified: known.map(|(proof, _)| proof.clone()),
            ack: known.map(|(_, ack)| ack.to_string()),
            ..Story::default()
        }
    }
}

/// The routes there is something to say of: those that match, and those that did.
fn routes_told<'a>(matching: &[&'a str], attempts: &[&'a Told], letters: &[&'a Buried]) -> Vec<&'a str> {
    let mut routes = matching.to_vec();
    let others = attempts.iter().map(|told| &*told.route).chain(letters.iter().map(|letter| letter.route.as_str()));
    for route in others {
        if !routes.contains(&route) {
            routes.push(route);
        }
    }
    routes
}

/// Whether an attempt is of this event, where an id was received more than once. An event that was appended again for a
/// later attempt has another sequence than the one that was found.
fn is_of(told: &Told, event: &Found, all: &[Found]) -> bool {
    if let Some(same) = all.iter().find(|other| told.sequence == Some(other.sequence)) {
        return same.sequence == event.sequence;
    }
    let same_source = all.iter().filter(|other| other.event.source() == event.event.source());
    let latest = same_source.filter(|other| other.event.received() <= told.started).max_by_key(|other| other.sequence);
    latest.is_none_or(|latest| latest.sequence == event.sequence)
}

/// What there is to judge by.
struct Evidence<'a> {
    of: &'a AttemptsOf,
    attempts: &'a [&'a Told],
    letters: &'a [&'a Buried],
    runs: bool,
}

impl Evidence<'_> {
    fn of_route(&self, route: &str, is_done: Option<bool>, received: SystemTime, has_log: bool) -> RouteStory {
        let told: Vec<&Told> = self.attempts.iter().copied().filter(|told| *told.route == *route).collect();
        let letter = self.letters.iter().find(|letter| letter.route == route);
        let mut attempts: Vec<AttemptStory> = told.iter().map(|told| attempt(told)).collect();
        if let Some(letter) = letter
            // Of an attempt in which a batch was refused the log has two lines: of all together, and of each alone.
            && letter.attempts.len() > told.chunk_by(|one, next| one.number == next.number).count()
        {
            attempts =
                letter.attempts.iter().zip(1..).map(|(buried, number)| AttemptStory::buried(buried, number)).collect();
        }
        let delivered = told.iter().any(|told| told.failure.is_none());
        let last = told.last().map_or(received, |told| told.started + told.took);
        let (state, mut note) = match (letter, delivered, is_done) {
            (_, true, _) => ("delivered", None),
            (Some(letter), ..) => ("dead", Some(format!("given up at {}: {}", letter.time, letter.reason))),
            (None, false, _) if !told.is_empty() => ("parked", Some("it waits for its next attempt".to_owned())),
            (None, false, Some(true)) => ("done", Some(DONE_SOMEHOW.to_owned())),
            (None, false, _) if !has_log => (
                "queued",
                Some("or delivered: no log of attempts is kept, and the route is not done with all before".to_owned()),
            ),
            (None, false, _) => ("queued", None),
        };
        if !matches!(state, "delivered" | "dead")
            && let Some(at) = self.cut_after(last)
        {
            let cut = format!(
                "the gateway was cut off before it began again at {}: an attempt may have been under way that is not told",
                format_rfc3339_millis(at)
            );
            note = Some(note.map_or(cut.clone(), |note| format!("{note}; {cut}")));
        }
        if state == "parked" && is_done == Some(true) && !self.of.is_whole {
            note = Some("the log of attempts has gaps: it may have been delivered since".to_owned());
        }
        RouteStory { route: route.to_owned(), state: state.to_owned(), note, attempts }
    }

    /// When a process began before which another had not ended in order, at `last` or later.
    fn cut_after(&self, last: SystemTime) -> Option<SystemTime> {
        let cut = |pair: &[Run]| match pair {
            [before, next] if before.ended.is_none() && next.began >= last => Some(next.began),
            _ => None,
        };
        let cut_off_now = self.of.runs.last().filter(|run| !self.runs && run.ended.is_none());
        self.of.runs.windows(2).find_map(cut).or(cut_off_now.map(|_| last))
    }
}

const DONE_SOMEHOW: &str = "or parked for a later attempt: the log of attempts does not tell";

fn attempt(told: &Told) -> AttemptStory {
    let (outcome, detail) = told.failure.clone().unwrap_or_else(|| ("delivered".to_owned(), String::new()));
    AttemptStory {
        attempt: told.number,
        started: format_rfc3339_micros(told.started).to_string(),
        took_ms: Some(told.took.as_micros() as f64 / 1000.0),
        outcome,
        detail,
    }
}
