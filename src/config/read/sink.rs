//! `to = …`: the processor of a route.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, Uri, header};

use super::auth::user;
use super::reach::{reach, warn_if_refused};
use super::secret::{header_secret, secret, signing_keys};
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::{FileSink, Fill, HttpAuth, HttpSink, HttpTls, KeyForm, SinkConfig};

/// Reads a processor. `deny_private` is what counts where it does not say so itself.
pub(super) fn sink(node: &Node<'_>, deny_private: bool) -> Option<SinkConfig> {
    if node.is_text() {
        let kinds = [("stdout", Plain::Stdout), ("discard", Plain::Discard), ("handler", Plain::Handler)];
        return node.choice(&kinds).map(|kind| match kind {
            Plain::Stdout => SinkConfig::Stdout,
            Plain::Discard => SinkConfig::Discard,
            Plain::Handler => SinkConfig::Handler,
        });
    }
    if !node.is_table() {
        return node.wrong_type("a processor", WRITE);
    }
    let mut table = node.table()?;
    match table.one_of(["http", "file"]) {
        Some(("http", url)) => http(table, &url, deny_private).map(|sink| SinkConfig::Http(Box::new(sink))),
        Some((_, path)) => file(table, &path).map(SinkConfig::File),
        None => {
            table.finish_with(|_, _| WRITE.to_owned());
            node.refuse("it is not said where events go", WRITE)
        }
    }
}

#[derive(Clone, Copy)]
enum Plain {
    Stdout,
    Discard,
    Handler,
}

fn file(mut table: Table<'_>, path: &Node<'_>) -> Option<FileSink> {
    let rotate = table.get("rotate").and_then(|node| node.size(1 << 44));
    let keep = table.get("keep").and_then(|node| node.number(0..=10_000));
    table.finish();
    Some(FileSink { path: path.path()?, rotate: rotate.unwrap_or(100 << 20), keep: keep.unwrap_or(5) as usize })
}

fn http(mut table: Table<'_>, url_node: &Node<'_>, deny_private: bool) -> Option<HttpSink> {
    let form = KeyForm::Base64 { prefix: "whsec_".to_owned() };
    let sign = table.get("sign").map(|node| signing_keys(node, &form)).unwrap_or_default();
    let server = server(&mut table, url_node, deny_private);
    table.finish();
    Some(HttpSink { sign, ..server? })
}

/// Whom requests go to: the keys beside its URL.
pub(super) fn server(table: &mut Table<'_>, url_node: &Node<'_>, deny_private: bool) -> Option<HttpSink> {
    let auth = http_auth(table);
    place(table, url_node, auth, deny_private)
}

/// The same without credentials among the keys.
pub(super) fn place(
    table: &mut Table<'_>,
    url_node: &Node<'_>,
    auth: Option<HttpAuth>,
    deny_private: bool,
) -> Option<HttpSink> {
    let url = url(url_node);
    let reach = reach(table, deny_private);
    if let Some(url) = &url {
        warn_if_refused(url_node, url, &reach);
    }
    let headers = table.get("headers").map(|node| headers(&node, auth.is_some())).unwrap_or_default();
    let tls_node = table.get("tls");
    if let Some(node) = tls_node.as_ref().filter(|_| url.as_ref().is_some_and(|url| url.scheme_str() == Some("http"))) {
        node.spot.problem("a connection to http:// has no TLS", "write https:// in the address, or leave `tls` out");
    }
    let tls = tls_node.and_then(|node| tls(&node)).unwrap_or_default();
    let timeout = table.get("timeout").and_then(|node| node.positive_duration());
    let connect_timeout = table.get("connect_timeout").and_then(|node| node.positive_duration());
    Some(HttpSink {
        url: url?,
        headers,
        auth,
        tls,
        sign: Vec::new(),
        timeout: timeout.unwrap_or(Duration::from_secs(10)),
        connect_timeout: connect_timeout.unwrap_or(Duration::from_secs(3)),
        reach,
    })
}

