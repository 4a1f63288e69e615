//! Routes that are no more configured, and what the journal keeps for them: until they are again, or are forgotten. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::event::Sequence;
use crate::routes::Progress;
use crate::routes::durable::Stand;

/// By name.
#[derive(Debug, Default)]
pub(super) struct RemovedRoutes(BTreeMap<Arc<str>, Kept>);

/// What is kept for one.
#[derive(Debug, Default)]
struct Kept {
    /// `None` if only its parked events are known.
    progress: Option<Progress>,
    parked: BTreeSet<Sequence>,
}

impl RemovedRoutes {
    pub(super) fn new(progress: Vec<(Arc<str>, Progress)>) -> Self {
        let kept = |progress| Kept { progress: Some(progress), parked: BTreeSet::new() };
        Self(progress.into_iter().map(|(route, progress)| (route, kept(progress))).collect())
    }

    /// One of its events is parked in the journal.
    pub(super) fn park(&mut self, route: Arc<str>, place: Sequence) {
        self.0.entry(route).or_default().parked.insert(place);
    }

    /// Nothing is kept for this one any more.
    pub(super) fn forget(&mut self, route: &str) {
        self.0.remove(route);
    }

    /// How far each has come, as far as that is known.
    pub(super) fn progress(&self) -> impl Iterator<Item = (Arc<str>, Progress)> {
        self.0.iter().filter_map(|(route, kept)| Some((Arc::clone(route), kept.progress.clone()?)))
    }

    /// Where each stands.
    pub(super) fn stands(&self) -> impl Iterator<Item = (&Arc<str>, Stand)> {
        self.0.iter().filter_map(|(route, kept)| Some((route, kept.stand()?)))
    }

    /// Nothing before this is needed for them.
    pub(super) fn lowest(&self) -> Option<Sequence> {
        self.stands().map(|(_, stand)| stand.holds_from).min()
    }
}

impl Kept {
    fn stand(&self) -> Option<Stand> {
        let position = self.progress.as_ref().map(Progress::position);
        let holds_from = position.into_iter().chain(self.parked.first().copied()).min()?;
        Some(Stand { position: position.unwrap_or(holds_from), holds_from, parked: self.parked.len() })
    }
}
