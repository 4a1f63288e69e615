//! `Content-Encoding`: the signature is over the bytes as they came, and so is what a processor gets; type and id are those of
//! what they stand for.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::gateway::Gateway;
use crate::processor::Processor;
use crate::signing;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn start(source: &str) -> (Gateway, Processor) {
    let processor = Processor::start();
    let config = format!(
        "[[source]]\nname = \"s\"\nack = \"memory\"\n{source}\n[[route]]\nname = \"all\"\nfrom = {{ source = \"s\" }}\n\
         to = {{ http = \"{}\" }}\n",
        processor.url("/")
    );
    (Gateway::start(&config), processor)
}

#[test]
fn a_signed_body_is_delivered_as_it_came_and_typed_by_what_it_says() {
    let (gateway, processor) = start("preset = \"github\"\nsecret = { file = \"secret\" }");
    let plain = include_bytes!("../fixtures/github/issues.opened.json");
    for (coding, body) in [("gzip", gzip(plain)), ("deflate", zlib(plain))] {
        let headers = [
            ("content-type", "application/json"),
            ("content-encoding", coding),
            ("x-github-event", "issues"),
            ("x-hub-signature-256", &signing::github(&body)),
        ];
        assert_eq!(gateway.post("/hooks/s", &headers, &body).status, 202);
        let of_plain = [headers[1], headers[2], ("x-hub-signature-256", &signing::github(plain))];
        assert_eq!(gateway.post("/hooks/s", &of_plain, &body).status, 401, "it is not the plain body that is signed");
    }
    let received = processor.wait_for(2);
    for delivery in &received {
        assert_eq!(delivery.header("hookgate-type"), Some("issues.opened"));
        let (coding, body) = match delivery.header("content-encoding") {
            Some("gzip") => ("gzip", gzip(plain)),
            other => (other.unwrap(), zlib(plain)),
        };
        assert!(delivery.body == body, "{coding}");
    }
}

#[test]
fn a_batch_is_taken_apart_and_its_events_are_plain() {
    let (gateway, processor) = start("auth = \"none\"\nsplit = \"\"\nevent_type = { json = \"/t\" }");
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    assert_eq!(gateway.post("/hooks/s", &headers, &gzip(br#"[{"t":"a"},{"t":"b"}]"#)).status, 202);
    let received = processor.wait_for(2);
    assert!(received.iter().all(|delivery| delivery.header("content-encoding").is_none()));
    assert!(received.iter().any(|delivery| delivery.body == br#"{"t":"b"}"#));
}

#[test]
fn bombs_and_what_is_not_compressed_are_refused() {
    let (gateway, processor) = start("auth = \"none\"\nevent_type = { json = \"/t\" }");
    let refused = |coding: &str, body: &[u8]| {
        let answer = gateway.post("/hooks/s", &[("content-encoding", coding)], body);
        (answer.status, answer.reason())
    };
    let bomb = vec![b' '; 64 << 20];
    assert_eq!(refused("gzip", &gzip(&bomb)), (413, "inflates_too_much".to_owned()));
    assert_eq!(refused("deflate", &zlib(&bomb)), (413, "inflates_too_much".to_owned()));
    assert_eq!(refused("gzip", &gzip(&vec![b' '; 900_000])), (413, "inflates_too_much".to_owned()), "by its ratio");
    let whole = gzip(br#"{"t":"a"}"#);
    assert_eq!(refused("gzip", &whole[..whole.len() - 1]), (400, "malformed_encoding".to_owned()));
    assert_eq!(refused("gzip", br#"{"t":"a"}"#), (400, "malformed_encoding".to_owned()));
    assert_eq!(refused("br", &whole), (415, "unsupported_encoding".to_owned()));
    assert_eq!(refused("gzip, gzip", &gzip(&whole)), (415, "unsupported_encoding".to_owned()));
    let answer = gateway.post("/hooks/s", &[("content-encoding", "identity")], br#"{"t":"a"}"#);
    assert_eq!(answer.status, 202);
    assert_eq!(processor.wait_for(1)[0].header("hookgate-type"), Some("a"));
}

#[test]
fn a_source_that_does_not_look_inside_passes_it_on() {
    let (gateway, processor) = start("auth = \"none\"\nevent_type = { header = \"x-type\" }");
    let answer = gateway.post("/hooks/s", &[("content-encoding", "gzip"), ("x-type", "a")], b"not really");
    assert_eq!(answer.status, 202);
    let received = processor.wait_for(1);
    assert_eq!(
        (received[0].header("content-encoding"), received[0].body.as_slice()),
        (Some("gzip"), &b"not really"[..])
    );
}
