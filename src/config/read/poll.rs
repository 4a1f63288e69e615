//! `[[poll]]`.

use std::time::Duration;

use http::Uri;
use http::header::AUTHORIZATION;

use super::Sources;
use super::duplicates::duplicates;
use super::locator::{locators, pointer};
use super::secret::secret;
use super::sink::{place, server};
use crate::config::nearest::nearest;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::{
    Ack, CursorConfig, CursorFrom, DuplicatesConfig, GatewayConfig, HttpSink, Locator, NextPage, OAuthConfig, Place,
    Pointer, PollConfig, Secrets, SourceConfig,
};

/// Reads the polls of the main file. A route can name each like a source: their indices follow those of the sources.
pub(in crate::config) fn polls<'d>(
    root: &mut Table<'d>,
    gateway: &GatewayConfig,
    sources: &mut Sources<'d>,
) -> Vec<PollConfig> {
    root.sections("poll").into_iter().filter_map(|table| poll(table, gateway, sources)).collect()
}

/// `None` after a problem was reported.
fn poll<'d>(mut table: Table<'d>, gateway: &GatewayConfig, sources: &mut Sources<'d>) -> Option<PollConfig> {
    let name = sources.names.read(&mut table);
    let fills = table.get("fills").and_then(|node| filled(&node, sources));
    sources.filling.push(fills);
    let tenant = tenant(&mut table, fills.and_then(|at| sources.configs.get(at)));
    let url = table.require("url", "url = \"https://api.example.com/orders?since={cursor}\"");
    let server = url.as_ref().and_then(|node| server(&mut table, node, gateway.deny_private));
    let oauth2 = table.get("oauth2").and_then(|node| oauth2(&node, server.as_ref()));
    let every = table.require("every", "every = \"1m\"").and_then(|node| node.positive_duration());
    let jitter = table.get("jitter").and_then(|node| node.number(0..=100)).unwrap_or(10) as f64 / 100.0;
    let items = table.require("items", "items = \"/data\", or \"\" if the answer is itself the list");
    let items = items.and_then(|node| items_pointer(&node));
    let event_type = table.get("event_type").map(in_record).unwrap_or_default();
    let delivery_id = table.require("delivery_id", "delivery_id = { json = \"/id\" }: a record comes more than once");
    let delivery_id = delivery_id.map(in_record).unwrap_or_default();
    let cursor_node = table.get("cursor");
    let cursor = cursor_node.as_ref().and_then(cursor);
    if let (Some(url), Some(server)) = (&url, &server) {
        check_cursor(url, cursor_node.as_ref(), &server.url);
    }
    let next = table.get("next").and_then(|node| next_page(&node));
    let max_pages = table.get("max_pages").and_then(|node| node.number(1..=1_000_000)).unwrap_or(1_000) as usize;
    let most = gateway.memory_budget.min(256 << 20) as u64;
    let max_answer = table.get("max_answer").and_then(|node| node.size(most)).unwrap_or(most.min(16 << 20)) as usize;
    let duplicates = match table.get("duplicates") {
        Some(node) if fills.is_some() => {
            node.spot.problem("the window is that of the source it fills", "write it in that [[source]]");
            DuplicatesConfig::OFF
        }
        Some(node) => duplicates(&node),
        None if fills.is_some() => DuplicatesConfig::OFF,
        None => DuplicatesConfig::DEFAULT,
    };
    table.finish();
    Some(PollConfig {
        name,
        fills,
        tenant,
        server: server?,
        oauth2,
        every: every?,
        jitter,
        items: items?,
        event_type,
        delivery_id,
        cursor,
        next,
        max_pages,
        max_answer,
        duplicates,
    })
}

/// `oauth2 = { token_url = "…", client_id = "…", client_secret = { env = "NAME" } }`
fn oauth2(node: &Node<'_>, server: Option<&HttpSink>) -> Option<OAuthConfig> {
    if server.is_some_and(|it| it.auth.is_some() || it.headers.iter().any(|(name, _)| *name == AUTHORIZATION)) {
        node.spot.problem(
            "the token goes where other credentials of this poll are",
            "write only one of basic, bearer, oauth2 and a header Authorization",
        );
    }
    let deny_private = server.is_none_or(|it| it.reach.deny_private);
    let mut table = node.table()?;
    let url = table.require("token_url", "token_url = \"https://login.example.com/oauth2/token\"");
    let server = url.as_ref().and_then(|node| place(&mut table, node, None, deny_private));
    let client_id = table.require("client_id", "client_id = \"hookgate\"");
    let client_id = client_id.and_then(|node| node.filled_text()).map(ToOwned::to_owned);
    let client_secret = table.require("client_secret", "client_secret = { env = \"NAME\" }");
    let client_secret = client_secret.and_then(|node| secret(&node));
    let mut text = |key| table.get(key).and_then(|node| node.filled_text()).map(ToOwned::to_owned);
    let (scope, audience) = (text("scope"), text("audience"));
    let in_body = table.get("credentials").and_then(|node| node.choice(&[("header", false), ("body", true)]));
    table.finish();
    Some(OAuthConfig {
        server: server?,
        client_id: client_id?,
        client_secret: client_secret?,
        scope,
        audience,
        in_body: in_body.unwrap_or(false),
    })
}

