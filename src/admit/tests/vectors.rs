//! Requests that providers' documents and libraries publish, with their verdicts.

use serde_json::Value;

use super::{Admission, Refusal, at, request, schemes, signed_with, verdict};

#[test]
fn every_published_vector_gets_its_verdict() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/vectors.json")).unwrap();
    assert_eq!(vectors.len(), 62);
    for vector in &vectors {
        let text = |member: &str| vector[member].as_str().unwrap();
        let scheme = schemes::named(text("scheme"));
        let admission = Admission::new(&signed_with(&scheme, &[text("secret")])).unwrap();
        let headers = vector["headers"].as_object().unwrap();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let now = at(vector["now"].as_u64().unwrap());

        let verdict = verdict(&admission, &request("/hooks", headers), &[text("body").as_bytes()], now);
        assert_eq!(verdict, expected(vector), "{}", text("name"));
    }
}

fn expected(vector: &Value) -> Result<(), Refusal> {
    if vector["expect"] == "accept" {
        return Ok(());
    }
    Err(match vector["reason"].as_str().unwrap() {
        "one byte of the body changed" | "body changed" | "another secret" => Refusal::WrongSignature,
        "signature header missing" => Refusal::MissingSignature,
        "timestamp 301 s old" => Refusal::StaleTimestamp,
        "timestamp 301 s ahead" => Refusal::FutureTimestamp,
        // The last one lacks the padding, so it is not even a signature.
        "signature is not sha256=hex"
        | "a SHA-1 length digest"
        | "empty signature"
        | "the v1, prefix is missing"
        | "wrong signature" => Refusal::MalformedSignature,
        reason => panic!("a reason this test does not know: {reason}"),
    })
}
