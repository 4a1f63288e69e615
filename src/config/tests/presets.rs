//! Presets as sources start from them, and the configuration that `init` prints.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use http::HeaderName;

use super::{assert_mistake, config, now, read, source};
use crate::config::load::read_files;
use crate::config::{
    AnswerPart, Encoding, Expected, Field, KeyForm, Place, Pointer, Preset, Proof, Scheme, SignatureForm,
    SignaturePlace, SignedPart, SourceConfig, StampPlace, preset, presets, starter,
};

fn preset_source(name: &str, keys: &str) -> SourceConfig {
    config(&source(&format!("preset = \"{name}\"\nsecret = {{ env = \"WHSEC\" }}\n{keys}"))).sources.remove(0)
}

fn scheme(source: &SourceConfig) -> &Scheme {
    match &source.auth.proof.as_ref().unwrap().proof {
        Proof::Signature(scheme) => scheme,
        other => panic!("{other:?} is no signature"),
    }
}

fn json(segments: &[&str]) -> Place {
    Place::Json(Pointer(segments.iter().map(ToString::to_string).collect()))
}

#[test]
fn github_signs_the_body_but_not_the_type() {
    let source = preset_source("github", "");
    let scheme = scheme(&source);
    assert_eq!(scheme.place, SignaturePlace::Headers(vec![HeaderName::from_static("x-hub-signature-256")]));
    assert_eq!(scheme.form, SignatureForm::Single { prefix: "sha256=".to_owned() });
    assert_eq!(scheme.signed, [SignedPart::Body]);
    assert_eq!(source.event_type[0].place, Place::Header(HeaderName::from_static("x-github-event")));
    assert_eq!(source.event_type[0].append, Some(Pointer(vec!["action".to_owned()])));
    assert!(!source.type_signed);
    assert_eq!(source.deadline, Duration::from_secs(9));
}

#[test]
fn stripe_signs_the_timestamp_of_its_pairs() {
    let source = preset_source("stripe", "");
    let scheme = scheme(&source);
    assert_eq!(scheme.form, SignatureForm::Pairs { mac: "v1".to_owned(), separator: ',' });
    let dot = SignedPart::Literal(".".to_owned());
    assert_eq!(scheme.signed, [SignedPart::Timestamp, dot, SignedPart::Body]);
    let stamp = scheme.timestamp.as_ref().unwrap();
    assert_eq!((&stamp.place, stamp.tolerance), (&StampPlace::Pair("t".to_owned()), Duration::from_mins(5)));
    assert!(source.type_signed);
}

#[test]
fn slack_has_a_challenge_and_two_places_for_the_type() {
    let source = preset_source("slack", "");
    let places: Vec<Place> = source.event_type.iter().map(|locator| locator.place.clone()).collect();
    assert_eq!(places, [json(&["event", "type"]), json(&["type"])]);
    let [handshake] = source.handshakes.as_slice() else { panic!("one handshake") };
    assert!(handshake.proven);
    assert_eq!(handshake.when[0].is, Expected::Text("url_verification".to_owned()));
    assert_eq!(handshake.body, [AnswerPart::Field(Field::Json(Pointer(vec!["challenge".to_owned()])))]);
    assert!(source.type_signed);
}

#[test]
fn shopify_writes_base64() {
    let source = preset_source("shopify", "");
    assert_eq!(scheme(&source).encoding, Encoding::Base64);
    assert!(!source.type_signed);
}

#[test]
fn standard_webhooks_sign_the_id_too() {
    let source = preset_source("standard-webhooks", "");
    let scheme = scheme(&source);
    assert_eq!(scheme.signed[0], SignedPart::Header(HeaderName::from_static("webhook-id")));
    assert_eq!(scheme.key, KeyForm::Base64 { prefix: "whsec_".to_owned() });
    assert_eq!(scheme.form, SignatureForm::Versions { version: "v1".to_owned() });
    assert!(source.type_signed);
}

