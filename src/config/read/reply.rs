//! `reply = { … }` and `refuse = { … }`: what a sender is answered.

use http::StatusCode;

use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::template::{self, Piece};
use crate::config::{RefuseConfig, ReplyConfig};

/// The answer to an accepted event. A status that has no body gets none; else what is left out is the default.
pub(super) fn reply(node: Option<Node<'_>>) -> ReplyConfig {
    if let Some(node) = node.as_ref().filter(|node| node.is_text()) {
        let known = node.choice(&[("salesforce", ())]);
        return known.map_or_else(|| default_reply(StatusCode::ACCEPTED), |()| salesforce());
    }
    let Some(mut table) = node.and_then(|node| node.table()) else {
        return default_reply(StatusCode::ACCEPTED);
    };
    let status = table.get("status").and_then(|node| node.status(200..=299)).unwrap_or(StatusCode::ACCEPTED);
    let Answer { content_type, body } = answer(&mut table);
    if let Some(body_node) = table.get("body") {
        check_template(&body_node, body.as_deref().unwrap_or_default());
        if is_bodiless(status) && body.as_deref().is_some_and(|body| !body.is_empty()) {
            body_node.spot.problem(
                format!("an answer with status {} has no body", status.as_u16()),
                "leave the body out, or write status = 200",
            );
        }
    }
    table.finish();
    match body {
        Some(body) => ReplyConfig { status, content_type, body },
        None => default_reply(status),
    }
}

/// What an outbound message of Salesforce must be answered with; it sends it again after anything else
/// (SOAP API Developer Guide, "Understanding Notifications").
fn salesforce() -> ReplyConfig {
    const ACKNOWLEDGEMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>
"#;
    ReplyConfig {
        status: StatusCode::OK,
        content_type: Some("text/xml; charset=utf-8".to_owned()),
        body: ACKNOWLEDGEMENT.to_owned(),
    }
}

/// The answer to a sender that did not prove itself.
pub(super) fn refuse(node: Option<Node<'_>>) -> RefuseConfig {
    let Some(mut table) = node.and_then(|node| node.table()) else {
        return RefuseConfig::default();
    };
    let status = table.get("status").and_then(|node| node.status(400..=599));
    let Answer { content_type, body } = answer(&mut table);
    table.finish();
    RefuseConfig { status, content_type, body }
}

struct Answer {
    content_type: Option<String>,
    body: Option<String>,
}

/// A body and its type, which belong together: it says how what is filled in is escaped.
fn answer(table: &mut Table<'_>) -> Answer {
    let type_node = table.get("content_type");
    let body_node = table.get("body");
    let content_type = type_node.as_ref().and_then(Node::header_value).map(ToOwned::to_owned);
    let body = body_node.as_ref().and_then(Node::text).map(ToOwned::to_owned);
    match (&type_node, &body_node) {
        (None, Some(node)) if body.as_deref().is_some_and(|body| !body.is_empty()) => {
            node.spot
                .problem("this body has no type", "write content_type = \"application/json\" beside it, or what it is");
        }
        (Some(node), None) => node.spot.problem("there is no body of this type", "write body = \"…\" beside it"),
        _ => {}
    }
    Answer { content_type, body }
}

fn check_template(node: &Node<'_>, body: &str) {
    match template::pieces(body) {
        Err(help) => node.spot.problem("a brace is not closed", help),
        Ok(pieces) => {
            for piece in pieces {
                if let Piece::Hole(hole) = piece
                    && !matches!(hole, "id" | "type")
                {
                    node.spot.problem(
                        format!("{{{}}} is not known to a reply", hole.escape_debug()),
                        "write {id} or {type}; write {{ and }} for braces that stay",
                    );
                }
            }
        }
    }
}

fn default_reply(status: StatusCode) -> ReplyConfig {
    if is_bodiless(status) {
        return ReplyConfig { status, content_type: None, body: String::new() };
    }
    ReplyConfig {
        status,
        content_type: Some("application/json".to_owned()),
        body: r#"{{"status":"accepted","id":"{id}"}}"#.to_owned(),
    }
}

fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT)
}
