//! Which signatures count, and which are refused before the body is read.

use super::super::{AdmissionError, Signer};
use super::{Admission, Refusal, at, request, schemes, secrets, signed_with, verdict};
use crate::config::{Algorithm, Encoding, KeyForm, Scheme, SignatureForm, SignedPart, StampPlace};

/// HMAC-SHA-256 of [`BODY`] under [`SECRET`], from the documents of GitHub.
const MAC: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const BODY: &[u8] = b"Hello, World!";
const SECRET: &str = "It's a Secret to Everybody";
const NOW: u64 = 1_700_000_000;

fn github(headers: &[&str]) -> Result<(), Refusal> {
    signed_body(&schemes::github(), headers)
}

/// The verdict on [`BODY`] with these lines of the scheme's signature header.
fn signed_body(scheme: &Scheme, lines: &[&str]) -> Result<(), Refusal> {
    let admission = Admission::new(&signed_with(scheme, &[SECRET])).unwrap();
    let headers = lines.iter().map(|line| (schemes::header_of(scheme).as_str(), *line));
    verdict(&admission, &request("/hooks", headers), &[BODY], at(NOW))
}

/// The body alone is signed, in a header of this form.
fn form(form: SignatureForm, encoding: Encoding) -> Scheme {
    Scheme { form, encoding, ..schemes::github() }
}

fn base64_mac() -> String {
    data_encoding::BASE64.encode(&data_encoding::HEXLOWER.decode(MAC.as_bytes()).unwrap())
}

