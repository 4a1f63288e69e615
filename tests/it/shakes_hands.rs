//! The handshakes of providers: answered in place, delivered to no route, counted.

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::client::Answer;
use crate::gateway::{Gateway, SECRET};
use crate::signing;

fn mac(parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn source(preset: &str, keys: &str) -> String {
    format!("[[source]]\nname = \"it\"\npreset = \"{preset}\"\nack = \"memory\"\n{keys}\n")
}

fn with_secret(preset: &str) -> Gateway {
    Gateway::start(&source(preset, "secret = { file = \"secret\" }"))
}

fn ask(gateway: &Gateway, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    gateway.client().request(method, target, headers, b"")
}

/// It was answered, and is no event.
fn assert_counted(gateway: &Gateway, handshakes: f64) {
    assert_eq!(gateway.metric("hookgate_handshakes_total", &["source=\"it\""]), handshakes);
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), 0.0);
}

#[test]
fn zoom_is_told_the_mac_of_its_token() {
    let gateway = with_secret("zoom");
    let body = br#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let at = signing::now().to_string();
    let signature = format!("v0={}", HEXLOWER.encode(&mac(&[b"v0:", at.as_bytes(), b":", body])));
    let headers = [("x-zm-signature", signature.as_str()), ("x-zm-request-timestamp", &at)];
    let answer = gateway.post("/hooks/it", &headers, body);
    let encrypted = HEXLOWER.encode(&mac(&[b"qgg8vlvZRS6UYooatFL8Aw"]));
    let expected = serde_json::json!({ "plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": encrypted });
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(gateway.post("/hooks/it", &headers[..1], body).status, 401, "it must be signed");
    assert_counted(&gateway, 1.0);
}

