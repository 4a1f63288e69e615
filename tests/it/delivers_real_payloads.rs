//! Every real payload, signed as its provider signs, arrives at the processor of its route byte for byte.

use std::fs;
use std::path::{Path, PathBuf};

use crate::gateway::Gateway;
use crate::processor::{Processor, Received};
use crate::signing;

/// Headers a provider sends with a payload, given the file's stem and content.
type Sign = fn(&str, &[u8], &str) -> Vec<(String, String)>;

fn payloads(provider: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(provider);
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (stem(&path), fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// Posts all payloads of a provider and returns what its processor received, in any order.
fn deliver(preset: &str, payloads: &[(String, Vec<u8>)], sign: Sign) -> Vec<Received> {
    let processor = Processor::start();
    let other = Processor::start();
    let gateway = Gateway::start(&format!(
        r#"
        [[source]]
        name = "{preset}"
        preset = "{preset}"
        secret = {{ file = "secret" }}
        ack = "memory"
        [[source]]
        name = "other"
        auth = "none"
        ack = "memory"
        [[route]]
        name = "it"
        from = {{ source = "{preset}" }}
        to = {{ http = "{}" }}
        [[route]]
        name = "other"
        from = {{ source = "other" }}
        to = {{ http = "{}" }}
        "#,
        processor.url("/in"),
        other.url("/in"),
    ));
    let mut client = gateway.client();
    for (at, (name, body)) in payloads.iter().enumerate() {
        let headers = sign(name, body, &format!("delivery-{at}"));
        let mut headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        headers.push(("content-type", "application/json"));
        let answer = client.post(&format!("/hooks/{preset}"), &headers, body);
        assert_eq!(answer.status, 202, "{name}: {}", answer.text());
    }
    let received = processor.wait_for(payloads.len());
    assert_eq!(received.len(), payloads.len());
    assert!(other.received().is_empty(), "another route got some");
    received
}

/// The deliveries must be the payloads, each once, with the type that `type_of` knows.
fn assert_same(payloads: &[(String, Vec<u8>)], received: &[Received], type_of: impl Fn(&str, &[u8]) -> Option<String>) {
    for (name, body) in payloads {
        let matching: Vec<_> = received.iter().filter(|delivery| delivery.body == *body).collect();
        assert_eq!(matching.len(), 1, "{name} should arrive once, byte for byte");
        assert_eq!(matching[0].header("content-type"), Some("application/json"), "{name}");
        assert_eq!(matching[0].header("hookgate-type"), type_of(name, body).as_deref(), "{name}");
    }
}

fn member(body: &[u8], pointer: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(body).unwrap();
    document.pointer(pointer).and_then(|value| value.as_str()).map(str::to_owned)
}

#[test]
fn of_github() {
    let payloads = payloads("github");
    assert_eq!(payloads.len(), 20);
    let received = deliver("github", &payloads, |name, body, id| {
        vec![
            ("X-GitHub-Event".to_owned(), name.split('.').next().unwrap().to_owned()),
            ("X-GitHub-Delivery".to_owned(), id.to_owned()),
            ("X-Hub-Signature-256".to_owned(), signing::github(body)),
        ]
    });
    assert_same(&payloads, &received, |name, body| {
        let event = name.split('.').next().unwrap();
        Some(member(body, "/action").map_or(event.to_owned(), |action| format!("{event}.{action}")))
    });
}

#[test]
fn of_stripe() {
    let payloads = payloads("stripe");
    assert_eq!(payloads.len(), 3);
    let received = deliver("stripe", &payloads, |_, body, _| {
        vec![("Stripe-Signature".to_owned(), signing::stripe(body, signing::now()))]
    });
    assert_same(&payloads, &received, |_, body| member(body, "/type"));
}

#[test]
fn of_slack() {
    let payloads = payloads("slack");
    assert_eq!(payloads.len(), 8);
    let received = deliver("slack", &payloads, |_, body, _| {
        let at = signing::now();
        vec![
            ("X-Slack-Request-Timestamp".to_owned(), at.to_string()),
            ("X-Slack-Signature".to_owned(), signing::slack(body, at)),
        ]
    });
    assert_same(&payloads, &received, |_, body| member(body, "/event/type").or_else(|| member(body, "/type")));
}

#[test]
fn of_shopify() {
    let payloads: Vec<_> =
        payloads("constructed").into_iter().filter(|(name, _)| name.starts_with("shopify")).collect();
    assert_eq!(payloads.len(), 1);
    let received = deliver("shopify", &payloads, |_, body, id| {
        vec![
            ("X-Shopify-Topic".to_owned(), "orders/create".to_owned()),
            ("X-Shopify-Webhook-Id".to_owned(), id.to_owned()),
            ("X-Shopify-Hmac-Sha256".to_owned(), signing::shopify(body)),
        ]
    });
    assert_same(&payloads, &received, |_, _| Some("orders/create".to_owned()));
}

/// Adyen's real payloads, and those constructed from documents, under the scheme that many providers share.
#[test]
fn of_standard_webhooks() {
    let payloads: Vec<_> = payloads("adyen").into_iter().chain(payloads("constructed")).collect();
    assert_eq!(payloads.len(), 12);
    let received = deliver("standard-webhooks", &payloads, |_, body, id| {
        let at = signing::now();
        vec![
            ("webhook-id".to_owned(), id.to_owned()),
            ("webhook-timestamp".to_owned(), at.to_string()),
            ("webhook-signature".to_owned(), signing::standard_webhooks(id, body, at)),
        ]
    });
    assert_same(&payloads, &received, |_, body| member(body, "/type"));
}
