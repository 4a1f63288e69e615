//! The sending side: the headers a provider would put on a message.
//!
//! For trying out a source, for load and for tests; hookgate never signs on behalf of a provider while it runs.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};

use super::AdmissionError;
use super::mac::Mac;
use super::signature::check_scheme;
use crate::config::{Locator, Place, Preset, Scheme, Secret, SignatureForm, SignedPart, StampPlace, StampUnit};

/// Signs messages as a provider does.
#[derive(Clone)]
pub struct Signer {
    scheme: Scheme,
    key: Mac,
    type_header: Option<TypeHeader>,
    id_header: Option<HeaderName>,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The body.
    pub body: &'a [u8],
    /// The event's type, for providers that say it in a header.
    pub event_type: Option<&'a str>,
    /// The delivery id, for providers that say it in a header.
    pub id: &'a str,
    /// The time of sending, for providers that sign it.
    pub now: SystemTime,
}

impl Signer {
    /// Signs as this provider does, and says type and id in its headers if that is where it says them.
    pub fn preset(preset: &Preset, secret: &Secret) -> Result<Self, AdmissionError> {
        let mut signer = Self::new(&preset.scheme, secret)?;
        signer.type_header = TypeHeader::find(&preset.event_type);
        signer.id_header = header_of(&preset.delivery_id).map(|(name, _)| name.clone());
        Ok(signer)
    }

    /// Signs by this scheme. A header that the scheme signs, and that is not the timestamp's, carries the message's id.
    pub fn new(scheme: &Scheme, secret: &Secret) -> Result<Self, AdmissionError> {
        check_scheme(scheme)?;
        check_text(scheme)?;
        let key = Mac::new(scheme.algorithm, &scheme.key, secret, 1)?;
        Ok(Self { scheme: scheme.clone(), key, type_header: None, id_header: None })
    }

    /// The headers that describe and prove this message, each once. A type or id that cannot stand in a header is left out.
    pub fn headers(&self, message: &Message<'_>) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::with_capacity(4);
        let mut put = |name: &HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text)
                && !headers.iter().any(|(there, _)| there == name)
            {
                headers.push((name.clone(), value));
            }
        };
        let stamp = self.stamp(message.now);
        if let Some(StampPlace::Header(name)) = self.stamp_place() {
            put(name, &stamp);
        }
        if let (Some(header), Some(event_type)) = (&self.type_header, message.event_type) {
            put(&header.name, header.text(event_type));
        }
        let signed = self.scheme.signed.iter().filter_map(|part| match part {
            SignedPart::Header(name) => Some(name),
            _ => None,
        });
        for name in signed.chain(&self.id_header) {
            put(name, message.id);
        }

        let signature = self.signature(message.body, &stamp, &headers);
        headers.extend(HeaderValue::from_str(&signature).map(|value| (self.scheme.header.clone(), value)));
        headers
    }

    /// The text of the signature header. What is signed of the headers is what is sent in them.
    fn signature(&self, body: &[u8], stamp: &str, headers: &[(HeaderName, HeaderValue)]) -> String {
        let mut mac = self.key.clone();
        for part in &self.scheme.signed {
            match part {
                SignedPart::Literal(text) => mac.update(text.as_bytes()),
                SignedPart::Timestamp => mac.update(stamp.as_bytes()),
                SignedPart::Header(name) => {
                    let sent = headers.iter().filter(|(there, _)| there == name);
                    sent.for_each(|(_, value)| mac.update(value.as_bytes()));
                }
                SignedPart::Body => mac.update(body),
            }
        }
        let mac = mac.finish().encode(self.scheme.encoding, self.scheme.algorithm);
        match (&self.scheme.form, self.stamp_place()) {
            (SignatureForm::Single { prefix }, _) => format!("{prefix}{mac}"),
            (SignatureForm::Pairs { mac: key }, Some(StampPlace::Pair(pair))) => format!("{pair}={stamp},{key}={mac}"),
            (SignatureForm::Pairs { mac: key }, _) => format!("{key}={mac}"),
            (SignatureForm::Versions { version }, _) => format!("{version},{mac}"),
        }
    }

    fn stamp_place(&self) -> Option<&StampPlace> {
        self.scheme.timestamp.as_ref().map(|stamp| &stamp.place)
    }

    /// The text of the timestamp; of use only where the scheme has one.
    fn stamp(&self, now: SystemTime) -> String {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        match self.scheme.timestamp.as_ref().map(|stamp| stamp.unit) {
            Some(StampUnit::Milliseconds) => now.as_millis().to_string(),
            Some(StampUnit::Seconds) | None => now.as_secs().to_string(),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// The header in which a provider says the type.
#[derive(Debug, Clone)]
struct TypeHeader {
    name: HeaderName,
    /// Only what stands before the first dot; the body says the rest.
    head_only: bool,
}

impl TypeHeader {
    fn find(locators: &[Locator]) -> Option<Self> {
        let (name, locator) = header_of(locators)?;
        Some(Self { name: name.clone(), head_only: locator.append.is_some() })
    }

    fn text<'a>(&self, event_type: &'a str) -> &'a str {
        match event_type.split_once('.') {
            Some((head, _)) if self.head_only => head,
            _ => event_type,
        }
    }
}

/// The first of the places that is a header.
fn header_of(locators: &[Locator]) -> Option<(&HeaderName, &Locator)> {
    locators.iter().find_map(|locator| match &locator.place {
        Place::Header(name) => Some((name, locator)),
        _ => None,
    })
}

/// What a scheme puts around its MACs must be able to stand in a header.
fn check_text(scheme: &Scheme) -> Result<(), AdmissionError> {
    let mut texts = vec![match &scheme.form {
        SignatureForm::Single { prefix: text }
        | SignatureForm::Pairs { mac: text }
        | SignatureForm::Versions { version: text } => text,
    }];
    if let Some(StampPlace::Pair(key)) = scheme.timestamp.as_ref().map(|stamp| &stamp.place) {
        texts.push(key);
    }
    match texts.into_iter().find(|text| HeaderValue::from_str(text).is_err()) {
        Some(text) => Err(AdmissionError::NotHeaderText { text: text.clone() }),
        None => Ok(()),
    }
}
