//! Requests that no honest client sends: each gets the one right status, and the gateway goes on.

use crate::gateway::Gateway;
use crate::signing;

const CONFIG: &str = r#"
[[source]]
name = "s"
auth = "none"
ack = "memory"
event_type = { json = "/type" }
[[source]]
name = "github"
preset = "github"
secret = { file = "secret" }
ack = "memory"
[[route]]
name = "all"
from = { source = "*" }
to = "discard"
"#;

/// The statuses that come back for raw bytes, to the end of the connection. The client sends nothing more after them.
fn statuses(gateway: &Gateway, bytes: &[u8]) -> Vec<u16> {
    let mut client = gateway.client();
    client.send(bytes);
    client.finish_sending();
    std::iter::from_fn(|| client.answer()).map(|answer| answer.status).collect()
}

/// A post to `/hooks/s` with these header lines and this body.
fn post(headers: &str, body: &str) -> Vec<u8> {
    format!("POST /hooks/s HTTP/1.1\r\n{headers}\r\n{body}").into_bytes()
}

#[test]
fn heads_that_are_too_large() {
    let gateway = Gateway::start(CONFIG);
    let thousand: String = (0..1000).map(|at| format!("x-{at}: a\r\n")).collect();
    assert_eq!(statuses(&gateway, &post(&format!("host: a\r\n{thousand}content-length: 0\r\n"), "")), [431]);
    let long = "a".repeat(450_000);
    assert_eq!(statuses(&gateway, &post(&format!("host: a\r\nx-long: {long}\r\ncontent-length: 0\r\n"), "")), [431]);
    let target = format!("POST /{} HTTP/1.1\r\nhost: a\r\n\r\n", &long[..65_000]);
    assert_eq!(statuses(&gateway, target.as_bytes()), [404], "one that just fits");
    let over = format!("POST /hooks/s HTTP/1.1\r\nhost: a\r\nx-long: {}\r\ncontent-length: 0\r\n\r\n", &long[..66_000]);
    assert_eq!(statuses(&gateway, over.as_bytes()), [431], "one that does not");
    let pipelined = [post("host: a\r\ncontent-length: 0\r\n", ""), over.into_bytes()].concat();
    assert_eq!(statuses(&gateway, &pipelined), [202, 431], "nor behind another");
    assert_eq!(gateway.post("/hooks/s", &[], b"{}").status, 202);
}

#[test]
fn paths_and_methods() {
    let gateway = Gateway::start(CONFIG);
    for path in ["/", "/hooks", "/hooks/s/", "/hooks//s", "/hooks/%73", "/hooks/../hooks/s", "/hooks/s;x", "/HOOKS/s"] {
        let answer = gateway.post(path, &[], b"{}");
        assert_eq!((answer.status, answer.reason().as_str()), (404, "unknown_path"), "{path}");
    }
    for method in ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"] {
        let mut client = gateway.client();
        client.send(&crate::client::request(method, "/hooks/s", &[], b""));
        client.finish_sending();
        let answer = client.answer_to(method).unwrap();
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
    }
    let absolute = b"POST http://elsewhere.example/hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(statuses(&gateway, absolute), [202], "an absolute target is routed by its path");
}

#[test]
fn bodies_that_are_not_what_they_seem_are_kept_as_they_are() {
    let gateway = Gateway::start(CONFIG);
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let in_type = [br#"{"type":"#.as_slice(), &deep, b"}"].concat();
    let bodies: [&[u8]; 8] = [
        b"",
        b"not json",
        b"\xff\xfe\x00",
        br#"{"type":"#,
        br#"{"type":"a"#,
        &deep,
        &in_type,
        &b"{\"a\":".repeat(100_000),
    ];
    let mut client = gateway.client();
    for body in bodies {
        assert_eq!(client.post("/hooks/s", &[], body).status, 202, "a source without proof takes any body");
        assert_eq!(client.post("/hooks/github", &[("X-Hub-Signature-256", &signing::github(body))], body).status, 202);
    }
    gateway.wait_for_metric("hookgate_deliveries_total", &["outcome=\"delivered\""], 16.0);
}
