//! The sources of a running gateway: found by path, each with what the rooms made of its configuration.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;

use super::{StartError, learned};
use crate::admit::{Admission, Senders};
use crate::config::{Ack, Config, Pointer, Secrets, SourceConfig, Split};
use crate::event::{Draft, EventMeta};
use crate::listen::SourceShare;
use crate::refusal::Refusal;
use crate::reply::{Handshakes, Reply};
use crate::sniff::{self, Sniffer, SplitError};

/// All sources, by path. Immutable, and one for all io threads.
pub(super) struct Sources {
    by_path: matchit::Router<Target>,
    sources: Vec<Source>,
}

#[derive(Clone, Copy)]
enum Target {
    Health,
    Source(usize),
}

/// What a path leads to.
pub(super) enum Found<'sources> {
    /// The path that balancers ask.
    Health,
    /// A source and its index in the configuration.
    Source(usize, &'sources Source),
}

/// One source, ready to receive.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) senders: Senders,
    pub(super) admission: Admission,
    /// What its unfinished bodies may hold.
    pub(super) share: SourceShare,
    pub(super) reply: Reply,
    pub(super) max_body: usize,
    pub(super) deadline: Duration,
    pub(super) type_signed: bool,
    pub(super) ack: Ack,
    /// Whether a delivery id that comes again is told from a new one.
    pub(super) remembers_ids: bool,
    split: Option<Split>,
    cloudevents: bool,
    path: String,
    sniffer: Sniffer,
    pub(super) handshakes: Handshakes,
    /// Where a secret that the provider hands over is kept.
    pub(super) learns_to: Option<PathBuf>,
    /// Which segment of the path chooses among secrets.
    tenant_at: Option<usize>,
    keep_headers: Vec<HeaderName>,
}

impl Sources {
    /// Compiles every source of a checked configuration.
    pub(super) fn new(config: &Config) -> Result<Self, StartError> {
        let mut by_path = matchit::Router::new();
        let mut insert = |path: &str, target| {
            by_path
                .insert(path, target)
                .map_err(|error| StartError::Path { path: path.to_owned(), cause: error.to_string() })
        };
        insert(&config.gateway.health_path, Target::Health)?;
        let mut sources = Vec::with_capacity(config.sources.len());
        for (at, source) in config.sources.iter().enumerate() {
            insert(&source.path, Target::Source(at))?;
            sources.push(Source::new(source, config)?);
        }
        Ok(Self { by_path, sources })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    /// The source at this index of the configuration.
    pub(super) fn at(&self, at: usize) -> Option<&Source> {
        self.sources.get(at)
    }

    /// The source of this name, and its index.
    pub(super) fn named(&self, name: &str) -> Option<(usize, &Source)> {
        self.sources.iter().enumerate().find(|(_, source)| source.name == name)
    }

    /// What a path leads to: its exact bytes, nothing decoded or normalized, so that no two spellings mean one source.
    pub(super) fn find(&self, path: &str) -> Result<Found<'_>, Refusal> {
        match self.by_path.at(path).map(|found| *found.value) {
            Ok(Target::Health) => Ok(Found::Health),
            Ok(Target::Source(at)) => {
                self.sources.get(at).map(|source| Found::Source(at, source)).ok_or(Refusal::UnknownPath)
            }
            Err(_) => Err(Refusal::UnknownPath),
        }
    }
}

impl Source {
    fn new(config: &SourceConfig, whole: &Config) -> Result<Self, StartError> {
        let admission = Admission::new(&config.auth)
            .map_err(|cause| StartError::Admission { source_name: config.name.clone(), cause })?;
        let learns_to = learned::file_of(whole, config);
        if let Some(secret) =
            learns_to.as_deref().map(learned::load).transpose().map_err(StartError::resource)?.flatten()
        {
            admission.learn(&secret);
        }
        let secrets = config.auth.proof.as_ref().map(|proof| &proof.secrets);
        Ok(Self {
            name: config.name.clone(),
            senders: Senders::new(&config.senders, &config.auth),
            admission,
            share: SourceShare::new(whole.gateway.memory_budget, config.max_body, whole.sources.len()),
            reply: Reply::new(&config.reply, &config.refuse, config.auth.basic.is_some()),
            max_body: config.max_body,
            deadline: config.deadline,
            type_signed: config.type_signed,
            ack: config.ack,
            remembers_ids: config.duplicates.ids > 0 && !config.delivery_id.is_empty(),
            split: config.split.clone(),
            cloudevents: config.cloudevents,
            path: config.path.clone(),
            sniffer: Sniffer::new(&config.event_type, &config.delivery_id),
            handshakes: Handshakes::new(&config.handshakes),
            learns_to,
            tenant_at: match secrets {
                Some(Secrets::OfTenants(_)) => config.path.split('/').position(|segment| segment == "{tenant}"),
                _ => None,
            },
            keep_headers: config.keep_headers.clone(),
        })
    }

