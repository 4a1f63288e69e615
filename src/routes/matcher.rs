//! Which routes an event is for, by their names: for whoever tells of events rather than delivering them.

use std::collections::{HashMap, HashSet};

use super::table::Table;
use crate::config::{Ack, Config, RouteConfig};
use crate::event::Event;

/// The routes of a configuration.
#[derive(Debug)]
pub(crate) struct Matcher {
    table: Table,
    sources: HashMap<String, usize>,
    routes: Vec<String>,
    /// Of them, those with a source whose events are in the journal.
    durable: HashSet<String>,
}

impl Matcher {
    /// As they are configured now.
    pub(crate) fn new(config: &Config) -> Self {
        let is_durable = |route: &&RouteConfig| {
            let mut sources = route.from.iter().filter_map(|from| config.sources.get(from.source));
            sources.any(|source| source.ack == Ack::Durable)
        };
        Self {
            table: Table::new(&config.routes),
            sources: config.origins().map(ToOwned::to_owned).zip(0..).collect(),
            routes: config.routes.iter().map(|route| route.name.clone()).collect(),
            durable: config.routes.iter().filter(is_durable).map(|route| route.name.clone()).collect(),
        }
    }

    /// The routes that match an event.
    pub(crate) fn routes_of(&self, event: &Event) -> impl Iterator<Item = &str> {
        let mut matches = Vec::new();
        if let Some(&source) = self.sources.get(event.source()) {
            self.table.find(source, event.event_type(), event.type_signed(), &mut matches);
        }
        matches.into_iter().filter_map(|at| self.routes.get(at)).map(String::as_str)
    }

    /// Whether events of the journal are for this route, as far as its sources say.
    pub(crate) fn is_durable(&self, route: &str) -> bool {
        self.durable.contains(route)
    }

    /// The names of all sources, in no order.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// The names of all routes.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(String::as_str)
    }
}
