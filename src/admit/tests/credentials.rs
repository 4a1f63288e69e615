//! Passwords, keys and tokens, in headers and in the URL.

use std::borrow::Cow;

use http::HeaderName;

use super::super::AdmissionError;
use super::{Admission, Refusal, at, request, schemes, secrets, signed_with};
use crate::config::{ApiKey, Auth, BasicAuth};

pub(super) fn basic() -> Auth {
    let url_parameter = Some("boomi_auth".into());
    let basic = BasicAuth { user: "boomi".into(), passwords: secrets(&["open sesame", "??>???x"]), url_parameter };
    Auth { basic: Some(basic), ..Auth::default() }
}

fn api_key() -> Auth {
    let header = HeaderName::from_static("x-api-key");
    Auth { api_key: Some(ApiKey { header, keys: secrets(&["key one", "key two"]) }), ..Auth::default() }
}

fn bearer() -> Auth {
    Auth { bearer: secrets(&["token-1", "token-2"]), ..Auth::default() }
}

fn head(auth: &Auth, target: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
    let admission = Admission::new(auth).unwrap();
    let parts = request(target, headers.iter().copied());
    let mut check = admission.head(&parts, None, at(1_700_000_000))?;
    check.finish(b"")
}

fn authorization(auth: &Auth, value: &str) -> Result<(), Refusal> {
    head(auth, "/hooks", &[("authorization", value)])
}

fn base64(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}

const MISSING: Result<(), Refusal> = Err(Refusal::MissingCredentials);
const WRONG: Result<(), Refusal> = Err(Refusal::WrongCredentials);

#[test]
fn a_source_without_authentication_takes_everybody() {
    assert_eq!(head(&Auth::default(), "/hooks", &[]), Ok(()));
}

#[test]
fn user_and_any_of_the_passwords_are_let_in() {
    for pair in ["boomi:open sesame", "boomi:??>???x"] {
        for scheme in ["Basic ", "basic ", "BASIC   "] {
            let value = format!("{scheme}{}", base64(pair));
            assert_eq!(authorization(&basic(), &value), Ok(()), "{value}");
        }
    }
}

#[test]
fn other_users_and_passwords_are_not() {
    for pair in ["", ":", "boomi", "boomi:", "boomi:open", "boomi:open sesame ", "Boomi:open sesame", ":open sesame"] {
        assert_eq!(authorization(&basic(), &format!("Basic {}", base64(pair))), WRONG, "{pair}");
    }
    let right = base64("boomi:open sesame");
    for value in ["", "Basic", "Basic ", "Basic !", &right, &format!("Basic{right}"), &format!("Digest {right}")] {
        assert_eq!(authorization(&basic(), value), WRONG, "{value}");
    }
    assert_eq!(head(&basic(), "/hooks", &[]), MISSING);
}

#[test]
fn two_authorization_headers_are_wrong_whatever_they_say() {
    let right = format!("Basic {}", base64("boomi:open sesame"));
    assert_eq!(head(&basic(), "/hooks", &[("authorization", &right), ("authorization", &right)]), WRONG);
    let right = "Bearer token-1";
    assert_eq!(head(&bearer(), "/hooks", &[("authorization", right), ("authorization", right)]), WRONG);
}

#[test]
fn the_url_may_hold_the_credential_in_any_spelling_of_base64() {
    // Base64 with both characters in which the alphabets differ, and with padding.
    let standard = base64("boomi:??>???x");
    assert_eq!(standard, "Ym9vbWk6Pz8+Pz8/eA==");
    let url_safe = standard.replace('+', "-").replace('/', "_");
    for value in [
        standard.clone(),
        standard.trim_end_matches('=').into(),
        url_safe.clone(),
        url_safe.trim_end_matches('=').into(),
        standard.replace('/', "%2F").replace('=', "%3d"),
        format!("%{:x}{}", standard.as_bytes()[0], &standard[1..]),
    ] {
        for target in [format!("/hooks?boomi_auth={value}"), format!("/hooks?a=1&boomi%5Fauth={value}&b=2")] {
            assert_eq!(head(&basic(), &target, &[]), Ok(()), "{target}");
        }
    }
}

#[test]
fn a_wrong_or_repeated_credential_in_the_url_is_refused() {
    let right = base64("boomi:open sesame");
    for target in [
        "/hooks?boomi_auth=".into(),
        "/hooks?boomi_auth".into(),
        format!("/hooks?boomi_auth={}", base64("boomi:close sesame")),
        format!("/hooks?boomi_auth={right}&boomi_auth={right}"),
        format!("/hooks?boomi_auth={right}&boomi%5fauth="),
        format!("/hooks?boomi_auth={right}%zz"),
    ] {
        assert_eq!(head(&basic(), &target, &[]), WRONG, "{target}");
    }
    assert_eq!(head(&basic(), &format!("/hooks?Boomi_auth={right}"), &[]), MISSING);
}

