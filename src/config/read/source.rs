//! `[[source]]`.

use std::time::Duration;

use http::{HeaderName, header};

use super::address_list::{Lists, own_lists};
use super::auth::auth;
use super::duplicates::duplicates;
use super::format::{Format, format};
use super::gateway::{LARGEST_BODY, check_budget};
use super::handshake::handshakes;
use super::locator::locators;
use super::names::Names;
use super::preset::{DEADLINE, presets as own_presets};
use super::reply::{refuse, reply};
use super::senders::senders;
use crate::config::document::Spot;
use crate::config::nearest::nearest;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::units::WrittenDuration;
use crate::config::{
    Ack, Auth, DuplicatesConfig, GatewayConfig, Locator, Place, Pointer, Preset, Proof, ProofAuth, Secrets,
    SourceConfig, Split, TokenPlace, presets,
};

/// The sources of the main file.
pub(in crate::config) struct Sources<'d> {
    pub(in crate::config) configs: Vec<SourceConfig>,
    /// Those of the sources, then those of the polls.
    pub(super) names: Names<'d>,
    /// For each poll the source that it fills.
    pub(super) filling: Vec<Option<usize>>,
}

impl Sources<'_> {
    /// The source that the poll with this index fills, if it is a poll and fills one.
    pub(super) fn filled_by(&self, at: usize) -> Option<&SourceConfig> {
        let filled = *self.filling.get(at.checked_sub(self.configs.len())?)?;
        self.configs.get(filled?)
    }

    /// Warns of sources that `used` does not hold: what they accept goes nowhere.
    pub(in crate::config) fn warn_of_unread(&self, used: &[usize]) {
        for (at, name) in self.names.iter().enumerate() {
            if let Some(spot) = self.names.spot(at).filter(|_| !used.contains(&at) && self.filled_by(at).is_none()) {
                spot.warn(
                    "no route takes events of this source: they are acknowledged and dropped",
                    format!("write from = {{ source = \"{name}\" }} in a [[route]]"),
                );
            }
        }
    }
}

/// Reads the sources of the main file.
pub(in crate::config) fn sources<'d>(root: &mut Table<'d>, gateway: &GatewayConfig) -> Sources<'d> {
    let own = own_presets(root);
    let lists = own_lists(root);
    let mut names = Names::default();
    let mut paths = Vec::new();
    let tables = root.sections("source").into_iter();
    let configs = tables.map(|table| source(table, gateway, (&own, &lists), &mut names, &mut paths)).collect();
    lists.warn_of_unused();
    Sources { configs, names, filling: Vec::new() }
}

/// A path as far as matching goes (its `{segments}` without names), and where it was written.
type TakenPath<'d> = (String, Spot<'d>);

fn source<'d>(
    mut table: Table<'d>,
    gateway: &GatewayConfig,
    (own, lists): (&[Preset], &Lists<'_>),
    names: &mut Names<'d>,
    paths: &mut Vec<TakenPath<'d>>,
) -> SourceConfig {
    let name = names.read(&mut table);
    let path = path(&mut table, &name, gateway, paths);
    let preset = table.get("preset").and_then(|node| known_preset(&node, own));
    let handshakes = match table.get("handshake") {
        Some(node) => handshakes(node),
        None => preset.map(|preset| preset.handshakes.clone()).unwrap_or_default(),
    };
    let auth = auth(&mut table, preset, &path, &handshakes);
    let senders = senders(&mut table, lists);
    if let Some(node) = table.get("client_cert").filter(|_| !asks_for_certificates(gateway)) {
        node.spot
            .problem("no listener asks for certificates", "write client_ca = \"ca.pem\" in the `tls` of [gateway]");
    }
    let format = match format(&mut table, &auth) {
        Format { split: None, cloudevents: false, .. } => Format {
            split: preset.and_then(|preset| preset.split.clone()),
            cloudevents: preset.is_some_and(|preset| preset.cloudevents),
            ..Format::default()
        },
        own => own,
    };
    let event_type = own_locators(&mut table, "event_type", &path, &auth)
        .or(format.event_type)
        .unwrap_or_else(|| preset.map(|preset| preset.event_type.clone()).unwrap_or_default());
    let delivery_id = own_locators(&mut table, "delivery_id", &path, &auth)
        .or(format.delivery_id)
        .unwrap_or_else(|| preset.map(|preset| preset.delivery_id.clone()).unwrap_or_default());
    if format.split.is_some() {
        for (key, locators) in [("event_type", &event_type), ("delivery_id", &delivery_id)] {
            warn_of_places_outside_json(&mut table, key, locators);
        }
    }
    let max_body = table.get("max_body").and_then(|node| {
        let size = node.size(LARGEST_BODY)? as usize;
        check_budget(&node, size, gateway.memory_budget);
        Some(size)
    });
    let deadline = deadline(&mut table, preset);
    let duplicates = match table.get("duplicates") {
        Some(node) => duplicates(&node),
        None => preset.map_or(DuplicatesConfig::DEFAULT, |preset| preset.duplicates),
    };
    let ack = ack(&mut table);
    let reply = match (table.get("reply"), preset.and_then(|preset| preset.reply.clone())) {
        (None, Some(expected)) => expected,
        (node, _) => reply(node),
    };
    let refuse = match (table.get("refuse"), preset) {
        (None, Some(preset)) => preset.refuse.clone(),
        (node, _) => refuse(node),
    };
    let expect_every = table.get("expect_every").and_then(|node| node.positive_duration());
    let keep_headers = table.get("keep_headers").map(|node| kept(node, &auth)).unwrap_or_default();
    table.finish();
    SourceConfig {
        name,
        path,
        preset: preset.map(|preset| preset.name.clone()),
        type_signed: is_type_signed(&auth, &event_type, format.split.as_ref()),
        auth,
        senders,
        event_type,
        delivery_id,
        split: format.split,
        cloudevents: format.cloudevents,
        handshakes,
        ack,
        max_body: max_body.unwrap_or(gateway.max_body),
        deadline,
        duplicates,
        reply,
        refuse,
        expect_every,
        keep_headers,
    }
}