    /// Writes what is kept of a head: no credential is in it.
    pub(super) fn write_head(&self, head: &Parts, draft: &mut Draft) {
        draft.head(&self.name, head.method.as_str(), &self.admission.public_target(&head.uri));
        for name in [&CONTENT_TYPE, &CONTENT_ENCODING] {
            for value in head.headers.get_all(name) {
                draft.header(name.as_str(), value.as_bytes());
            }
        }
        self.write_kept(head, draft);
    }

    /// The same for one of the request's events, which is of a type of its own and not compressed.
    pub(super) fn write_item_head(&self, head: &Parts, draft: &mut Draft) {
        draft.head(&self.name, head.method.as_str(), &self.admission.public_target(&head.uri));
        let content_type = match &self.split {
            Some(Split::Lines) => Some(&b"application/json"[..]),
            Some(Split::CloudEvents) => Some(&b"application/cloudevents+json"[..]),
            Some(Split::Array(_)) | None => head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes()),
        };
        if let Some(content_type) = content_type {
            draft.header(CONTENT_TYPE.as_str(), content_type);
        }
        self.write_kept(head, draft);
    }

    fn write_kept(&self, head: &Parts, draft: &mut Draft) {
        for name in &self.keep_headers {
            for value in head.headers.get_all(name) {
                draft.header(name.as_str(), value.as_bytes());
            }
        }
        if self.cloudevents {
            let attributes = head.headers.iter().filter(|(name, _)| name.as_str().starts_with("ce-"));
            for (name, value) in attributes.filter(|(name, _)| !self.keep_headers.contains(name)) {
                draft.header(name.as_str(), value.as_bytes());
            }
        }
    }

    /// The tenant that a path names, where that chooses the secret.
    pub(super) fn tenant<'path>(&self, path: &'path str) -> Option<&'path str> {
        path.split('/').nth(self.tenant_at?)
    }

    /// Type and delivery id.
    pub(super) fn sniff<'h>(&'h self, head: &'h Parts, body: &[u8]) -> EventMeta<'h> {
        let meta = self.sniffer.sniff(head, |name| segment(&self.path, head.uri.path(), name), body);
        self.within_tenant(head, body, meta)
    }

    /// Those of one of the request's events.
    pub(super) fn sniff_item<'h>(&'h self, head: &'h Parts, item: &[u8], number: usize) -> EventMeta<'h> {
        let meta = self.sniffer.sniff_item(head, |name| segment(&self.path, head.uri.path(), name), item, number);
        self.within_tenant(head, item, meta)
    }

    fn within_tenant<'h>(&self, head: &'h Parts, body: &[u8], mut meta: EventMeta<'h>) -> EventMeta<'h> {
        if let Some(tenant) = self.tenant(head.uri.path()) {
            meta.id = meta.id.map(|id| id.of_tenant(tenant, body));
        }
        meta
    }

    /// Whether a body is looked into, so that one that is compressed has to be inflated.
    pub(super) fn reads_bodies(&self) -> bool {
        self.sniffer.reads_bodies() || self.split.is_some() || self.handshakes.read_bodies()
    }

    /// Where the events of a request lie in its body, if it is one that carries several.
    pub(super) fn items(&self, head: &Parts, body: &[u8]) -> Result<Option<Vec<Range<usize>>>, Refusal> {
        let items = match &self.split {
            Some(Split::Array(array)) => sniff::elements(body, array),
            Some(Split::Lines) => sniff::lines(body),
            Some(Split::CloudEvents) if sniff::is_batch(&head.headers) => sniff::elements(body, &Pointer(Vec::new())),
            Some(Split::CloudEvents) | None => return Ok(None),
        };
        items.map(Some).map_err(|error| match error {
            SplitError::NotABatch => Refusal::NotABatch,
            SplitError::TooMany => Refusal::TooManyItems,
        })
    }
}

/// The segment of `path` that stands where `template` has `{name}`.
fn segment<'path>(template: &str, path: &'path str, name: &str) -> Option<&'path str> {
    template.split('/').zip(path.split('/')).find_map(|(pattern, text)| {
        let placeholder = pattern.strip_prefix('{')?.strip_suffix('}')?;
        (placeholder == name).then_some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_found_by_its_name_in_the_template() {
        let found = |name| segment("/hooks/{tenant}/x/{kind}", "/hooks/acme/x/paid", name);
        assert_eq!(found("tenant"), Some("acme"));
        assert_eq!(found("kind"), Some("paid"));
        assert_eq!(found("other"), None);
    }
}
