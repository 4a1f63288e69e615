//! Events that a route gets again because somebody asks for it: replayed from the journal, or out of its dead letters.

use std::io;
use std::time::{Duration, SystemTime};

use crossbeam_channel::Sender;

use super::Routes;
use super::history;
use super::letters::{Letters, LineDigest};
use crate::event::{Event, Sequence};
use crate::journal::Parked;
use crate::refusal::Refusal;

impl Routes {
    /// An event that a route is to get as if it had come now: its age and its attempts count from here on. What is made of it
    /// belongs into the journal. `None` if there is no such route.
    pub(crate) fn again(&self, route: &str, event: Event, told: Sender<Result<Sequence, Refusal>>) -> Option<Parked> {
        let route = self.shared.route(route)?;
        let age = SystemTime::now().duration_since(event.received()).unwrap_or(Duration::ZERO);
        Some(Parked {
            route: route.name.clone(),
            // At once, by whatever clock.
            due_ms: 0,
            attempts: 0,
            original: None,
            replaces: None,
            state: history::encode(age, &[]),
            event,
            told: Some(told),
        })
    }

    /// Whether a route can take more of them: with so many parked events that it takes no new ones it would stand still.
    /// Half of that is left to events that fail.
    pub(crate) fn has_room_again(&self, route: &str) -> bool {
        self.shared.route(route).is_some_and(|route| route.durable.parked() < (route.max_parked / 2).max(1))
    }

    /// The dead letters of a route, as they are now. `None` if there is no such route.
    pub(crate) fn dead_letters(&self, route: &str) -> Option<io::Result<Letters>> {
        let route = self.shared.route(route)?;
        Some(Letters::open(&self.shared.dead.file_of(&route.name)))
    }

    /// Takes dead letters out of a route's file. Blocks until that is synced. `None` if there is no such route, or no thread
    /// any more that could.
    pub(crate) fn remove_letters(&self, route: &str, letters: Vec<LineDigest>) -> Option<io::Result<usize>> {
        self.shared.dead.remove(&self.shared.route(route)?.name, letters)
    }
}