fn asks_for_certificates(gateway: &GatewayConfig) -> bool {
    let mut tls = gateway.listen.iter().filter_map(|listener| listener.tls.as_ref());
    tls.any(|tls| tls.client_ca.is_some())
}

fn path<'d>(table: &mut Table<'d>, name: &str, gateway: &GatewayConfig, taken: &mut Vec<TakenPath<'d>>) -> String {
    let node = table.get("path");
    let path = match &node {
        Some(node) => node.text().unwrap_or_default().to_owned(),
        None => format!("/hooks/{name}"),
    };
    let spot = node.as_ref().map_or(&table.spot, |node| &node.spot);
    if let Some(node) = node.as_ref().filter(|node| node.is_text()) {
        check_path(node, &path);
    }
    if path == gateway.health_path {
        spot.problem("balancers are answered on this path", "write another path, or another [gateway] health_path");
    }
    let matched = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    let matched = matched.collect::<Vec<_>>().join("/");
    if let Some((_, first)) = taken.iter().find(|(known, _)| *known == matched) {
        let line = first.line_seen_from(spot);
        spot.problem(format!("the source on {line} has the same path"), "give each source its own path");
    }
    taken.push((matched, spot.clone()));
    path
}

fn check_path(node: &Node<'_>, path: &str) {
    let mut names: Vec<&str> = Vec::new();
    let Some(segments) = path.strip_prefix('/') else {
        return node.spot.problem("a path begins with a slash", "write it as in \"/hooks/github\"");
    };
    if path.contains(['?', '#']) {
        return node
            .spot
            .problem("a path has no '?' and no '#'", "write the path alone; queries do not choose a source");
    }
    if !path.chars().all(|c| c.is_ascii_graphic()) {
        return node
            .spot
            .problem("this path cannot stand in a request", "percent-encode spaces and letters beyond ASCII");
    }
    for segment in segments.split('/').filter(|segment| segment.contains(['{', '}'])) {
        let name = segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
        match name {
            Some(name) if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                if names.contains(&name) {
                    node.spot.problem(format!("{{{name}}} is there twice"), "give each segment its own name");
                }
                names.push(name);
            }
            _ => node.spot.problem(
                "braces stand for one whole segment here",
                "write a segment as {name}, with letters, digits and '_', as in \"/hooks/{tenant}\"",
            ),
        }
    }
}

/// One of the configuration's own presets, or of those that hookgate knows.
fn known_preset<'p>(node: &Node<'_>, own: &'p [Preset]) -> Option<&'p Preset> {
    let written = node.text()?;
    let all = || own.iter().chain(presets());
    let found = all().find(|preset| preset.name == written);
    if found.is_none() {
        let help = match nearest(written, all().map(|preset| preset.name.as_str())) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "`hookgate presets` lists those there are; or write hmac = { … }".to_owned(),
        };
        node.spot.problem("this preset is not known", help);
    }
    found
}