#[test]
fn every_hash_computes_the_mac_of_its_rfc() {
    // RFC 2202 and RFC 4231, test case 2.
    for (algorithm, mac) in [
        (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            Algorithm::Sha512,
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
    ] {
        let scheme = Scheme { algorithm, ..form(SignatureForm::Single { prefix: String::new() }, Encoding::Hex) };
        let admission = Admission::new(&signed_with(&scheme, &["Jefe"])).unwrap();
        let parts = request("/hooks", [(schemes::header_of(&scheme).as_str(), mac)]);
        let body: &[u8] = b"what do ya want for nothing?";
        assert_eq!(verdict(&admission, &parts, &[body], at(NOW)), Ok(()), "{algorithm:?}");
    }
}

#[test]
fn hexadecimal_counts_in_either_case() {
    assert_eq!(github(&[&format!("sha256={MAC}")]), Ok(()));
    assert_eq!(github(&[&format!("sha256={}", MAC.to_uppercase())]), Ok(()));
}

#[test]
fn what_is_not_of_the_form_is_malformed() {
    let cut = &MAC[..MAC.len() - 2];
    for value in [
        String::new(),
        "sha256=".into(),
        MAC.into(),
        format!("sha1={MAC}"),
        format!("SHA256={MAC}"),
        format!("sha256:{MAC}"),
        format!("sha256= {MAC}"),
        format!("sha256={cut}"),
        format!("sha256={MAC}00"),
        format!("sha256={MAC},sha256={MAC}"),
        format!("sha256={cut}zz"),
        format!("sha256={cut}é"),
        format!("sha256={}", base64_mac()),
    ] {
        assert_eq!(github(&[&value]), Err(Refusal::MalformedSignature), "{value}");
    }
}

#[test]
fn base64_counts_in_its_canonical_spelling_only() {
    let scheme = form(SignatureForm::Single { prefix: String::new() }, Encoding::Base64);
    let mac = base64_mac();
    assert_eq!(signed_body(&scheme, &[&mac]), Ok(()));

    let body_of_it = mac.trim_end_matches('=');
    let (head, last) = body_of_it.split_at(body_of_it.len() - 1);
    // The last character holds two bits that no byte takes.
    let next = char::from(last.as_bytes()[0] + 1);
    for spelling in [
        body_of_it.into(),
        format!("{mac}="),
        format!("{head}{next}="),
        format!("{}=={}", &mac[..2], &mac[4..]),
        mac.replace('=', "A"),
        format!("-{}", &mac[1..]),
        MAC.into(),
    ] {
        assert_eq!(signed_body(&scheme, &[&spelling]), Err(Refusal::MalformedSignature), "{spelling}");
    }
    let (head, last) = mac.split_at(mac.len() - 2);
    assert_ne!(head.to_uppercase(), head);
    assert_eq!(signed_body(&scheme, &[&format!("{}{last}", head.to_uppercase())]), Err(Refusal::WrongSignature));
}

#[test]
fn a_missing_header_is_told_from_a_malformed_one() {
    assert_eq!(github(&[]), Err(Refusal::MissingSignature));
}

#[test]
fn a_header_that_is_there_twice_is_ambiguous() {
    let right = format!("sha256={MAC}");
    assert_eq!(github(&[&right, &right]), Err(Refusal::AmbiguousSignature));
    assert_eq!(github(&[&right, ""]), Err(Refusal::AmbiguousSignature));

    let pairs = form(SignatureForm::Pairs { mac: "v1".into(), separator: ',' }, Encoding::Hex);
    let right = format!("v1={MAC}");
    assert_eq!(signed_body(&pairs, &[&right, &right]), Err(Refusal::AmbiguousSignature));
}

#[test]
fn any_pair_with_the_right_key_counts() {
    let pairs = form(SignatureForm::Pairs { mac: "v1".into(), separator: ',' }, Encoding::Hex);
    let other = MAC.replace('7', "8");
    for value in [
        format!("v1={MAC}"),
        format!("v1={other},v1={MAC}"),
        format!("v1={MAC},v1={other}"),
        format!("v0={other}, v1={MAC}"),
        format!("v1=,v1=zz,v1,v1={MAC},=,,"),
    ] {
        assert_eq!(signed_body(&pairs, &[&value]), Ok(()), "{value}");
    }
    assert_eq!(signed_body(&pairs, &[&format!("v1={other}")]), Err(Refusal::WrongSignature));
    for value in [format!("v0={MAC}"), format!("V1={MAC}"), "v1=zz".into(), MAC.into(), String::new()] {
        assert_eq!(signed_body(&pairs, &[&value]), Err(Refusal::MalformedSignature), "{value}");
    }
}

#[test]
fn base64_keeps_its_padding_in_a_pair() {
    let pairs = form(SignatureForm::Pairs { mac: "v1".into(), separator: ',' }, Encoding::Base64);
    assert_eq!(signed_body(&pairs, &[&format!("v1={}", base64_mac())]), Ok(()));
}

#[test]
fn any_entry_of_the_right_version_counts_on_any_line() {
    let versions = form(SignatureForm::Versions { version: "v1".into() }, Encoding::Base64);
    let (right, other) = (base64_mac(), "A".repeat(43) + "=");
    for lines in [
        vec![format!("v1,{right}")],
        vec![format!("v1,{other} v1a,{other} v1,{right}")],
        vec![format!("v1,{other}"), String::new(), format!("v1,{right}")],
        vec![format!("v1, v1 v1,zz  v1,{right}")],
    ] {
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        assert_eq!(signed_body(&versions, &lines), Ok(()), "{lines:?}");
    }
    assert_eq!(signed_body(&versions, &[&format!("v1,{other}")]), Err(Refusal::WrongSignature));
    for line in [format!("v1a,{right}"), format!("v1={right}"), format!("v2,{right}"), right.clone(), "v1,".into()] {
        assert_eq!(signed_body(&versions, &[&line]), Err(Refusal::MalformedSignature), "{line}");
    }
    assert_eq!(signed_body(&versions, &[]), Err(Refusal::MissingSignature));
}

#[test]
fn sixteen_signatures_are_looked_at_and_seventeen_are_refused() {
    let pairs = form(SignatureForm::Pairs { mac: "v1".into(), separator: ',' }, Encoding::Hex);
    let other = format!("v1={},", MAC.replace('7', "8"));
    assert_eq!(signed_body(&pairs, &[&format!("{}v1={MAC}", other.repeat(15))]), Ok(()));
    let too_many = format!("{}v1={MAC}", other.repeat(16));
    assert_eq!(signed_body(&pairs, &[&too_many]), Err(Refusal::MalformedSignature));
}

#[test]
fn either_secret_counts_while_rotating() {
    let parts = request("/hooks", [("x-hub-signature-256", format!("sha256={MAC}").as_str())]);
    for texts in [[SECRET, "the next one"], ["the one before", SECRET]] {
        let admission = Admission::new(&signed_with(&schemes::github(), &texts)).unwrap();
        assert_eq!(verdict(&admission, &parts, &[BODY], at(NOW)), Ok(()), "{texts:?}");
    }
    let admission = Admission::new(&signed_with(&schemes::github(), &["the one before", "the next one"])).unwrap();
    assert_eq!(verdict(&admission, &parts, &[BODY], at(NOW)), Err(Refusal::WrongSignature));
}

#[test]
fn a_timestamp_pair_that_is_there_twice_is_ambiguous() {
    for value in ["t=1700000000,t=1700000000,v1=00", "t=1700000000,v1=00,t=1"] {
        assert_eq!(signed_body(&schemes::stripe(), &[value]), Err(Refusal::AmbiguousSignature), "{value}");
    }
}

#[test]
fn a_missing_timestamp_is_malformed() {
    assert_eq!(signed_body(&schemes::stripe(), &[&format!("v1={MAC}")]), Err(Refusal::MalformedTimestamp));
    assert_eq!(signed_body(&schemes::slack(), &[&format!("v0={MAC}")]), Err(Refusal::MalformedTimestamp));
}

#[test]
fn a_signed_header_must_be_there_once() {
    let scheme = schemes::standard_webhooks();
    let admission = Admission::new(&signed_with(&scheme, &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])).unwrap();
    let signature = format!("v1,{}", base64_mac());
    let whole = [("webhook-id", "msg"), ("webhook-timestamp", "1700000000"), ("webhook-signature", signature.as_str())];
    let head = |headers: &[(&str, &str)]| {
        admission.head(&request("/hooks", headers.iter().copied()), None, at(NOW)).map(|_| ())
    };
    assert_eq!(head(&whole), Ok(()));
    assert_eq!(head(&whole[1..]), Err(Refusal::MissingSignature));
    assert_eq!(head(&[&whole[..], &[("webhook-id", "other")]].concat()), Err(Refusal::AmbiguousSignature));
    assert_eq!(head(&[&whole[..], &[("webhook-timestamp", "1")]].concat()), Err(Refusal::AmbiguousSignature));
}

