//! Dead letters of a route: to be delivered once more, or dropped. A letter leaves its file when its event is safe in the
//! journal, and not before: what is cut off in between is delivered again, and may come twice.

use http::StatusCode;

use super::jobs::{Desk, Refused, Stopped};
use super::observed::Observed;
use crate::config::TypePattern;
use crate::event::Event;
use crate::routes::{self, LineDigest};
use crate::sniff;

/// Which letters, and what becomes of them.
#[derive(Debug)]
pub(super) struct Undertaking {
    which: Which,
    /// They are handed over to the route; otherwise they are gone.
    again: bool,
    dry_run: bool,
}

#[derive(Debug)]
enum Which {
    All,
    Id(String),
    Type(TypePattern),
}

/// Letters that are handed over at once.
const TOGETHER: usize = 64;

/// Bytes of their bodies.
const TOGETHER_BYTES: usize = 4 << 20;

impl Undertaking {
    pub(super) fn parse(query: &str, again: bool) -> Result<Self, String> {
        let parameter = |name| sniff::parameter(query, name);
        let which = match (parameter("id"), parameter("type"), parameter("all")) {
            (Some(id), None, None) => Which::Id(id),
            (None, Some(pattern), None) => Which::Type(TypePattern::parse(&pattern)),
            (None, None, Some(_)) => Which::All,
            _ => return Err("say which: id=ID, type=TYPE or all, one of them".to_owned()),
        };
        Ok(Self { which, again, dry_run: parameter("dry_run").is_some() })
    }

    /// Refuses what cannot be done.
    pub(super) fn check(&self, observed: &Observed) -> Result<(), Refused> {
        if self.again && observed.journal.is_none() {
            let said = "no source is durable: there is no journal to hand the events over through";
            return Err((StatusCode::CONFLICT, said.to_owned()));
        }
        Ok(())
    }

    pub(super) fn run(self, desk: &mut Desk) -> Result<(), Stopped> {
        let mut done = Vec::new();
        let read = self.read(desk, &mut done);
        if done.is_empty() {
            return read;
        }
        let count = done.len();
        let stay = |why: String| {
            let kept = if self.again { "; they are handed over, and stand in the file all the same" } else { "" };
            Stopped(format!("{count} letters could not be taken out of their file: {why}{kept}"))
        };
        match desk.observed.routes.remove_letters(&desk.route, done) {
            Some(Ok(removed)) => {
                if !self.again {
                    desk.told.events = removed as u64;
                }
                read
            }
            Some(Err(error)) => Err(stay(error.to_string())),
            None => Err(stay("the gateway is stopping".to_owned())),
        }
    }

    /// Notes in `done` the letters that are not needed any more.
    fn read(&self, desk: &mut Desk, done: &mut Vec<LineDigest>) -> Result<(), Stopped> {
        let failed = |error: std::io::Error| Stopped(format!("the dead letters cannot be read: {error}"));
        let Some(letters) = desk.observed.routes.dead_letters(&desk.route) else { return Ok(()) };
        let mut batch: Vec<(LineDigest, Event)> = Vec::new();
        let mut bytes = 0;
        for letter in letters.map_err(failed)? {
            let letter = letter.map_err(failed)?;
            desk.check()?;
            if !self.takes(&letter.event) {
                continue;
            }
            if self.dry_run {
                desk.told.events += 1;
            } else if self.again {
                bytes += letter.event.body().len();
                batch.push((letter.digest, letter.event));
                if batch.len() >= TOGETHER || bytes >= TOGETHER_BYTES {
                    bytes = 0;
                    hand_over(desk, &mut batch, done)?;
                }
            } else {
                done.push(letter.digest);
            }
        }
        hand_over(desk, &mut batch, done)
    }

    fn takes(&self, event: &Event) -> bool {
        match &self.which {
            Which::All => true,
            Which::Id(id) => id == event.id(),
            Which::Type(pattern) => routes::matches(pattern, event.event_type()),
        }
    }
}

fn hand_over(desk: &mut Desk, batch: &mut Vec<(LineDigest, Event)>, done: &mut Vec<LineDigest>) -> Result<(), Stopped> {
    if batch.is_empty() {
        return Ok(());
    }
    let (digests, events): (Vec<LineDigest>, Vec<Event>) = batch.drain(..).unzip();
    let (safe, result) = desk.hand_over(&events);
    done.extend(digests.into_iter().take(safe));
    desk.told.events += safe as u64;
    desk.tell();
    result
}