fn own_locators(table: &mut Table<'_>, key: &'static str, path: &str, auth: &Auth) -> Option<Vec<Locator>> {
    let node = table.get(key)?;
    let spot = node.spot.clone();
    let locators = locators(node);
    for locator in &locators {
        match &locator.place {
            Place::Path(name) if !path.split('/').any(|segment| segment == format!("{{{name}}}")) => spot.problem(
                format!("the path has no segment {{{}}}", name.escape_debug()),
                format!("write the path with it, as in \"{path}/{{type}}\", and its name here"),
            ),
            Place::Header(name) if is_credential(name, auth) => {
                spot.problem(format!("`{name}` carries credentials, which are not shown"), "read another header");
            }
            Place::Query(name) if auth.basic.as_ref().is_some_and(|it| it.url_parameter.as_ref() == Some(name)) => {
                spot.problem("this parameter carries credentials, which are not shown", "read another parameter");
            }
            _ => {}
        }
    }
    Some(locators)
}

/// What a request is taken apart into is JSON, whatever else the source may take.
fn warn_of_places_outside_json(table: &mut Table<'_>, key: &'static str, locators: &[Locator]) {
    let is_outside = |locator: &Locator| matches!(locator.place, Place::Form(_) | Place::Xml(_));
    if let Some(node) = table.get(key).filter(|_| locators.iter().any(is_outside)) {
        node.spot.warn(
            "the requests of this source are taken apart into pieces of JSON: no form and no XML is ever looked into",
            "write { json = \"/type\" } for a member of each piece, or leave `split` out",
        );
    }
}

fn deadline(table: &mut Table<'_>, preset: Option<&Preset>) -> Duration {
    let own = table.get("deadline").and_then(|node| {
        let deadline = node.positive_duration()?;
        if let Some(preset) = preset.filter(|preset| deadline > preset.deadline) {
            node.spot.warn(
                format!("{} may have given up by then: it waits {}", preset.provider, preset.waits),
                format!("leave the deadline out for \"{}\"", WrittenDuration(preset.deadline)),
            );
        }
        Some(deadline)
    });
    own.or(preset.map(|preset| preset.deadline)).unwrap_or(DEADLINE)
}

fn ack(table: &mut Table<'_>) -> Ack {
    let choices = [("durable", Ack::Durable), ("memory", Ack::Memory)];
    table.get("ack").and_then(|node| node.choice(&choices)).unwrap_or(Ack::Durable)
}

fn kept(node: Node<'_>, auth: &Auth) -> Vec<HeaderName> {
    let mut kept = Vec::new();
    for item in node.items() {
        let Some(name) = item.header_name() else {
            continue;
        };
        if is_credential(&name, auth) {
            item.spot.problem(
                format!("`{name}` carries credentials, which are not kept with an event"),
                "leave it out; the sender has proven itself before a route sees the event",
            );
        } else if !ALWAYS_KEPT.contains(&name) && !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

fn is_credential(name: &HeaderName, auth: &Auth) -> bool {
    let token = match auth.proof.as_ref().map(|it| &it.proof) {
        Some(Proof::Token(TokenPlace::Header(header))) => Some(header),
        _ => None,
    };
    CREDENTIALS.contains(name) || token == Some(name) || auth.api_key.as_ref().is_some_and(|key| key.header == *name)
}

/// Whether whoever changes the type breaks the proof, wherever the type may be found.
fn is_type_signed(auth: &Auth, event_type: &[Locator], split: Option<&Split>) -> bool {
    let Some(ProofAuth { proof: proof @ (Proof::Signature(_) | Proof::Jwt(_)), secrets, .. }) = &auth.proof else {
        return false;
    };
    let is_signed = |locator: &Locator| {
        let place = match &locator.place {
            Place::Json(pointer) => proof.covers_member(&within_body(pointer, split)),
            Place::Form(_) | Place::Xml(_) => proof.covers_body(),
            // Which mode it is in says a header.
            Place::CloudEvent(attribute) => proof.covers_header(&attribute.header),
            Place::Header(name) => proof.covers_header(name),
            Place::Constant(_) => true,
            // Under another tenant's path the signature would not fit.
            Place::Path(name) => name == "tenant" && matches!(secrets, Secrets::OfTenants(_)),
            Place::Query(_) => false,
        };
        place && locator.append.as_ref().is_none_or(|pointer| proof.covers_member(&within_body(pointer, split)))
    };
    !event_type.is_empty() && event_type.iter().all(is_signed)
}

/// Where a member is, seen from the whole body rather than from one of the elements that it is taken apart into.
fn within_body(pointer: &Pointer, split: Option<&Split>) -> Pointer {
    match split {
        Some(Split::Array(array)) => Pointer([&array.0, &["0".to_owned()][..], &pointer.0].concat()),
        Some(Split::Lines | Split::CloudEvents) | None => pointer.clone(),
    }
}

/// Without these a body means nothing.
const ALWAYS_KEPT: [HeaderName; 2] = [header::CONTENT_TYPE, header::CONTENT_ENCODING];

const CREDENTIALS: [HeaderName; 4] =
    [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE, header::SET_COOKIE];
