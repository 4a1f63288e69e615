//! `hookgate send --handshake`: every provider that has a handshake, played against a running gateway and against a server
//! that answers anything with success.

use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::HEXLOWER;
use hookgate::config::{Algorithm, Preset, Proof, presets};

use crate::api::{Api, page};
use crate::commands::hookgate;
use crate::gateway::{Gateway, SECRET};
use crate::processor::answer;

fn with_handshakes() -> impl Iterator<Item = &'static Preset> {
    presets().iter().filter(|preset| !preset.handshakes.is_empty())
}

/// A provider that signs with a private key: its source has the public one.
fn has_key_pair(preset: &Preset) -> bool {
    matches!(&preset.proof, Proof::Signature(scheme) if scheme.algorithm == Algorithm::Ed25519)
}

fn source(preset: &Preset) -> String {
    let hands_over = preset.handshakes.iter().any(|handshake| handshake.learn.is_some());
    let secret = match &preset.proof {
        Proof::Own => "auth = \"none\"",
        _ if hands_over => "",
        _ if has_key_pair(preset) => "secret = { file = \"public\" }",
        _ => "secret = { file = \"secret\" }",
    };
    format!(
        "[[source]]\nname = \"{0}\"\npreset = \"{0}\"\nack = \"memory\"\n{secret}\n\
         public_url = \"https://hooks.example.com\"\nverify_token = {{ file = \"token\" }}\n",
        preset.name
    )
}

fn write_keys(dir: &Path) {
    let seed = [7; 32];
    let public = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap().public_key().as_ref().to_vec();
    std::fs::write(dir.join("secret"), SECRET).unwrap();
    std::fs::write(dir.join("public"), HEXLOWER.encode(&public)).unwrap();
    std::fs::write(dir.join("private"), HEXLOWER.encode(&seed)).unwrap();
    std::fs::write(dir.join("token"), "t0k").unwrap();
}

fn play(dir: &Path, preset: &Preset, url: &str) -> crate::commands::Ended {
    let key = if has_key_pair(preset) { "private" } else { "secret" };
    let played =
        ["send", "--preset", &preset.name, "--handshake", "--secret-file", key, "--verify-token-file", "token"];
    hookgate(dir, &[&played[..], &[url]].concat())
}

#[test]
fn every_handshake_is_answered_as_its_provider_wants() {
    let sources: String = with_handshakes().map(source).collect();
    let gateway = Gateway::start_prepared(&sources, write_keys);
    for preset in with_handshakes() {
        let played = play(gateway.dir(), preset, &format!("http://{}/hooks/{}", gateway.address, preset.name));
        assert_eq!(played.code, Some(0), "{}: {}", preset.name, played.err);
        assert!(played.out.starts_with(&format!("{} would take this endpoint: ", preset.provider)), "{}", played.out);
        let source = format!("source=\"{}\"", preset.name);
        assert_eq!(gateway.metric("hookgate_handshakes_total", &[&source]), 1.0, "{}", preset.name);
        let forgeries = f64::from(u8::from(preset.handshakes[0].proven));
        assert_eq!(
            gateway.metric("hookgate_requests_refused_total", &[&source, "wrong_signature"]),
            forgeries,
            "{}",
            preset.name
        );
    }
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), 0.0);

    let meta = presets().iter().find(|preset| preset.name == "meta").unwrap();
    std::fs::write(gateway.dir().join("token"), "another").unwrap();
    let played = play(gateway.dir(), meta, &format!("http://{}/hooks/meta", gateway.address));
    assert_eq!(played.code, Some(1));
    assert!(
        played.err.contains("would not take this endpoint: it was answered 403 Forbidden, and not 200"),
        "{}",
        played.err
    );
}

#[test]
fn an_answer_that_a_provider_would_not_take_is_told() {
    let dir = tempfile::tempdir().unwrap();
    write_keys(dir.path());
    let ok = Api::start(|asked| if asked.method == "HEAD" { answer(200, &[]) } else { page("", "ok") });
    // They look for a success and no more.
    let easy = ["intercom", "notion", "trello"];
    for preset in with_handshakes() {
        let played = play(dir.path(), preset, &ok.url("/"));
        if easy.contains(&preset.name.as_str()) {
            assert_eq!(played.code, Some(0), "{}: {}", preset.name, played.err);
        } else {
            assert_eq!((played.code, played.out.as_str()), (Some(1), ""), "{}", preset.name);
            let told = format!("hookgate: {} would not take this endpoint: ", preset.provider);
            assert!(played.err.starts_with(&told), "{}: {}", preset.name, played.err);
        }
    }
}

#[test]
fn what_a_handshake_needs_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    write_keys(dir.path());
    let play = |arguments: &[&str]| {
        let all = [&["send", "--handshake"], arguments, &["http://127.0.0.1:1/"]].concat();
        let ended = hookgate(dir.path(), &all);
        (ended.code, ended.err)
    };
    for (arguments, code, words) in [
        (&["--preset", "zoom"][..], 1, "--secret-env"),
        (&["--preset", "asana"], 1, "the source keeps the first that comes"),
        (&["--preset", "meta"], 1, "--verify-token-env"),
        (&["--preset", "discord", "--secret-file", "secret"], 1, "private key"),
        (&["--preset", "github"], 1, "GitHub has no handshake"),
        (&["--preset", "dropbox"], 1, "is the gateway running?"),
        (&["--preset", "dropbox", "payload.json"], 2, "cannot be used with"),
        (&[], 2, "--preset"),
    ] {
        let (ended, err) = play(arguments);
        assert!(ended == Some(code) && err.contains(words), "{arguments:?}: {ended:?} {err}");
    }
}
