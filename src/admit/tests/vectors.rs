//! Requests that providers' documents and libraries publish, with their verdicts, against the presets of those providers.

use std::collections::BTreeSet;

use http::Uri;
use serde_json::Value;

use super::{Admission, Refusal, at, request, secrets, verdict};
use crate::config::{Auth, Proof, ProofAuth, Secrets, preset, presets};

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../tests/fixtures/vectors.json")).unwrap()
}

#[test]
fn every_published_vector_gets_its_verdict() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 329);
    for vector in &vectors {
        let text = |member: &str| vector[member].as_str().unwrap();
        let name = text("name");
        let row = preset(text("scheme")).unwrap_or_else(|| panic!("{name}: there is no preset {}", text("scheme")));
        let uri: Uri = vector["url"].as_str().unwrap_or("https://hooks.example.com/hooks").parse().unwrap();
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let proof = ProofAuth {
            proof: row.proof.clone(),
            secrets: Secrets::Of(secrets(&[text("secret")])),
            public_url: Some(format!("{}://{}", uri.scheme_str().unwrap(), uri.authority().unwrap())),
            key_id: vector["key_id"].as_str().map(ToOwned::to_owned),
        };
        let admission = Admission::new(&Auth { proof: Some(proof), ..Auth::default() }).unwrap();
        let headers = vector["headers"].as_object().unwrap();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let mut parts = request(target, headers);
        parts.method = text("method").parse().unwrap();
        let now = at(vector["now"].as_u64().unwrap());

        let verdict = verdict(&admission, &parts, &[text("body").as_bytes()], now);
        if vector["expect"] == "accept" {
            assert_eq!(verdict, Ok(()), "{name}");
        } else {
            let expected = expected(text("reason"));
            assert!(verdict.is_err_and(|refusal| expected.contains(&refusal)), "{name}: {verdict:?}");
        }
    }
}

/// What a request may be refused for.
fn expected(reason: &str) -> &'static [Refusal] {
    if reason.contains(" s old") || reason == "timestamp too old" {
        return &[Refusal::StaleTimestamp];
    }
    if reason.contains(" s ahead") {
        return &[Refusal::FutureTimestamp];
    }
    match reason {
        "one byte of the body changed"
        | "body changed"
        | "body reformatted"
        | "another secret"
        | "another key"
        | "another URL"
        | "the URL is signed"
        | "a signed member changed"
        | "another key id"
        | "another signature"
        | "the host is signed in its own letter case"
        | "the trailing CRLF is signed"
        | "base64 is case-sensitive"
        | "empty body"
        | "name=value pairs sorted as joined text, not by name" => &[Refusal::WrongSignature],
        "signature header missing" | "hmacSignature missing" => &[Refusal::MissingSignature],
        "no timestamp" | "timestamp is not a number" => &[Refusal::MalformedTimestamp, Refusal::MalformedSignature],
        "unknown signature version" | "unknown algorithm" | "no h1" | "signature too short" => {
            &[Refusal::MalformedSignature]
        }
        // What is not of the length or form of a signature is not even compared.
        _ => &[Refusal::MalformedSignature, Refusal::WrongSignature],
    }
}

#[test]
fn every_preset_has_a_published_vector_or_a_constructed_one_or_signs_nothing_that_can_be_constructed() {
    let published: BTreeSet<String> =
        vectors().iter().map(|vector| vector["scheme"].as_str().unwrap().to_owned()).collect();
    let constructed: BTreeSet<&str> = super::constructed::names().collect();
    let mut own = Vec::new();
    for row in presets() {
        let is_tested = published.contains(&row.name) || constructed.contains(row.name.as_str());
        if row.proof == Proof::Own {
            own.push(row.name.as_str());
        } else {
            assert!(is_tested, "{} has neither a published vector nor a constructed one", row.name);
        }
    }
    println!("with published vectors: {}", published.into_iter().collect::<Vec<_>>().join(", "));
    println!("constructed as documented: {}", constructed.into_iter().collect::<Vec<_>>().join(", "));
    println!("nothing to sign: {}", own.join(", "));
}