#[test]
fn header_and_url_must_not_contradict_each_other() {
    let (right, wrong) = (base64("boomi:open sesame"), base64("boomi:close sesame"));
    let both = |header: &str, url: &str| {
        head(&basic(), &format!("/hooks?boomi_auth={url}"), &[("authorization", &format!("Basic {header}"))])
    };
    assert_eq!(both(&right, &right), Ok(()));
    assert_eq!(both(&right, &wrong), WRONG);
    assert_eq!(both(&wrong, &right), WRONG);
}

#[test]
fn a_source_without_the_parameter_does_not_read_the_url() {
    let mut auth = basic();
    auth.basic.as_mut().unwrap().url_parameter = None;
    let right = base64("boomi:open sesame");
    assert_eq!(head(&auth, &format!("/hooks?boomi_auth={right}"), &[]), MISSING);
}

#[test]
fn an_api_key_is_compared_byte_for_byte() {
    let present = |value| head(&api_key(), "/hooks", &[("x-api-key", value)]);
    assert_eq!(present("key one"), Ok(()));
    assert_eq!(present("key two"), Ok(()));
    for value in ["", "key", "key one ", "KEY ONE", "key onekey two"] {
        assert_eq!(present(value), WRONG, "{value}");
    }
    assert_eq!(head(&api_key(), "/hooks", &[]), MISSING);
    assert_eq!(head(&api_key(), "/hooks", &[("x-api-key", "key one"), ("x-api-key", "key one")]), WRONG);
}

#[test]
fn a_bearer_token_is_compared_byte_for_byte() {
    for value in ["Bearer token-1", "bearer token-2", "BEARER  token-1"] {
        assert_eq!(authorization(&bearer(), value), Ok(()), "{value}");
    }
    for value in ["", "Bearer", "Bearer ", "Bearer token", "Bearer TOKEN-1", "Basic token-1", "token-1"] {
        assert_eq!(authorization(&bearer(), value), WRONG, "{value}");
    }
    assert_eq!(head(&bearer(), "/hooks", &[]), MISSING);
}

#[test]
fn every_kind_that_is_asked_for_must_be_proven() {
    let all = Auth { basic: basic().basic, api_key: api_key().api_key, ..bearer() };
    let target = format!("/hooks?boomi_auth={}", base64("boomi:open sesame"));
    let (key, token) = (("x-api-key", "key one"), ("authorization", "Bearer token-1"));
    assert_eq!(head(&all, &target, &[key, token]), Ok(()));
    assert_eq!(head(&all, &target, &[token]), MISSING);
    assert_eq!(head(&all, &target, &[key]), MISSING);
    assert_eq!(head(&all, "/hooks", &[key, token]), WRONG);

    let with_signature = Auth { api_key: api_key().api_key, ..signed_with(&schemes::github(), &["secret"]) };
    assert_eq!(head(&with_signature, "/hooks", &[key]), Err(Refusal::MissingSignature));
    let signature = ("x-hub-signature-256", "sha256=00");
    assert_eq!(head(&with_signature, "/hooks", &[signature]), MISSING);
}

#[test]
fn the_recorded_target_has_no_credential_in_it() {
    let target = |auth: &Auth, target: &str| {
        let parts = request(target, []);
        let admission = Admission::new(auth).unwrap();
        let public = admission.public_target(&parts.uri);
        (public.to_string(), matches!(public, Cow::Borrowed(_)))
    };
    assert_eq!(target(&basic(), "/hooks?boomi_auth=Ym9v"), ("/hooks".into(), true));
    assert_eq!(target(&basic(), "/hooks?a=1&boomi%5fauth=Ym9v&b=2"), ("/hooks?a=1&b=2".into(), false));
    assert_eq!(target(&api_key(), "/hooks?boomi_auth=Ym9v"), ("/hooks?boomi_auth=Ym9v".into(), true));
    assert_eq!(target(&basic(), "http://user:pass@host/hooks?a=1"), ("/hooks?a=1".into(), true));
}

#[test]
fn credentials_that_let_in_nobody_or_anybody_are_errors() {
    let error = |auth: &Auth| Admission::new(auth).map(|_| ()).unwrap_err();
    let mut auth = basic();
    auth.basic.as_mut().unwrap().passwords = secrets(&["one", ""]);
    assert_eq!(error(&auth), AdmissionError::EmptySecret { nth: 2, of: "the basic credentials" });

    let mut auth = api_key();
    auth.api_key.as_mut().unwrap().keys.clear();
    assert_eq!(error(&auth), AdmissionError::NoSecret { of: "the API key" });

    let mut auth = Auth { basic: basic().basic, ..bearer() };
    auth.basic.as_mut().unwrap().url_parameter = None;
    assert_eq!(error(&auth), AdmissionError::OneAuthorization);
}
