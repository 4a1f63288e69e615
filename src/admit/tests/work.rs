//! What is computed and compared for a request is the same whichever secret fits, if one does. It is counted, not timed: a
//! clock says what this processor did today.

use std::cell::Cell;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderName;
use sha2::Sha256;

use super::{Admission, at, proven_by, request, schemes, secrets, signed_with, verdict};
use crate::config::{
    ApiKey, Auth, BasicAuth, JwtScheme, Pointer, Proof, Scheme, SignatureForm, SignedPart, TokenPlace,
};

/// MACs and comparisons.
type Work = (usize, usize);

thread_local! {
    static DONE: Cell<Work> = const { Cell::new((0, 0)) };
}

/// A MAC is computed.
pub(in crate::admit) fn computes() {
    DONE.set((DONE.get().0 + 1, DONE.get().1));
}

/// Something secret is compared.
pub(in crate::admit) fn compares() {
    DONE.set((DONE.get().0, DONE.get().1 + 1));
}

const KNOWN: [&str; 3] = ["the first secret", "the second secret", "the third secret"];
const NOW: u64 = 1_700_000_000;

/// A sender with each of the known secrets is let in, one with another is not, and each costs `work`.
fn each_costs(auth: &Auth, work: Work, is_let_in: impl Fn(&Admission, &str) -> bool) {
    let admission = Admission::new(auth).unwrap();
    for (secret, expected) in KNOWN.map(|secret| (secret, true)).into_iter().chain([("another secret", false)]) {
        DONE.set((0, 0));
        assert_eq!(is_let_in(&admission, secret), expected, "{secret}");
        assert_eq!(DONE.get(), work, "{secret}");
    }
}

fn mac(secret: &str, message: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(message).finalize().into_bytes().to_vec()
}

/// Pairs, so that a request may offer several signatures; `signed` in their MACs.
fn pairs(signed: &[SignedPart]) -> Scheme {
    let form = SignatureForm::Pairs { mac: "v1".into(), separator: ',' };
    Scheme { form, signed: signed.to_vec(), ..schemes::github() }
}

/// The same for a right signature at each place among three.
fn signatures_cost(signed: &[SignedPart], body: &[u8], message: &[u8]) {
    for place in 0..3 {
        each_costs(&signed_with(&pairs(signed), &KNOWN), (3, 9), |admission, secret| {
            let mut offered = ["x", "y", "z"].map(|other| mac(other, message));
            offered[place] = mac(secret, message);
            let offered = offered.map(|mac| format!("v1={}", HEXLOWER.encode(&mac))).join(",");
            let parts = request("/hooks", [("x-hub-signature-256", offered.as_str())]);
            let (first, second) = body.split_at(body.len() / 2);
            verdict(admission, &parts, &[first, second], at(NOW)).is_ok()
        });
    }
}

#[test]
fn of_signatures_that_are_checked_at_the_end() {
    signatures_cost(&[SignedPart::Body], b"{}", b"{}");
}

#[test]
fn of_signatures_whose_bodies_are_hashed_as_they_come() {
    let long = vec![b'a'; 1 << 20];
    signatures_cost(&[SignedPart::Body], &long, &long);
}

#[test]
fn of_signatures_that_need_the_whole_body() {
    let id = SignedPart::Json(Pointer(vec!["id".into()]));
    signatures_cost(&[id, SignedPart::Body], br#"{"id":"1"}"#, br#"1{"id":"1"}"#);
}

#[test]
fn of_tokens_that_are_signed() {
    let scheme = JwtScheme { header: HeaderName::from_static("x-jwt"), body_hash: None };
    each_costs(&proven_by(Proof::Jwt(scheme), &KNOWN), (3, 3), |admission, secret| {
        let text = [r#"{"alg":"HS256"}"#, "{}"].map(|json| BASE64URL_NOPAD.encode(json.as_bytes())).join(".");
        let token = format!("{text}.{}", BASE64URL_NOPAD.encode(&mac(secret, text.as_bytes())));
        verdict(admission, &request("/", [("x-jwt", token.as_str())]), &[], at(NOW)).is_ok()
    });
}

#[test]
fn of_tokens_and_keys_and_passwords() {
    let place = TokenPlace::Header(HeaderName::from_static("x-token"));
    let sent = |name: &'static str| {
        move |admission: &Admission, secret: &str| {
            let text = match name {
                "authorization" => format!("Bearer {secret}"),
                _ => secret.to_owned(),
            };
            verdict(admission, &request("/", [(name, text.as_str())]), &[], at(NOW)).is_ok()
        }
    };
    each_costs(&proven_by(Proof::Token(place), &KNOWN), (0, 3), sent("x-token"));
    let api_key = ApiKey { header: HeaderName::from_static("x-key"), keys: secrets(&KNOWN) };
    each_costs(&Auth { api_key: Some(api_key), ..Auth::default() }, (0, 3), sent("x-key"));
    each_costs(&Auth { bearer: secrets(&KNOWN), ..Auth::default() }, (0, 3), sent("authorization"));
    let basic = BasicAuth { user: "user".into(), passwords: secrets(&KNOWN), url_parameter: None };
    each_costs(&Auth { basic: Some(basic), ..Auth::default() }, (0, 3), |admission, secret| {
        let pair = format!("Basic {}", BASE64.encode(format!("user:{secret}").as_bytes()));
        verdict(admission, &request("/", [("authorization", pair.as_str())]), &[], at(NOW)).is_ok()
    });
}
