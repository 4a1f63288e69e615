//! Judging once more what was refused: nothing is let in that proves nothing, unless somebody says so.

use http::{HeaderName, HeaderValue};

use super::{Admission, Parts, Refusal, at, proven_by, request, schemes, secrets, signed_with};
use crate::admit::Leniency;
use crate::config::{ApiKey, Auth, JwtScheme, Proof, TokenPlace};

const STRICT: Leniency = Leniency { any_age: false, had_credentials: false, by_hand: false };
const HAD: Leniency = Leniency { had_credentials: true, ..STRICT };
const BY_HAND: Leniency = Leniency { by_hand: true, ..STRICT };

/// HMAC-SHA-256 of `{}` under `key`.
const GITHUB: (&str, &str) =
    ("x-hub-signature-256", "sha256=a777724d943eb48dc69bca8a4a6d57a04db3f9ec7e1de4e581e860265bdf3032");

/// Of `1.{}`: a second after the epoch.
const STRIPE: (&str, &str) =
    ("stripe-signature", "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224");

fn with_key(auth: Auth) -> Auth {
    let api_key = ApiKey { header: HeaderName::from_static("x-partner"), keys: secrets(&["key"]) };
    Auth { api_key: Some(api_key), ..auth }
}

fn verdict(auth: &Auth, parts: &Parts, leniency: Leniency) -> Result<(), Refusal> {
    let admission = Admission::new(auth).unwrap();
    let mut check = admission.head_again(parts, None, at(1_700_000_000), leniency)?;
    check.advance(b"{}");
    check.finish(b"{}")
}

#[test]
fn a_signature_of_any_age_is_right_or_not() {
    let (right, wrong) = (signed_with(&schemes::stripe(), &["key"]), signed_with(&schemes::stripe(), &["another"]));
    let parts = request("/hooks", [STRIPE]);
    let any_age = Leniency { any_age: true, ..STRICT };
    assert_eq!(verdict(&right, &parts, STRICT), Err(Refusal::StaleTimestamp));
    assert_eq!(verdict(&right, &parts, any_age), Ok(()));
    assert_eq!(verdict(&wrong, &parts, any_age), Err(Refusal::WrongSignature));
    assert_eq!(verdict(&right, &parts, BY_HAND), Err(Refusal::StaleTimestamp));
}

#[test]
fn credentials_that_were_shown_count_beside_a_signature_only() {
    let parts = request("/hooks", [GITHUB]);
    let both = with_key(signed_with(&schemes::github(), &["key"]));
    assert_eq!(verdict(&both, &parts, STRICT), Err(Refusal::MissingCredentials));
    assert_eq!(verdict(&both, &parts, HAD), Ok(()));
    let forged = with_key(signed_with(&schemes::github(), &["another"]));
    assert_eq!(verdict(&forged, &parts, HAD), Err(Refusal::WrongSignature));
    assert_eq!(verdict(&forged, &parts, BY_HAND), Err(Refusal::WrongSignature));
    // What the source asked for when it came is not what it asks for now.
    let key_alone = with_key(Auth::default());
    assert_eq!(verdict(&key_alone, &parts, HAD), Err(Refusal::MissingCredentials));
    assert_eq!(verdict(&key_alone, &parts, BY_HAND), Ok(()));
}

#[test]
fn a_token_that_is_gone_is_taken_at_nobodys_word_but_the_operators() {
    let in_header = proven_by(Proof::Token(TokenPlace::Header(HeaderName::from_static("x-gitlab-token"))), &["key"]);
    let jwt = |body_hash| {
        let header = HeaderName::from_static("x-jwt");
        proven_by(Proof::Jwt(JwtScheme { header, body_hash }), &["key"])
    };
    let parts = request("/hooks", []);
    assert_eq!(verdict(&in_header, &parts, HAD), Err(Refusal::MissingCredentials));
    assert_eq!(verdict(&in_header, &parts, BY_HAND), Ok(()));
    assert_eq!(verdict(&jwt(None), &parts, HAD), Err(Refusal::MissingSignature));
    assert_eq!(verdict(&jwt(None), &parts, BY_HAND), Ok(()));
    let of_body = jwt(Some("hash".to_owned()));
    assert_eq!(verdict(&of_body, &parts, BY_HAND), Err(Refusal::MissingSignature));
}

#[test]
fn what_a_scheme_signs_with_is_no_credential_and_a_login_is_one() {
    let mut scheme = schemes::github();
    scheme.place = crate::config::SignaturePlace::Headers(vec![http::header::AUTHORIZATION]);
    let admission = Admission::new(&signed_with(&scheme, &["key"])).unwrap();
    let hides = |name: &'static str, value: &'static str| {
        admission.hides(&HeaderName::from_static(name), &HeaderValue::from_static(value))
    };
    assert!(!hides("authorization", "HMAC abc"));
    for login in ["Basic abc", "bearer abc"] {
        assert!(hides("authorization", login), "{login}");
    }
    assert!(hides("x-shopify-access-token", "abc") && hides("cookie", "a=b"));
    assert!(!hides("x-event-key", "repo:push") && !hides("content-type", "application/json"));
}
