//! `hookgate send` for the providers that do not just share a text with their receivers: those with private keys and JSON
//! Web Tokens, and those that sign nothing.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use data_encoding::BASE64;
use hookgate::config::{Algorithm, Preset, Proof, presets};

use crate::commands::{hookgate, playable};
use crate::gateway::{Gateway, SECRET};

/// What the source and its sender have, in this order.
type Keys = (String, String);

/// A source, the preset it is of, and what makes keys for it.
type Keyed = (String, &'static str, fn() -> Keys);

/// Every preset that `send_is_accepted_with_the_right_secret_and_not_with_another` leaves out.
fn others() -> impl Iterator<Item = &'static Preset> {
    let texts = playable();
    presets().iter().filter(move |preset| texts.iter().all(|(name, _)| *name != preset.name))
}

fn rsa() -> Keys {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let pem =
        |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der));
    (pem("PUBLIC KEY", public.as_ref()), pem("PRIVATE KEY", private.as_ref()))
}

fn generated(algorithm: &'static rcgen::SignatureAlgorithm) -> Keys {
    let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
    (pair.public_key_pem(), pair.serialize_pem())
}

fn ed25519() -> Keys {
    generated(&rcgen::PKCS_ED25519)
}

fn p256() -> Keys {
    generated(&rcgen::PKCS_ECDSA_P256_SHA256)
}

fn sources() -> Vec<Keyed> {
    let mut sources: Vec<Keyed> = Vec::new();
    for preset in others() {
        let make: fn() -> Keys = match &preset.proof {
            Proof::Own => continue,
            Proof::Jwt(_) => || (SECRET.to_owned(), SECRET.to_owned()),
            Proof::Signature(scheme) => match scheme.algorithm {
                Algorithm::Ed25519 => ed25519,
                Algorithm::EcdsaP256 => p256,
                Algorithm::RsaSha256 => rsa,
                other => panic!("nobody plays the sender of {other}"),
            },
            Proof::Token(_) => panic!("a token is a text"),
        };
        sources.push((preset.name.clone(), &preset.name, make));
    }
    for (kind, make) in [("rs256", rsa as fn() -> Keys), ("es256", p256), ("eddsa", ed25519)] {
        sources.push((format!("fusionauth-{kind}"), "fusionauth", make));
    }
    sources
}

#[test]
fn what_a_private_key_or_a_token_proves_is_accepted_and_not_what_another_does() {
    let sources: Vec<_> = sources().into_iter().map(|(name, preset, make)| (name, preset, make(), make())).collect();
    let config: String = sources
        .iter()
        .map(|(name, preset, ..)| {
            format!(
                "[[source]]\nname = \"{name}\"\npreset = \"{preset}\"\nsecret = {{ file = \"{name}\" }}\n\
                 public_url = \"https://hooks.example.com\"\nkey_id = \"k\"\nack = \"memory\"\n"
            )
        })
        .collect();
    let gateway = Gateway::start_prepared(&config, |dir| {
        for (name, _, keys, another) in &sources {
            std::fs::write(dir.join(name), &keys.0).unwrap();
            std::fs::write(dir.join(format!("{name}.sender")), &keys.1).unwrap();
            let other = if keys.1 == SECRET { "another text" } else { &another.1 };
            std::fs::write(dir.join(format!("{name}.other")), other).unwrap();
        }
        let payload =
            r#"{"type":"a.b","Type":"Notification","MessageId":"1","Message":"m","Timestamp":"t","TopicArn":"a"}"#;
        std::fs::write(dir.join("payload.json"), payload).unwrap();
        std::fs::write(dir.join("batch.json"), format!("[{payload}]")).unwrap();
    });
    for (name, preset, ..) in &sources {
        let payload = if *preset == "sendgrid" { "batch.json" } else { "payload.json" };
        let url = format!("http://{}/hooks/{name}", gateway.address);
        let play = |key: &str| {
            let key = format!("{name}.{key}");
            let post = ["send", "--preset", preset, "--key-id", "k", "--secret-file", &key, payload, &url];
            hookgate(gateway.dir(), &post)
        };
        let sent = play("sender");
        assert_eq!(sent.code, Some(0), "{name}: {}{}", sent.err, sent.out);
        let sent = play("other");
        assert_eq!(sent.code, Some(1), "{name}");
        assert!(sent.out.contains("wrong_signature") || sent.out.contains("wrong_credentials"), "{name}: {}", sent.out);
    }
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), sources.len() as f64);
}

#[test]
fn who_signs_nothing_needs_no_secret() {
    let signing_nothing = || others().filter(|preset| preset.proof == Proof::Own);
    let config: String = signing_nothing()
        .map(|preset| {
            format!(
                "[[source]]\nname = \"{0}\"\npreset = \"{0}\"\nack = \"memory\"\n\
                 basic = {{ user = \"me\", password = {{ file = \"secret\" }} }}\n",
                preset.name
            )
        })
        .collect();
    let gateway = Gateway::start(&config);
    let event = r#"{"specversion":"1.0","type":"a.b","source":"/s","id":"1"}"#;
    std::fs::write(gateway.dir().join("payload.json"), event).unwrap();
    let credentials = format!("Authorization: Basic {}", BASE64.encode(format!("me:{SECRET}").as_bytes()));
    for preset in signing_nothing() {
        let url = format!("http://{}/hooks/{}", gateway.address, preset.name);
        let bare = ["send", "--preset", &preset.name, "payload.json", &url];
        assert_eq!(hookgate(gateway.dir(), &bare).code, Some(1), "{}", preset.name);
        let sent = hookgate(gateway.dir(), &[&bare[..], &["--header", &credentials]].concat());
        assert_eq!(sent.code, Some(0), "{}: {}{}", preset.name, sent.err, sent.out);
    }
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), signing_nothing().count() as f64);
}
