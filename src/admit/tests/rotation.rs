//! Secrets that count for a time: the old one until its end, the new one from its beginning.

use std::time::Duration;

use data_encoding::BASE64;
use http::HeaderName;

use super::credentials::basic;
use super::{Admission, at, proven_by, request, request_with, schemes, verdict};
use crate::admit::{Message, Signer};
use crate::config::{ApiKey, Auth, JwtScheme, Proof, ProofAuth, Scheme, Secret, Secrets, TokenPlace, Validity};
use crate::refusal::Refusal;

/// The new secret counts from here on, the old one no more from [`END`] on.
const BEGIN: u64 = 1_700_000_000;
const END: u64 = BEGIN + 3600;

/// Before the new one, with both, after the old one: who of both is let in.
const TIMES: [u64; 4] = [BEGIN - 1, BEGIN, END - 1, END];
const OLD_IS_IN: [bool; 4] = [true, true, true, false];
const NEW_IS_IN: [bool; 4] = [false, true, true, true];

fn rotated() -> Vec<Secret> {
    let old = Secret::new("the old secret").within(Validity { from: None, until: Some(at(END)) });
    let new = Secret::new("the new secret").within(Validity { from: Some(at(BEGIN)), until: None });
    vec![old, new]
}

fn let_in(auth: &Auth, mut is_let_in: impl FnMut(&Admission, &str, u64) -> bool) {
    let admission = Admission::new(auth).unwrap();
    assert_eq!(TIMES.map(|now| is_let_in(&admission, "the old secret", now)), OLD_IS_IN);
    assert_eq!(TIMES.map(|now| is_let_in(&admission, "the new secret", now)), NEW_IS_IN);
    assert_eq!(TIMES.map(|now| is_let_in(&admission, "another secret", now)), [false; 4]);
}

fn signed(scheme: &Scheme) {
    let auth = proven_by(Proof::Signature(Box::new(scheme.clone())), &[]);
    let proof = auth.proof.map(|proof| ProofAuth { secrets: Secrets::Of(rotated()), ..proof });
    let body = br#"{"amount":1,"signature":""}"#;
    let_in(&Auth { proof, ..Auth::default() }, |admission, secret, now| {
        let signer = Signer::new(scheme, &Secret::new(secret)).unwrap();
        let headers = signer.headers(&Message { body, event_type: None, id: "1", now: at(now) });
        verdict(admission, &request_with(&headers), &[body], at(now)).is_ok()
    });
}

#[test]
fn a_signature_is_checked_with_the_secrets_of_its_time() {
    signed(&schemes::github());
    signed(&schemes::stripe());
}

#[test]
fn credentials_are_checked_with_the_secrets_of_their_time() {
    let mut auth = basic();
    auth.basic.as_mut().unwrap().passwords = rotated();
    let_in(&auth, |admission, secret, now| {
        let pair = BASE64.encode(format!("boomi:{secret}").as_bytes());
        let in_header = request("/", [("authorization", format!("Basic {pair}").as_str())]);
        let in_url = request(&format!("/?boomi_auth={}", pair.replace('+', "%2B")), []);
        let verdicts = [in_header, in_url].map(|parts| verdict(admission, &parts, &[], at(now)).is_ok());
        assert_eq!(verdicts[0], verdicts[1]);
        verdicts[0]
    });
    let bearer = Auth { bearer: rotated(), ..Auth::default() };
    let_in(&bearer, |admission, secret, now| {
        let parts = request("/", [("authorization", format!("Bearer {secret}").as_str())]);
        verdict(admission, &parts, &[], at(now)).is_ok()
    });
    let header = HeaderName::from_static("x-key");
    let api_key = Auth { api_key: Some(ApiKey { header, keys: rotated() }), ..Auth::default() };
    let_in(&api_key, |admission, secret, now| {
        verdict(admission, &request("/", [("x-key", secret)]), &[], at(now)).is_ok()
    });
    let place = TokenPlace::Header(HeaderName::from_static("x-token"));
    let token =
        ProofAuth { proof: Proof::Token(place), secrets: Secrets::Of(rotated()), public_url: None, key_id: None };
    let_in(&Auth { proof: Some(token), ..Auth::default() }, |admission, secret, now| {
        verdict(admission, &request("/", [("x-token", secret)]), &[], at(now)).is_ok()
    });
    let verify_token = Auth { verify_token: rotated(), ..Auth::default() };
    let_in(&verify_token, |admission, secret, now| admission.knows_verify_token(secret.as_bytes(), at(now)));
}

#[test]
fn a_web_token_is_checked_with_the_secrets_of_its_time() {
    let scheme = JwtScheme { header: HeaderName::from_static("x-jwt"), body_hash: None };
    let proof = Proof::Jwt(scheme);
    let proof = ProofAuth { proof, secrets: Secrets::Of(rotated()), public_url: None, key_id: None };
    let_in(&Auth { proof: Some(proof), ..Auth::default() }, |admission, secret, now| {
        let text = [r#"{"alg":"HS256"}"#, "{}"].map(|json| data_encoding::BASE64URL_NOPAD.encode(json.as_bytes()));
        let text = text.join(".");
        let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
        hmac::Mac::update(&mut mac, text.as_bytes());
        let tag = data_encoding::BASE64URL_NOPAD.encode(&hmac::Mac::finalize(mac).into_bytes());
        verdict(admission, &request("/", [("x-jwt", format!("{text}.{tag}").as_str())]), &[], at(now)).is_ok()
    });
}

#[test]
fn a_challenge_is_answered_with_a_secret_that_counts() {
    let auth = proven_by(Proof::Signature(Box::new(schemes::github())), &[]);
    let proof = auth.proof.map(|proof| ProofAuth { secrets: Secrets::Of(rotated()), ..proof });
    let admission = Admission::new(&Auth { proof, ..Auth::default() }).unwrap();
    let mac = |now| admission.mac(None, b"challenge", crate::config::Encoding::Hex, at(now)).unwrap();
    assert_eq!(mac(BEGIN), mac(END - 1));
    assert_ne!(mac(END - 1), mac(END));
}

#[test]
fn where_no_secret_counts_nobody_is_let_in() {
    let ended = Secret::new("the old secret").within(Validity { from: None, until: Some(at(END)) });
    let auth = proven_by(Proof::Signature(Box::new(schemes::github())), &[]);
    let proof = auth.proof.map(|proof| ProofAuth { secrets: Secrets::Of(vec![ended]), ..proof });
    let admission = Admission::new(&Auth { proof, ..Auth::default() }).unwrap();
    let signer = Signer::new(&schemes::github(), &Secret::new("the old secret")).unwrap();
    let now = at(END) + Duration::from_secs(60);
    let headers = signer.headers(&Message { body: b"{}", event_type: None, id: "1", now });
    let refused = verdict(&admission, &request_with(&headers), &[b"{}"], now);
    assert_eq!(refused, Err(Refusal::WrongSignature));
}
