//! Status, content type and body per source, for success and for refusal.

use crate::gateway::Gateway;
use crate::signing;

#[test]
fn an_accepted_event_is_answered_with_its_id_unless_said_otherwise() {
    let gateway = Gateway::start(
        "[[source]]\nname = \"s\"\nauth = \"none\"\nack = \"memory\"\ndelivery_id = { header = \"X-Id\" }",
    );
    let answer = gateway.post("/hooks/s", &[("X-Id", "evt-\"1\"")], b"{}");
    assert_eq!((answer.status, answer.header("content-type")), (202, Some("application/json")));
    assert_eq!(answer.json(), serde_json::json!({ "status": "accepted", "id": "evt-\"1\"" }));
    let given = gateway.post("/hooks/s", &[], b"{}").json()["id"].as_str().unwrap().to_owned();
    assert_eq!(given.len(), 26, "an event without an id is given one");
}

#[test]
fn xml_text_and_empty_answers() {
    let gateway = Gateway::start(
        r#"
        [[source]]
        name = "xml"
        auth = "none"
        ack = "memory"
        event_type = { query = "t" }
        delivery_id = { query = "id" }
        reply = { status = 200, content_type = "application/xml", body = "<ack id='{id}' type='{type}'/>" }
        [[source]]
        name = "empty"
        auth = "none"
        ack = "memory"
        reply = { status = 204, body = "" }
        [[source]]
        name = "text"
        api_key = { header = "X-Key", key = { file = "secret" } }
        ack = "memory"
        reply = { status = 200, content_type = "text/plain", body = "[accepted]" }
        refuse = { status = 403, content_type = "text/plain", body = "no" }
        "#,
    );
    let xml = gateway.post("/hooks/xml?t=a%3Cb&id=x'%3E%3Cevil", &[], b"");
    assert_eq!((xml.status, xml.header("content-type")), (200, Some("application/xml")));
    let text = xml.text();
    assert!(!text.contains("<evil") && text.contains("&lt;evil"), "{text}");
    assert!(text.contains("type='a&lt;b'"), "{text}");

    let empty = gateway.post("/hooks/empty", &[], b"{}");
    assert_eq!((empty.status, empty.body.len(), empty.header("content-type")), (204, 0, None));

    let refused = gateway.post("/hooks/text", &[], b"{}");
    assert_eq!((refused.status, refused.text().as_str()), (403, "no"));
    let secret = crate::gateway::SECRET;
    let accepted = gateway.post("/hooks/text", &[("X-Key", secret)], b"{}");
    assert_eq!((accepted.status, accepted.text().as_str()), (200, "[accepted]"));
}

#[test]
fn slacks_challenge_is_answered_and_goes_to_no_route() {
    let gateway = Gateway::start(
        r#"
        [[source]]
        name = "slack"
        preset = "slack"
        secret = { file = "secret" }
        ack = "memory"
        [[route]]
        name = "all"
        from = { source = "slack" }
        to = "discard"
        "#,
    );
    let body = include_bytes!("../fixtures/constructed/slack.url_verification.json");
    let challenge: serde_json::Value = serde_json::from_slice(body).unwrap();
    let at = signing::now();
    let headers = [("X-Slack-Request-Timestamp", at.to_string()), ("X-Slack-Signature", signing::slack(body, at))];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = gateway.post("/hooks/slack", &headers, body);
    assert_eq!((answer.status, answer.text().as_str()), (200, challenge["challenge"].as_str().unwrap()));
    assert_eq!(gateway.metric("hookgate_handshakes_total", &["source=\"slack\""]), 1.0);
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), 0.0);
    let forged = gateway.post("/hooks/slack", &headers[..1], body);
    assert_eq!(forged.status, 401, "a challenge must be signed as well");
}