fn filled(node: &Node<'_>, sources: &Sources<'_>) -> Option<usize> {
    let written = node.text()?;
    let Some(at) = sources.configs.iter().position(|source| source.name == written) else {
        let help = match nearest(written, sources.configs.iter().map(|source| source.name.as_str())) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "write the name of a [[source]] of this file".to_owned(),
        };
        return node.refuse(format!("there is no source \"{}\"", written.escape_debug()), help);
    };
    let source = sources.configs.get(at)?;
    if source.ack != Ack::Durable || source.duplicates.ids == 0 || source.delivery_id.is_empty() {
        return node.refuse(
            "this source remembers no delivery ids, so it cannot be told what is missing",
            "it needs ack = \"durable\", a delivery_id and its duplicates window",
        );
    }
    Some(at)
}

/// The ids of a source with tenants are each tenant's own.
fn tenant(table: &mut Table<'_>, fills: Option<&SourceConfig>) -> Option<String> {
    let secrets = fills.and_then(|source| source.auth.proof.as_ref()).map(|proof| &proof.secrets);
    let Some(Secrets::OfTenants(tenants)) = secrets else {
        return table.get("tenant")?.refuse("the poll fills no source that has tenants", "leave `tenant` out");
    };
    let example = tenants.first().map_or("name", |(name, _)| name);
    let node = table.require("tenant", &format!("tenant = \"{example}\": whose events the poll asks for"))?;
    let written = node.text()?;
    let names = || tenants.iter().map(|(name, _)| name.as_str());
    if names().any(|name| name == written) {
        return Some(written.to_owned());
    }
    let help = match nearest(written, names()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("known: {}", names().collect::<Vec<_>>().join(", ")),
    };
    node.refuse(format!("the source has no tenant \"{}\"", written.escape_debug()), help)
}

fn items_pointer(node: &Node<'_>) -> Option<Pointer> {
    if node.text()?.is_empty() { Some(Pointer(Vec::new())) } else { pointer(node) }
}

/// Places that a record has: it came without a head of its own.
fn in_record(node: Node<'_>) -> Vec<Locator> {
    let spot = node.spot.clone();
    let locators = locators(node);
    if locators.iter().any(|locator| !matches!(locator.place, Place::Json(_) | Place::Constant(_))) {
        spot.problem(
            "a record is a piece of JSON and no more",
            "write { json = \"/type\" } or { constant = \"text\" }",
        );
    }
    locators
}

fn cursor(node: &Node<'_>) -> Option<CursorConfig> {
    let mut table = node.table()?;
    let from = match table.one_of(["highest", "last", "time"]) {
        Some(("highest", node)) => pointer(&node).map(CursorFrom::Highest),
        Some(("last", node)) => pointer(&node).map(CursorFrom::Last),
        Some((_, node)) => node.choice(&[("rfc3339", false), ("unix", true)]).map(|unix| {
            let overlap = table.get("overlap").and_then(|node| node.duration());
            CursorFrom::Time { unix, overlap: overlap.unwrap_or(Duration::from_mins(5)) }
        }),
        None => node.refuse("it is not said what becomes the cursor", "write highest = \"/updated_at\", last or time"),
    };
    let start = table.get("start").and_then(|node| node.filled_text()).map(ToOwned::to_owned);
    table.finish();
    Some(CursorConfig { from: from?, start })
}

fn check_cursor(url_node: &Node<'_>, cursor: Option<&Node<'_>>, url: &Uri) {
    let in_query = url.query().is_some_and(|query| query.contains("{cursor}"));
    if url.path().contains(['{', '}']) {
        url_node.spot.problem("a cursor stands in the query", "write it as in \"…/orders?since={cursor}\"");
    } else if in_query && cursor.is_none() {
        url_node.spot.problem("nothing says what {cursor} is", "write cursor = { highest = \"/updated_at\" }");
    } else if let Some(node) = cursor.filter(|_| !in_query) {
        node.spot.problem("the URL has no {cursor}", "write it as in \"…/orders?since={cursor}\"");
    }
}

fn next_page(node: &Node<'_>) -> Option<NextPage> {
    if node.is_text() {
        return node.choice(&[("link", ())]).map(|()| NextPage::Link);
    }
    let mut table = node.table()?;
    let next = match table.one_of(["json", "page", "offset"]) {
        Some(("json", node)) => match (pointer(&node), table.get("query")) {
            (Some(pointer), None) => Some(NextPage::Url(pointer)),
            (pointer, Some(query)) => query.filled_text().and_then(|name| Some(NextPage::Member(pointer?, name.into()))),
            (None, None) => None,
        },
        Some(("page", node)) => node.filled_text().map(|name| NextPage::Page(name.to_owned())),
        Some((_, node)) => node.filled_text().map(|name| NextPage::Offset(name.to_owned())),
        None => node.refuse(
            "it is not said where the next page is",
            "write \"link\", { json = \"/next_cursor\", query = \"cursor\" }, { page = \"page\" } or { offset = \"offset\" }",
        ),
    };
    table.finish();
    next
}