#[test]
fn monday_gets_its_challenge_back_escaped_as_json() {
    let gateway = with_secret("monday");
    let answer = gateway.post("/hooks/it", &[], br#"{"challenge":"3eZ\"brw1a"}"#);
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"challenge":"3eZ\"brw1a"}"#));
    let other = gateway.post("/hooks/it", &[], br#"{"event":{"type":"create_pulse"}}"#);
    assert_eq!((other.status, other.reason().as_str()), (401, "missing_signature"));
    let large = [br#"{"challenge":""#.to_vec(), vec![b'x'; 20_000], br#""}"#.to_vec()].concat();
    assert_eq!(gateway.post("/hooks/it", &[], &large).status, 401, "what is not signed is read as far as 16 KiB");
    assert_counted(&gateway, 1.0);
}

#[test]
fn meta_must_know_the_verify_token() {
    let keys = "secret = { file = \"secret\" }\nverify_token = { file = \"token\" }";
    let gateway =
        Gateway::start_prepared(&source("meta", keys), |dir| std::fs::write(dir.join("token"), "t0k").unwrap());
    let get = |token: &str| {
        let target = format!("/hooks/it?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444");
        ask(&gateway, "GET", &target, &[])
    };
    let answer = get("t0k");
    assert_eq!((answer.status, answer.text().as_str()), (200, "1158201444"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(get("other").status, 403);
    assert_eq!(ask(&gateway, "GET", "/hooks/it", &[]).status, 405);
    assert_counted(&gateway, 1.0);
}

#[test]
fn x_is_told_the_mac_of_its_token() {
    let gateway = with_secret("x");
    let answer = ask(&gateway, "GET", "/hooks/it?crc_token=abc%2B1", &[]);
    let expected = format!("sha256={}", BASE64.encode(&mac(&[b"abc+1"])));
    assert_eq!(answer.json(), serde_json::json!({ "response_token": expected }));
    assert_counted(&gateway, 1.0);
}

#[test]
fn a_challenge_in_a_header_or_in_the_query_is_given_back() {
    let okta = with_secret("okta");
    let answer = ask(&okta, "GET", "/hooks/it", &[("x-okta-verification-challenge", "abc")]);
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"verification":"abc"}"#));
    assert_counted(&okta, 1.0);

    let dropbox = with_secret("dropbox");
    let answer = ask(&dropbox, "GET", "/hooks/it?challenge=a%20b", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "a b"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_counted(&dropbox, 1.0);

    let graph = with_secret("microsoft-graph");
    let answer = graph.post("/hooks/it?validationToken=Validation%3a+Testing+1%2B1", &[], b"");
    assert_eq!((answer.status, answer.text().as_str()), (200, "Validation: Testing 1+1"));
    assert_counted(&graph, 1.0);
}

#[test]
fn cloudevents_are_allowed_from_whoever_asks() {
    let gateway = Gateway::start(&source("cloudevents", "auth = \"none\""));
    let answer = ask(&gateway, "OPTIONS", "/hooks/it", &[("WebHook-Request-Origin", "eventemitter.example.com")]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("webhook-allowed-origin"), Some("eventemitter.example.com"));
    assert_eq!(answer.header("allow"), Some("POST"));
    assert_counted(&gateway, 1.0);
}

#[test]
fn trello_looks_whether_anybody_is_there() {
    let gateway =
        Gateway::start(&source("trello", "secret = { file = \"secret\" }\npublic_url = \"https://hooks.example.com\""));
    let mut client = gateway.client();
    client.send(b"HEAD /hooks/it HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(client.answer_to("HEAD").unwrap().status, 200);
    assert_counted(&gateway, 1.0);
}

#[test]
fn twitch_gets_its_challenge_back() {
    let gateway = with_secret("twitch");
    let body = br#"{"challenge":"pogchamp-kappa-360noscope-vohiyo","subscription":{"type":"channel.follow"}}"#;
    let at = humantime::format_rfc3339_nanos(std::time::SystemTime::now()).to_string();
    let signature = format!("sha256={}", HEXLOWER.encode(&mac(&[b"id-1", at.as_bytes(), body])));
    let headers = [
        ("Twitch-Eventsub-Message-Type", "webhook_callback_verification"),
        ("Twitch-Eventsub-Message-Id", "id-1"),
        ("Twitch-Eventsub-Message-Timestamp", &at),
        ("Twitch-Eventsub-Message-Signature", &signature),
    ];
    let answer = gateway.post("/hooks/it", &headers, body);
    assert_eq!((answer.status, answer.text().as_str()), (200, "pogchamp-kappa-360noscope-vohiyo"));
    assert_eq!(gateway.post("/hooks/it", &headers[..3], body).status, 401, "it must be signed");
    assert_counted(&gateway, 1.0);
}

#[test]
fn discord_pings_and_sends_wrong_signatures_on_purpose() {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
    let key = HEXLOWER.encode(pair.public_key().as_ref());
    let gateway = Gateway::start_prepared(&source("discord", "secret = { file = \"key\" }"), |dir| {
        std::fs::write(dir.join("key"), key).unwrap();
    });
    let body = br#"{"type":1,"version":1}"#;
    let at = signing::now().to_string();
    let signature = HEXLOWER.encode(pair.sign(&[at.as_bytes(), body].concat()).as_ref());
    let headers = [("X-Signature-Timestamp", at.as_str()), ("X-Signature-Ed25519", &signature)];
    let answer = gateway.post("/hooks/it", &headers, body);
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"type":1}"#));
    let wrong = HEXLOWER.encode(&[7; 64]);
    let forged = gateway.post("/hooks/it", &[headers[0], ("X-Signature-Ed25519", &wrong)], body);
    assert_eq!((forged.status, forged.reason().as_str()), (401, "wrong_signature"));
    assert_counted(&gateway, 1.0);
}

#[test]
fn xero_learns_whether_it_is_checked() {
    let gateway = with_secret("xero");
    let body = br#"{"events":[],"lastEventSequence": 0,"firstEventSequence": 0, "entropy": "S0m3r4Nd0mt3xt"}"#;
    let right = BASE64.encode(&mac(&[body]));
    let answer = gateway.post("/hooks/it", &[("x-xero-signature", &right)], body);
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let wrong = BASE64.encode(&mac(&[b"another"]));
    let answer = gateway.post("/hooks/it", &[("x-xero-signature", &wrong)], body);
    assert_eq!((answer.status, answer.body.len()), (401, 0));
    assert_counted(&gateway, 1.0);
}

#[test]
fn asana_hands_over_its_secret_once_and_the_next_start_knows_it() {
    let gateway = Gateway::start(&source("asana", ""));
    let body = br#"{"events":[{"action":"added"}]}"#;
    let signature = HEXLOWER.encode(&mac(&[body]));
    let signed = [("X-Hook-Signature", signature.as_str())];
    let early = gateway.post("/hooks/it", &signed, body);
    assert_eq!((early.status, early.reason().as_str()), (401, "secret_unknown"));

    let answer = gateway.post("/hooks/it", &[("X-Hook-Secret", SECRET)], b"{}");
    assert_eq!((answer.status, answer.header("x-hook-secret")), (200, Some(SECRET)));
    assert_eq!(gateway.post("/hooks/it", &[("X-Hook-Secret", SECRET)], b"{}").status, 200, "it asks again");
    assert_eq!(gateway.post("/hooks/it", &[("X-Hook-Secret", "another")], b"{}").status, 401, "the first one stays");
    assert_counted(&gateway, 2.0);
    assert_eq!(gateway.post("/hooks/it", &signed, body).status, 202);

    let again = gateway.end().start();
    assert_eq!(again.post("/hooks/it", &signed, body).status, 202);
    assert_eq!(again.post("/hooks/it", &[("X-Hook-Signature", &"00".repeat(32))], body).status, 401);
}

#[test]
fn notion_hands_over_its_token_in_a_body() {
    let gateway = Gateway::start(&source("notion", ""));
    let handed_over = format!(r#"{{"verification_token":"{SECRET}"}}"#);
    assert_eq!(gateway.post("/hooks/it", &[], handed_over.as_bytes()).status, 200);
    assert_counted(&gateway, 1.0);
    let body = br#"{"type":"page.created","id":"1"}"#;
    let signature = format!("sha256={}", HEXLOWER.encode(&mac(&[body])));
    assert_eq!(gateway.post("/hooks/it", &[("X-Notion-Signature", &signature)], body).status, 202);
}
