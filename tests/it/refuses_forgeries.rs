//! What is not proven is refused with 401 and its reason, and reaches no processor.

use crate::client::Answer;
use crate::gateway::{Gateway, wait_until};
use crate::processor::Processor;
use crate::signing;

pub const BODY: &[u8] = br#"{"action":"opened","type":"invoice.paid"}"#;

/// A source for each of five providers.
pub fn gateway(processor: &Processor) -> Gateway {
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
fn a_right_signature_of_another_source() {
    let source = |name: &str| {
        format!("[[source]]\nname = {name:?}\npreset = \"github\"\nack = \"memory\"\nsecret = {{ file = {name:?} }}\n")
    };
    let shop = "[[source]]\nname = \"shop\"\npath = \"/shops/{tenant}\"\nack = \"memory\"\n\
                hmac = { header = \"X-Hub-Signature-256\", prefix = \"sha256=\" }\n\
                tenants = { acme = { file = \"acme\" }, globex = { file = \"globex\" } }\n";
    let names = ["one", "other", "acme", "globex"];
    let gateway = Gateway::start_prepared(&format!("{}{}{shop}", source("one"), source("other")), |dir| {
        names.iter().for_each(|name| std::fs::write(dir.join(name), format!("the secret of {name}")).unwrap());
    });
    let paths = ["/hooks/one", "/hooks/other", "/shops/acme", "/shops/globex"];
    for (name, own) in names.iter().zip(paths) {
        let signature = signing::github_with(&format!("the secret of {name}"), BODY);
        for path in paths {
            let answer = gateway.post(path, &[("X-Hub-Signature-256", &signature)], BODY);
            if path == own {
                assert_eq!(answer.status, 202, "{name} to {path}");
            } else {
                assert_refused(&answer, "wrong_signature", &format!("{name} to {path}"));
            }
        }
    }
    let signature = signing::github_with("the secret of acme", BODY);
    let answer = gateway.post("/shops/nobody", &[("X-Hub-Signature-256", &signature)], BODY);
    assert_eq!((answer.status, answer.reason().as_str()), (404, "unknown_path"));
}

#[test]
fn a_captured_request_is_delivered_once_and_then_too_old() {
    let processor = Processor::start();
    let gateway = Gateway::start(&format!(
        "[[source]]\nname = \"s\"\nsecret = {{ file = \"secret\" }}\ndelivery_id = {{ json = \"/id\" }}\n\
         [source.hmac]\nheader = \"Stripe-Signature\"\npairs = \"v1\"\nsigned = \"{{timestamp}}.{{body}}\"\n\
         timestamp = {{ pair = \"t\", tolerance = \"3s\" }}\n\
         [[route]]\nname = \"all\"\nfrom = {{ source = \"*\" }}\nto = {{ http = {:?} }}\n",
        processor.url("/")
    ));
    let body = br#"{"id":"evt_1"}"#;
    let captured = signing::stripe(body, signing::now());
    let replay = || gateway.post("/hooks/s", &[("Stripe-Signature", &captured)], body);
    assert_eq!(replay().status, 202);
    assert_eq!(replay().status, 202, "within the window it is answered as the first was");
    let mut last = replay();
    wait_until("the window to pass", || {
        last = replay();
        last.status != 202
    });
    assert_refused(&last, "stale_timestamp", "after the window");
    let duplicates = gateway.metric("hookgate_duplicates_total", &[]);
    assert!(duplicates >= 1.0, "{duplicates}");

    let fresh = br#"{"id":"evt_2"}"#;
    assert_eq!(
        gateway.post("/hooks/s", &[("Stripe-Signature", &signing::stripe(fresh, signing::now()))], fresh).status,
        202
    );
    let mut bodies: Vec<_> = processor.wait_for(2).into_iter().map(|one| one.body).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, [body.as_slice(), fresh], "each once");
}