#[test]
fn every_preset_names_its_document_and_its_provider() {
    assert!(presets().len() >= 60);
    for preset in presets() {
        assert!(preset.document.starts_with("https://"), "{} names no source", preset.name);
        assert_ne!(preset.provider, preset.name);
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(preset.name.bytes().all(is_plain), "{}", preset.name);
    }
}

#[test]
fn every_deadline_is_shorter_than_the_provider_waits() {
    for preset in presets() {
        // Some do not say how long they wait.
        let Ok(seconds) = preset.waits.split(' ').next().unwrap().parse() else { continue };
        assert!(preset.deadline < Duration::from_secs(seconds), "{}", preset.name);
    }
}

#[test]
fn what_a_source_says_itself_counts() {
    let source =
        preset_source("github", "event_type = { json = \"/kind\" }\ndeadline = \"1s\"\nhmac = { header = \"X-Mine\" }");
    assert_eq!(source.event_type[0].place, json(&["kind"]));
    assert_eq!(source.deadline, Duration::from_secs(1));
    assert_eq!(scheme(&source).place, SignaturePlace::Headers(vec![HeaderName::from_static("x-mine")]));
    assert_eq!(source.delivery_id[0].place, Place::Header(HeaderName::from_static("x-github-delivery")));
}

#[test]
fn a_deadline_that_outlasts_the_provider_is_warned_of() {
    let github = |deadline: &str| {
        let keys = format!("preset = \"github\"\nsecret = {{ env = \"KEY\" }}\ndeadline = \"{deadline}\"");
        config(&source(&keys)).warnings.into_iter().filter(|warning| warning.line == 6).collect::<Vec<_>>()
    };
    assert!(github("9s").is_empty());
    assert!(github("30s")[0].what.contains("waits 10 s"));
}

#[test]
fn an_unknown_preset_is_answered_with_the_nearest() {
    let text = |name: &str| source(&format!("preset = \"{name}\"\nsecret = {{ env = \"KEY\" }}"));
    assert_mistake(&text("githup"), 4, "preset is not known", "did you mean \"github\"?");
    assert_mistake(&text("acme"), 4, "preset is not known", "hookgate presets");
}

#[test]
fn a_preset_needs_its_secret() {
    assert_mistake(&source("preset = \"github\""), 1, "`secret` is missing", "secret = { env");
}

#[test]
fn the_starter_loads_without_a_problem() {
    let all: Vec<&Preset> = presets().iter().collect();
    let two: Vec<&Preset> = ["github", "stripe"].into_iter().filter_map(preset).collect();
    for presets in [&[][..], &two, &all] {
        let text = starter(presets);
        let files = [(PathBuf::from("hookgate.toml"), text.clone())];
        let any_variable = |name: &str| {
            let takes = |names: &[&str]| names.iter().any(|part| name.contains(part));
            // Each has another.
            let long = format!("{name:_<24}");
            Some(OsString::from(match () {
                () if takes(&["ADYEN", "DISCORD"]) => HEXLOWER.encode(long.as_bytes()),
                () if takes(&["SENDGRID", "V1A"]) => BASE64.encode(long.as_bytes()),
                () => format!("whsec_{}", BASE64.encode(long.as_bytes())),
            }))
        };
        let config = read_files(&files, Vec::new(), &any_variable, now())
            .unwrap_or_else(|problems| panic!("{text}\n{problems}"));
        assert_eq!(config.warnings, [], "{text}");
        assert_eq!(config.sources.len(), presets.len().max(1));
        assert_eq!(config.routes.len(), config.sources.len() + 1);
    }
}

#[test]
fn the_starter_says_which_variables_it_wants() {
    let github: Vec<&Preset> = preset("github").into_iter().collect();
    let problems = read(&starter(&github)).unwrap_err();
    assert_eq!(problems.iter().count(), 1);
    assert!(problems.to_string().contains("GITHUB_SECRET is not set"), "{problems}");
}