#[test]
fn secrets_that_are_no_keys_are_errors() {
    let compile = |key: KeyForm, texts: &[&str]| {
        Admission::new(&signed_with(&Scheme { key, ..schemes::github() }, texts)).map(|_| ())
    };
    let base64 = || KeyForm::Base64 { prefix: "whsec_".into() };
    assert_eq!(compile(base64(), &["whsec_AAAA", "AAA", "AAA="]), Ok(()));
    assert_eq!(compile(KeyForm::Hex, &["00ff", "00FF"]), Ok(()));
    assert_eq!(compile(base64(), &["AAAA", "whsec_!"]), Err(AdmissionError::UndecodableKey { nth: 2, form: "base64" }));
    assert_eq!(compile(KeyForm::Hex, &["0"]), Err(AdmissionError::UndecodableKey { nth: 1, form: "hexadecimal" }));
    assert_eq!(compile(base64(), &["whsec_"]), Err(AdmissionError::EmptySecret { nth: 1, of: "the signature" }));
    assert_eq!(compile(KeyForm::Text, &[""]), Err(AdmissionError::EmptySecret { nth: 1, of: "the signature" }));
    assert_eq!(compile(KeyForm::Text, &[]), Err(AdmissionError::NoSecret { of: "the signature" }));
}

#[test]
fn schemes_that_cannot_work_are_errors() {
    let compile = |scheme: Scheme| Signer::new(&scheme, &secrets(&["key"])[0]).map(|_| ()).unwrap_err();
    let mut twice = schemes::github();
    twice.signed.push(SignedPart::Body);
    assert_eq!(compile(twice), AdmissionError::BodyNotOnce { times: 2 });
    let unplaced = Scheme { timestamp: None, ..schemes::stripe() };
    assert_eq!(compile(unplaced), AdmissionError::UnplacedTimestamp);

    let mut no_pairs = schemes::slack();
    no_pairs.timestamp.as_mut().unwrap().place = StampPlace::Pair("t".into());
    assert_eq!(compile(no_pairs), AdmissionError::NoSuchPair { key: "t".into() });
    let same_pair = Scheme { form: SignatureForm::Pairs { mac: "t".into(), separator: ',' }, ..schemes::stripe() };
    assert_eq!(compile(same_pair), AdmissionError::NoSuchPair { key: "t".into() });

    let newline = form(SignatureForm::Single { prefix: "a\nb".into() }, Encoding::Hex);
    assert_eq!(compile(newline), AdmissionError::NotHeaderText { text: "a\nb".into() });
}
