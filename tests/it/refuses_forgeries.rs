//! What is not proven is refused with 401 and its reason, and reaches no processor.

use crate::client::Answer;
use crate::gateway::Gateway;
use crate::processor::Processor;
use crate::signing;

const BODY: &[u8] = br#"{"action":"opened","type":"invoice.paid"}"#;

fn gateway(processor: &Processor) -> Gateway {
    let sources: String = ["github", "stripe", "slack", "shopify", "standard-webhooks"]
        .iter()
        .map(|preset| {
            format!("[[source]]\nname = {preset:?}\npreset = {preset:?}\nsecret = {{ file = \"secret\" }}\nack = \"memory\"\n")
        })
        .collect();
    Gateway::start(&format!(
        "{sources}[[route]]\nname = \"all\"\nfrom = {{ source = \"*\" }}\nto = {{ http = {:?} }}\n",
        processor.url("/")
    ))
}

fn assert_refused(answer: &Answer, reason: &str, what: &str) {
    assert_eq!((answer.status, answer.reason().as_str()), (401, reason), "{what}");
}

#[test]
fn github_signatures_of_every_wrong_kind() {
    let processor = Processor::start();
    let gateway = gateway(&processor);
    let good = signing::github(BODY);
    let hex = good.strip_prefix("sha256=").unwrap();
    let other_key = "sha256=".to_owned() + &"00".repeat(32);
    let mut client = gateway.client();
    let mut post = |values: &[&str]| {
        let headers: Vec<_> = values.iter().map(|value| ("X-Hub-Signature-256", *value)).collect();
        client.post("/hooks/github", &headers, BODY)
    };
    assert_refused(&post(&[]), "missing_signature", "none");
    assert_refused(&post(&[&other_key]), "wrong_signature", "another key's");
    assert_refused(&post(&[hex]), "malformed_signature", "no prefix");
    assert_refused(&post(&[&format!("sha1={hex}")]), "malformed_signature", "another algorithm's prefix");
    assert_refused(&post(&[&good[..good.len() - 2]]), "malformed_signature", "truncated");
    assert_refused(&post(&[&format!("{good}00")]), "malformed_signature", "extended");
    assert_refused(&post(&["sha256="]), "malformed_signature", "empty");
    assert_refused(&post(&[&good, &good]), "ambiguous_signature", "twice");
    assert_refused(&post(&[&good, &other_key]), "ambiguous_signature", "two that differ");
    assert_eq!(post(&[&good]).status, 202, "the right one still passes on the same connection");

    let mut changed = BODY.to_vec();
    changed[3] ^= 1;
    let answer = gateway.post("/hooks/github", &[("X-Hub-Signature-256", &good)], &changed);
    assert_refused(&answer, "wrong_signature", "a changed body");

    processor.wait_for(1);
    assert_eq!(processor.received().len(), 1, "only the right one is delivered");
    assert_eq!(gateway.metric("hookgate_requests_refused_total", &["source=\"github\""]), 10.0);
    assert_eq!(gateway.metric("hookgate_requests_refused_total", &["reason=\"malformed_signature\""]), 5.0);
    gateway.log().wait_for("ambiguous_signature");
}

#[test]
fn timestamps_outside_the_window_or_malformed() {
    let gateway = gateway(&Processor::start());
    let now = signing::now();
    let stripe = |at: u64| gateway.post("/hooks/stripe", &[("Stripe-Signature", &signing::stripe(BODY, at))], BODY);
    assert_eq!(stripe(now).status, 202);
    assert_refused(&stripe(now - 400), "stale_timestamp", "old");
    assert_refused(&stripe(now + 400), "future_timestamp", "from the future");

    let slack = |text: &str| {
        let signature = signing::slack(BODY, now);
        gateway.post("/hooks/slack", &[("X-Slack-Signature", &signature), ("X-Slack-Request-Timestamp", text)], BODY)
    };
    for text in ["1e9", "-1", "+1614265330", "16142653301614265330", "", "now"] {
        assert_refused(&slack(text), "malformed_timestamp", text);
    }
    let missing = gateway.post("/hooks/slack", &[("X-Slack-Signature", &signing::slack(BODY, now))], BODY);
    assert_refused(&missing, "malformed_timestamp", "none");
}

#[test]
fn a_signature_of_another_source_or_id() {
    let gateway = gateway(&Processor::start());
    let now = signing::now();
    let answer = gateway.post("/hooks/shopify", &[("X-Shopify-Hmac-Sha256", &signing::github(BODY))], BODY);
    assert_refused(&answer, "malformed_signature", "GitHub's form at Shopify's endpoint");
    let signature = signing::standard_webhooks("msg_1", BODY, now);
    let headers = |id: &'static str| {
        vec![
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", now.to_string()),
            ("webhook-signature", signature.clone()),
        ]
    };
    let post = |id| {
        let headers = headers(id);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        gateway.post("/hooks/standard-webhooks", &headers, BODY)
    };
    assert_eq!(post("msg_1").status, 202);
    assert_refused(&post("msg_2"), "wrong_signature", "the id is signed");
}

#[test]
fn published_vectors_that_need_no_clock_answer_as_they_expect() {
    let text = include_str!("../fixtures/vectors.json");
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let mut checked = 0;
    for vector in vectors.iter().filter(|vector| ["github", "shopify"].contains(&vector["scheme"].as_str().unwrap())) {
        let scheme = vector["scheme"].as_str().unwrap();
        let gateway = Gateway::start_prepared(
            &format!(
                "[[source]]\nname = \"it\"\npreset = {scheme:?}\nsecret = {{ file = \"vector\" }}\nack = \"memory\"\n"
            ),
            |dir| std::fs::write(dir.join("vector"), vector["secret"].as_str().unwrap()).unwrap(),
        );
        let headers: Vec<_> = vector["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let answer = gateway.post("/hooks/it", &headers, vector["body"].as_str().unwrap().as_bytes());
        let expected = if vector["expect"] == "accept" { 202 } else { 401 };
        assert_eq!(answer.status, expected, "{}: {}", vector["name"], answer.text());
        checked += 1;
    }
    assert_eq!(checked, 28);
}
