//! Replaying: events of the journal, between two times, to one route once more.

use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use humantime::{format_rfc3339_millis, parse_rfc3339_weak};

use super::jobs::{Desk, Refused, Stopped};
use super::observed::Observed;
use crate::config::TypePattern;
use crate::event::{Event, Sequence};
use crate::journal::Reader;
use crate::{routes, sniff};

/// Which events, and how fast.
#[derive(Debug)]
pub(super) struct Replay {
    /// Received then or later.
    from: Option<SystemTime>,
    /// Received before.
    to: Option<SystemTime>,
    from_sequence: Option<Sequence>,
    source: Option<String>,
    event_type: Option<TypePattern>,
    /// Also those that the route does not match.
    any: bool,
    /// Events a second; `None` for as fast as the route takes them.
    rate: Option<u32>,
    dry_run: bool,
}

/// An event may be written so long after it was received.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);

/// Bodies that are read at once.
const READ_BYTES: usize = 1 << 20;

/// Events that are handed over at once.
const TOGETHER: usize = 64;

impl Replay {
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let parameter = |name| sniff::parameter(query, name);
        let time = |name| match parameter(name).map(|text| parse_rfc3339_weak(&text)) {
            None => Ok(None),
            Some(Ok(time)) => Ok(Some(time)),
            Some(Err(_)) => Err(format!("{name} is a time as in 2026-11-24T10:00:00Z")),
        };
        let number = |name| match parameter(name).map(|text| text.parse::<u64>()) {
            None => Ok(None),
            Some(Ok(number @ 1..)) => Ok(Some(number)),
            Some(_) => Err(format!("{name} is a number, and at least 1")),
        };
        let replay = Self {
            from: time("from")?,
            to: time("to")?,
            from_sequence: number("from_sequence")?.map(Sequence),
            source: parameter("source"),
            event_type: parameter("type").map(|pattern| TypePattern::parse(&pattern)),
            any: parameter("any").is_some(),
            rate: number("rate")?.map(|rate| u32::try_from(rate).unwrap_or(u32::MAX)),
            dry_run: parameter("dry_run").is_some(),
        };
        if replay.from.is_none() && replay.from_sequence.is_none() {
            return Err("say from when on: from=TIME or from_sequence=NUMBER".to_owned());
        }
        if replay.from.zip(replay.to).is_some_and(|(from, to)| from >= to) {
            return Err("from must be before to".to_owned());
        }
        Ok(replay)
    }

    /// The source that is asked for.
    pub(super) fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Refuses what cannot be done as it is asked for.
    pub(super) fn check(&self, observed: &Observed, route: &str) -> Result<(), Refused> {
        let conflict = |said: String| Err((StatusCode::CONFLICT, said));
        let Some(journal) = &observed.journal else {
            return conflict("no source is durable: there is no journal to replay from".to_owned());
        };
        if !self.any && !observed.archive.matcher.is_durable(route) {
            return conflict(format!(
                "all sources of route {route} have ack = \"memory\": their events are not in the journal"
            ));
        }
        let reader = journal.reader();
        let since = reader.kept_since();
        let is_gone = match self.from_sequence {
            Some(sequence) => sequence < reader.oldest(),
            None => self.from.zip(since).is_some_and(|(from, since)| from < since),
        };
        if is_gone {
            let since =
                since.map_or_else(String::new, |since| format!(", written at {}", format_rfc3339_millis(since)));
            return Err((
                StatusCode::GONE,
                format!(
                    "the journal does not keep all of that any more; the oldest event it keeps is sequence {}{since}",
                    reader.oldest()
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn run(self, desk: &mut Desk) -> Result<(), Stopped> {
        let Some(reader) = desk.journal.as_ref().map(|journal| journal.reader()) else { return Ok(()) };
        let first = match (self.from_sequence, self.from) {
            (Some(sequence), _) => sequence,
            (None, Some(from)) => reader.first_after(from),
            (None, None) => reader.oldest(),
        };
        let end = self.to.map_or_else(|| reader.synced_end(), |to| reader.first_not_before(to + WRITTEN_WITHIN));
        desk.told.of = end.0.saturating_sub(first.0);
        desk.told.next_sequence = Some(first.0);
        self.read(&reader, first, end, desk)?;
        desk.told.looked_through = desk.told.of;
        desk.told.next_sequence = Some(first.max(end).0);
        Ok(())
    }

    fn read(&self, reader: &Reader, first: Sequence, end: Sequence, desk: &mut Desk) -> Result<(), Stopped> {
        let mut batch = Batch { first, events: Vec::new(), pace: Pace::new(self.rate) };
        let mut next = first;
        while next < end {
            desk.check()?;
            let events = reader.read(next, READ_BYTES).map_err(|error| Stopped(error.to_string()))?;
            let Some((last, _)) = events.last() else { break };
            next = last.next();
            for (sequence, event) in events.into_iter().take_while(|(sequence, _)| *sequence < end) {
                if self.takes(&event, desk) {
                    if self.dry_run {
                        desk.told.events += 1;
                    } else {
                        batch.events.push((sequence, event));
                    }
                }
                if batch.events.len() >= batch.pace.together {
                    batch.hand_over(desk)?;
                }
                if batch.events.is_empty() {
                    batch.all_before(sequence.next(), desk);
                }
            }
            desk.tell();
        }
        batch.hand_over(desk)
    }

    fn takes(&self, event: &Event, desk: &Desk) -> bool {
        self.from.is_none_or(|from| event.received() >= from)
            && self.to.is_none_or(|to| event.received() < to)
            && self.source.as_ref().is_none_or(|source| source == event.source())
            && self.event_type.as_ref().is_none_or(|pattern| routes::matches(pattern, event.event_type()))
            && (self.any || desk.observed.archive.matcher.routes_of(event).any(|route| route == desk.route))
    }
}

/// Events that are handed over together.
struct Batch {
    /// Of the replay.
    first: Sequence,
    events: Vec<(Sequence, Event)>,
    pace: Pace,
}

impl Batch {
    fn hand_over(&mut self, desk: &mut Desk) -> Result<(), Stopped> {
        if self.events.is_empty() {
            return Ok(());
        }
        let time = self.pace.time_for(self.events.len());
        desk.wait_until(time)?;
        let (sequences, events): (Vec<Sequence>, Vec<Event>) = self.events.drain(..).unzip();
        let (safe, result) = desk.hand_over(&events);
        desk.told.events += safe as u64;
        if let Some(last) = safe.checked_sub(1).and_then(|at| sequences.get(at)) {
            self.all_before(last.next(), desk);
        }
        desk.tell();
        result
    }

    /// Nothing before this is left to be done.
    fn all_before(&self, next: Sequence, desk: &mut Desk) {
        desk.told.next_sequence = Some(next.0);
        desk.told.looked_through = next.0.saturating_sub(self.first.0);
    }
}

/// When the next events may go.
struct Pace {
    together: usize,
    each: Duration,
    next: Instant,
}

impl Pace {
    fn new(rate: Option<u32>) -> Self {
        // A tenth of a second's events at most: slow ones go evenly.
        let together = rate.map_or(TOGETHER, |rate| (rate as usize / 10).clamp(1, TOGETHER));
        let each = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate);
        Self { together, each, next: Instant::now() }
    }

    /// When so many may go. What was not used before is not made up for.
    fn time_for(&mut self, events: usize) -> Instant {
        let time = self.next.max(Instant::now());
        self.next = time + self.each * events as u32;
        time
    }
}