/// The address is not shown in messages: somebody may have written a password into it.
fn url(node: &Node<'_>) -> Option<Uri> {
    let written = node.text()?;
    let help = "write scheme, host and path, as in \"http://127.0.0.1:9001/events\"";
    let Ok(url) = written.parse::<Uri>() else {
        return node.refuse("this is not an address", help);
    };
    let authority = url.authority().filter(|authority| !authority.host().is_empty());
    let (Some(authority), Some("http" | "https")) = (authority, url.scheme_str()) else {
        return node.refuse("this is not the address of an HTTP server", help);
    };
    if authority.as_str().contains('@') {
        let help = "write basic = { user = \"…\", password = { env = \"NAME\" } } beside it";
        return node.refuse("credentials may not stand in an address", help);
    }
    if written.contains('#') {
        return node.refuse("a fragment is never sent", "leave out what begins with '#'");
    }
    Some(url)
}

fn http_auth(table: &mut Table<'_>) -> Option<HttpAuth> {
    match table.one_of(["basic", "bearer"])? {
        ("basic", node) => {
            let mut basic = node.table()?;
            let user = basic.require("user", "user = \"name\"").and_then(|node| user(&node));
            let password = basic.require("password", "password = { env = \"NAME\" }").and_then(|node| secret(&node));
            basic.finish();
            Some(HttpAuth::Basic { user: user?, password: password? })
        }
        (_, node) => header_secret(&node).map(HttpAuth::Bearer),
    }
}

fn headers(node: &Node<'_>, has_auth: bool) -> Vec<(HeaderName, Fill)> {
    let mut headers: Vec<(HeaderName, Fill)> = Vec::new();
    for (written, value) in node.table().map(Table::all).unwrap_or_default() {
        let Ok(name) = HeaderName::from_bytes(written.as_bytes()) else {
            value.spot.problem("this is not a header name", "write letters, digits and hyphens, as in \"X-Tenant\"");
            continue;
        };
        if is_reserved(&name) {
            value.spot.problem(format!("hookgate itself writes `{name}`"), "leave it out, or choose another name");
        }
        if name == header::AUTHORIZATION && has_auth {
            value.spot.problem("`basic` or `bearer` writes this header too", "write only one of them");
        }
        if headers.iter().any(|(known, _)| *known == name) {
            value.spot.problem("this header is there twice", "header names do not differ by case; write each once");
        }
        let is_credential = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE].contains(&name);
        let fill = if value.is_text() && !is_credential {
            value.header_value().map(|text| Fill::Text(text.to_owned()))
        } else {
            header_secret(&value).map(Fill::Secret)
        };
        headers.extend(fill.map(|fill| (name, fill)));
    }
    headers
}

fn is_reserved(name: &HeaderName) -> bool {
    let framing = [header::CONTENT_LENGTH, header::HOST, header::TRANSFER_ENCODING, header::CONNECTION];
    framing.contains(name) || name.as_str().starts_with("webhook-") || name.as_str().starts_with("hookgate-")
}

fn tls(node: &Node<'_>) -> Option<HttpTls> {
    let mut table = node.table()?;
    let mut pem = |key| table.get(key).and_then(|node| readable(&node));
    let tls = HttpTls { ca: pem("ca"), cert: pem("cert"), key: pem("key") };
    let written = (table.get("cert").is_some(), table.get("key").is_some());
    if written.0 != written.1 {
        let (missing, example) = if written.0 { ("key", "key.pem") } else { ("cert", "cert.pem") };
        table.spot.problem(
            "a client certificate and its key belong together",
            format!("write {missing} = \"{example}\" too"),
        );
    }
    table.finish();
    Some(tls)
}

pub(super) fn readable(node: &Node<'_>) -> Option<PathBuf> {
    let path = node.path()?;
    match std::fs::File::open(&path) {
        Ok(_) => Some(path),
        Err(error) => node.refuse(
            format!("{} cannot be read: {error}", path.display()),
            "name a file that this user may read; a relative path starts beside the main file",
        ),
    }
}

const WRITE: &str =
    "write { http = \"http://…\" }, { file = \"events.jsonl\" }, \"stdout\", \"discard\" or \"handler\"";
