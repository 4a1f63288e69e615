//! The schemes of the providers that the fixtures come from, written out.

use std::time::Duration;

use http::HeaderName;

use crate::config::{
    Algorithm, Encoding, KeyForm, Scheme, SignatureForm, SignaturePlace, SignedPart, Stamp, StampPlace, StampUnit,
};

pub(super) fn all() -> [(&'static str, Scheme); 5] {
    [
        ("github", github()),
        ("shopify", shopify()),
        ("slack", slack()),
        ("stripe", stripe()),
        ("standard-webhooks", standard_webhooks()),
    ]
}

pub(super) fn github() -> Scheme {
    Scheme {
        form: SignatureForm::Single { prefix: "sha256=".into() },
        ..Scheme::hmac_sha256(HeaderName::from_static("x-hub-signature-256"))
    }
}

pub(super) fn shopify() -> Scheme {
    Scheme {
        place: header("x-shopify-hmac-sha256"),
        form: SignatureForm::Single { prefix: String::new() },
        encoding: Encoding::Base64,
        ..github()
    }
}

pub(super) fn slack() -> Scheme {
    Scheme {
        place: header("x-slack-signature"),
        form: SignatureForm::Single { prefix: "v0=".into() },
        signed: vec![literal("v0:"), SignedPart::Timestamp, literal(":"), SignedPart::Body],
        timestamp: Some(five_minutes(StampPlace::Header(HeaderName::from_static("x-slack-request-timestamp")))),
        ..github()
    }
}

pub(super) fn stripe() -> Scheme {
    Scheme {
        place: header("stripe-signature"),
        form: SignatureForm::Pairs { mac: "v1".into(), separator: ',' },
        signed: vec![SignedPart::Timestamp, literal("."), SignedPart::Body],
        timestamp: Some(five_minutes(StampPlace::Pair("t".into()))),
        ..github()
    }
}

pub(super) fn standard_webhooks() -> Scheme {
    Scheme {
        place: header("webhook-signature"),
        form: SignatureForm::Versions { version: "v1".into() },
        encoding: Encoding::Base64,
        signed: vec![
            SignedPart::Header(HeaderName::from_static("webhook-id")),
            literal("."),
            SignedPart::Timestamp,
            literal("."),
            SignedPart::Body,
        ],
        timestamp: Some(five_minutes(StampPlace::Header(HeaderName::from_static("webhook-timestamp")))),
        key: KeyForm::Base64 { prefix: "whsec_".into() },
        ..github()
    }
}

/// Not a provider's: everything the others leave out, signed around the body and in milliseconds.
pub(super) fn everything_else() -> Scheme {
    Scheme {
        algorithm: Algorithm::Sha512,
        place: header("x-signature"),
        form: SignatureForm::Pairs { mac: "mac".into(), separator: ',' },
        encoding: Encoding::Base64,
        signed: vec![
            literal("<"),
            SignedPart::Body,
            literal(">"),
            SignedPart::Header(HeaderName::from_static("x-id")),
            SignedPart::Timestamp,
            literal("!"),
        ],
        timestamp: Some(Stamp {
            unit: StampUnit::Milliseconds,
            ..five_minutes(StampPlace::Header(HeaderName::from_static("x-sent")))
        }),
        key: KeyForm::Hex,
        ..github()
    }
}

fn five_minutes(place: StampPlace) -> Stamp {
    Stamp { place, unit: StampUnit::Seconds, tolerance: Duration::from_mins(5) }
}

fn header(name: &'static str) -> SignaturePlace {
    SignaturePlace::Headers(vec![HeaderName::from_static(name)])
}

fn literal(text: &str) -> SignedPart {
    SignedPart::Literal(text.into())
}

/// The header that carries the signature.
pub(super) fn header_of(scheme: &Scheme) -> &HeaderName {
    match &scheme.place {
        SignaturePlace::Headers(names) => &names[0],
        SignaturePlace::Json(_) => panic!("these schemes sign in a header"),
    }
}
