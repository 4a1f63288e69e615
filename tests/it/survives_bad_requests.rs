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
fn ambiguous_or_malformed_framing() {
    let gateway = Gateway::start(CONFIG);
    let chunked = "host: a\r\ntransfer-encoding: chunked\r\n";
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("two lengths that differ", post("host: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n", "{}"), &[400]),
        ("a signed length", post("host: a\r\ncontent-length: +2\r\n", "{}"), &[400]),
        ("a negative length", post("host: a\r\ncontent-length: -1\r\n", ""), &[400]),
        ("an empty length", post("host: a\r\ncontent-length:\r\n", ""), &[400]),
        ("a length over 64 bits", post("host: a\r\ncontent-length: 99999999999999999999\r\n", ""), &[400]),
        ("a space before the colon", post("host: a\r\ncontent-length : 2\r\n", "{}"), &[400]),
        ("an unknown coding", post("host: a\r\ntransfer-encoding: xchunked\r\n", "0\r\n\r\n"), &[400]),
        ("gzip, chunked", post("host: a\r\ntransfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"), &[501]),
        ("chunked twice", post(&format!("{chunked}transfer-encoding: chunked\r\n"), "0\r\n\r\n"), &[400]),
        ("a folded header", post("host: a\r\nx-a: 1\r\n 2\r\ncontent-length: 0\r\n", ""), &[400]),
        ("a NUL in a header", post("host: a\r\nx-a: \0\r\ncontent-length: 0\r\n", ""), &[400]),
        ("a header without a colon", post("host: a\r\nnonsense\r\n", ""), &[400]),
        ("a chunk size with 0x", post(chunked, "0x3\r\nabc\r\n0\r\n\r\n"), &[400]),
        ("a chunk size with a sign", post(chunked, "+3\r\nabc\r\n0\r\n\r\n"), &[400]),
        ("a chunk without its end", post(chunked, "3\r\nabcd\r\n0\r\n\r\n"), &[400]),
        ("a chunk size without digits", post(chunked, "\r\nabc\r\n0\r\n\r\n"), &[400]),
        ("a chunk size over 64 bits", post(chunked, "10000000000000003\r\nabc\r\n0\r\n\r\n"), &[400]),
        ("a chunk line that ends in a bare LF", post(chunked, "3\nabc\r\n0\r\n\r\n"), &[400]),
        ("a chunk extension with a bare LF", post(chunked, "3;a\nb\r\nabc\r\n0\r\n\r\n"), &[400]),
        ("a chunk extension without end", post(chunked, &format!("3;{}\r\nabc\r\n", "a".repeat(20_000))), &[400]),
        (
            "a length and a coding: chunked wins, and nothing is read after it",
            [post(&format!("content-length: 3\r\n{chunked}"), "0\r\n\r\n"), post("host: a\r\n", "")].concat(),
            &[202],
        ),
        ("a truncated body", post("host: a\r\ncontent-length: 10\r\n", "abc"), &[400]),
        ("a truncated chunk", post(chunked, "5\r\nabc"), &[400]),
        ("no host", post("content-length: 0\r\n", ""), &[400]),
        ("two hosts", post("host: a\r\nhost: b\r\ncontent-length: 0\r\n", ""), &[400]),
        ("a host with a path", post("host: a/b@c\r\ncontent-length: 0\r\n", ""), &[400]),
        ("an unknown expectation", post("host: a\r\nexpect: tea\r\ncontent-length: 0\r\n", ""), &[417]),
        ("HTTP/1.2", b"POST /hooks/s HTTP/1.2\r\nhost: a\r\n\r\n".to_vec(), &[400]),
        ("a tab in the request line", b"POST\t/hooks/s HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), &[400]),
        ("rubbish", b"\x16\x03\x01\x02\x00\x01\x00\x01".to_vec(), &[400]),
        ("CONNECT", b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n".to_vec(), &[405]),
        (
            "h2c is not spoken",
            post("host: a\r\nupgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n", "{}"),
            &[202],
        ),
        (
            "two requests at once",
            [post("host: a\r\ncontent-length: 2\r\n", "{}"), post("host: a\r\ncontent-length: 0\r\n", "")].concat(),
            &[202, 202],
        ),
        (
            "what follows a bad request is not parsed",
            [post("host: a\r\nhost: b\r\ncontent-length: 0\r\n", ""), post("host: a\r\ncontent-length: 0\r\n", "")]
                .concat(),
            &[400],
        ),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(statuses(&gateway, &bytes), expected, "{name}");
    }
    assert_eq!(gateway.post("/hooks/s", &[], b"{}").status, 202);
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), 5.0);
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
