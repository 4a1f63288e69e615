//! The sending side: the headers a provider would put on a message.
//!
//! For trying out a source, for load and for tests; hookgate never signs on behalf of a provider while it runs.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::Value;

use super::mac::Mac;
use super::private_key::PrivateKey;
use super::sign_token::TokenSigner;
use super::signature::Signature;
use super::{AdmissionError, public_key, whole};
use crate::config::{
    Encoding, KeyForm, Locator, Place, Preset, Proof, ProofAuth, Scheme, Secret, Secrets, SignatureForm,
    SignaturePlace, SignedPart, StampPlace, StampUnit, TokenPlace,
};

/// Signs messages as a provider does.
pub struct Signer {
    pub(super) proof: SenderProof,
    target: Uri,
    type_header: Option<TypeHeader>,
    id_header: Option<HeaderName>,
    cloudevents: bool,
}

/// What a sender proves itself with.
pub(super) enum SenderProof {
    Signature(Box<Signature>, SenderKey),
    Token(TokenPlace, Secret),
    Jwt(TokenSigner),
    Nothing,
}

/// What a sender signs with.
pub(super) enum SenderKey {
    Mac(Box<Mac>),
    Private(PrivateKey),
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
        let mut signer = match &preset.proof {
            Proof::Signature(scheme) => Self::new(scheme, secret)?,
            Proof::Token(place) => Self::of(SenderProof::Token(place.clone(), secret.clone())),
            Proof::Jwt(jwt) => Self::of(SenderProof::Jwt(TokenSigner::new(jwt, secret)?)),
            Proof::Own => return Err(AdmissionError::SignsNothing),
        };
        signer.describe(preset);
        Ok(signer)
    }

    /// Says type and id where this provider says them, and proves nothing: for providers that sign nothing.
    pub fn unsigned(preset: &Preset) -> Self {
        let mut signer = Self::of(SenderProof::Nothing);
        signer.describe(preset);
        signer
    }

    fn describe(&mut self, preset: &Preset) {
        self.type_header = TypeHeader::find(&preset.event_type);
        self.id_header = header_of(&preset.delivery_id).map(|(name, _)| name.clone());
        self.cloudevents = preset.cloudevents;
    }

    /// Signs by this scheme. A header that the scheme signs, and that is not the timestamp's, carries the message's id. The
    /// secret of a public key is the private one in PEM, or the 32 bytes of one of Ed25519 in hexadecimal.
    pub fn new(scheme: &Scheme, secret: &Secret) -> Result<Self, AdmissionError> {
        check_text(scheme)?;
        let auth = |scheme: &Scheme, secret| ProofAuth {
            proof: Proof::Signature(Box::new(scheme.clone())),
            secrets: Secrets::Of(vec![secret]),
            public_url: Some("http://localhost".to_owned()),
            key_id: None,
        };
        let (signature, key) = if scheme.algorithm.is_mac() {
            let signature = Signature::new(scheme, &auth(scheme, secret.clone()))?;
            let mac = signature.mac(None, SystemTime::now()).ok_or(AdmissionError::NoMac)?;
            (signature, SenderKey::Mac(Box::new(mac)))
        } else {
            let key = PrivateKey::new(scheme.algorithm, secret)?;
            // The receiver's half, as bytes.
            let scheme = Scheme { key: KeyForm::Text, ..scheme.clone() };
            (Signature::new(&scheme, &auth(&scheme, Secret::new(key.public())))?, SenderKey::Private(key))
        };
        Ok(Self::of(SenderProof::Signature(Box::new(signature), key)))
    }

    /// For providers that sign the URL: the public one, with its path and query.
    #[must_use]
    pub fn posting_to(mut self, url: &Uri) -> Self {
        if let (SenderProof::Signature(signature, _), Some(scheme), Some(authority)) =
            (&mut self.proof, url.scheme_str(), url.authority())
        {
            signature.public_url = format!("{scheme}://{authority}");
        }
        self.target = url.clone();
        self
    }

    /// For providers that send or sign the id of a key.
    #[must_use]
    pub fn with_key_id(mut self, key_id: &str) -> Self {
        if let SenderProof::Signature(signature, _) = &mut self.proof {
            key_id.clone_into(&mut signature.key_id);
        }
        self
    }

    /// The content type of what this provider sends.
    pub fn content_type(&self) -> &'static str {
        match self.scheme() {
            Some(scheme) if scheme.signed.contains(&SignedPart::Form) => "application/x-www-form-urlencoded",
            _ if self.cloudevents => "application/cloudevents+json",
            _ => "application/json",
        }
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
        if let SenderProof::Signature(signature, _) = &self.proof {
            for (name, value) in &signature.scheme.expects {
                put(name, value);
            }
            if let Some(name) = &signature.scheme.key_id {
                put(name, &signature.key_id);
            }
            for part in &signature.scheme.signed {
                match part {
                    SignedPart::Header(name) => put(name, message.id),
                    SignedPart::ListedHeaders(name) => {
                        let stamp = match self.stamp_place() {
                            Some(StampPlace::Header(stamp)) => format!(",{stamp}"),
                            _ => String::new(),
                        };
                        put(name, &format!("{name}{stamp}"));
                    }
                    _ => {}
                }
            }
        }
        if let Some(name) = &self.id_header {
            put(name, message.id);
        }
        match &self.proof {
            SenderProof::Token(TokenPlace::Header(name), secret) => {
                headers.extend(HeaderValue::from_bytes(secret.expose()).map(|value| (name.clone(), value)));
            }
            SenderProof::Signature(signature, _) => {
                if let SignaturePlace::Headers(names) = &signature.scheme.place {
                    let text = self.signature(message.body, &stamp, &headers);
                    let value = HeaderValue::from_str(&text).ok();
                    headers.extend(names.first().cloned().zip(value));
                }
            }
            SenderProof::Jwt(token) => headers.extend(token.header(message.body, message.now)),
            SenderProof::Token(TokenPlace::Json { .. }, _) | SenderProof::Nothing => {}
        }
        headers
    }

    /// The MAC of a text under the secret, written so: what a receiver is asked for in a handshake.
    pub(crate) fn mac(&self, text: &[u8], encoding: Encoding) -> Option<String> {
        let SenderProof::Signature(signature, key) = &self.proof else { return None };
        let SenderKey::Mac(key) = key else { return None };
        let mut mac = Mac::clone(key);
        mac.update(text);
        Some(mac.finish().encode(encoding, signature.scheme.algorithm))
    }

    fn of(proof: SenderProof) -> Self {
        Self { proof, target: Uri::from_static("/"), type_header: None, id_header: None, cloudevents: false }
    }

    pub(super) fn scheme(&self) -> Option<&Scheme> {
        match &self.proof {
            SenderProof::Signature(signature, _) => Some(&signature.scheme),
            SenderProof::Token(..) | SenderProof::Jwt(_) | SenderProof::Nothing => None,
        }
    }

    /// The text of the signature header. What is signed of the headers is what is sent in them.
    fn signature(&self, body: &[u8], stamp: &str, headers: &[(HeaderName, HeaderValue)]) -> String {
        let SenderProof::Signature(signature, key) = &self.proof else { return String::new() };
        let SenderKey::Mac(key) = key else {
            return self.whole_signature((&Value::Null, body), stamp, headers);
        };
        if !signature.streams {
            let item = serde_json::from_slice(body).unwrap_or(Value::Null);
            return self.whole_signature((&item, body), stamp, headers);
        }
        let mut mac = Mac::clone(key);
        for part in &signature.scheme.signed {
            match part {
                SignedPart::Literal(text) => mac.update(text.as_bytes()),
                SignedPart::Timestamp => mac.update(stamp.as_bytes()),
                SignedPart::Header(name) => {
                    let sent = headers.iter().filter(|(there, _)| there == name);
                    sent.for_each(|(_, value)| mac.update(value.as_bytes()));
                }
                SignedPart::Method => mac.update(b"POST"),
                SignedPart::Path => mac.update(self.target.path().as_bytes()),
                SignedPart::Url => {
                    mac.update(signature.public_url.as_bytes());
                    mac.update(self.target.path_and_query().map_or("/", |target| target.as_str()).as_bytes());
                }
                SignedPart::KeyId => mac.update(signature.key_id.as_bytes()),
                _ => mac.update(body),
            }
        }
        self.written(&mac.finish().encode(signature.scheme.encoding, signature.scheme.algorithm), stamp)
    }

    /// The same where the message has to be put together first.
    pub(super) fn whole_signature(
        &self,
        body: (&Value, &[u8]),
        stamp: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> String {
        let SenderProof::Signature(signature, key) = &self.proof else { return String::new() };
        let parts = self.request(headers);
        let target = self.target.path_and_query().map_or("/", |target| target.as_str());
        let url = format!("{}{target}", signature.public_url);
        let message = whole::message(signature, &parts, &url, body, Some(stamp.as_bytes())).unwrap_or_default();
        let text = match key {
            SenderKey::Mac(key) => {
                let mut mac = Mac::clone(key);
                mac.update(&message);
                mac.finish().encode(signature.scheme.encoding, signature.scheme.algorithm)
            }
            SenderKey::Private(key) => public_key::encode(&key.sign(&message), signature.scheme.encoding),
        };
        self.written(&text, stamp)
    }

    fn request(&self, headers: &[(HeaderName, HeaderValue)]) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = Method::POST;
        parts.uri = self.target.clone();
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type()));
        for (name, value) in headers {
            parts.headers.append(name, value.clone());
        }
        parts
    }

    /// A signature in the form of the scheme.
    fn written(&self, mac: &str, stamp: &str) -> String {
        let Some(scheme) = self.scheme() else { return String::new() };
        match (&scheme.form, self.stamp_place()) {
            (SignatureForm::Single { prefix }, _) => format!("{prefix}{mac}"),
            (SignatureForm::Pairs { mac: key, separator }, Some(StampPlace::Pair(pair))) => {
                format!("{pair}={stamp}{separator}{key}={mac}")
            }
            (SignatureForm::Pairs { mac: key, .. }, _) => format!("{key}={mac}"),
            (SignatureForm::Versions { version }, _) => format!("{version},{mac}"),
            (SignatureForm::List, _) => mac.to_owned(),
        }
    }

    pub(super) fn stamp_place(&self) -> Option<&StampPlace> {
        self.scheme()?.timestamp.as_ref().map(|stamp| &stamp.place)
    }

    /// The text of the timestamp; of use only where the scheme has one.
    pub(super) fn stamp(&self, now: SystemTime) -> String {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        match self.scheme().and_then(|scheme| Some(scheme.timestamp.as_ref()?.unit)) {
            Some(StampUnit::Milliseconds) => since.as_millis().to_string(),
            Some(StampUnit::Rfc3339) => humantime::format_rfc3339_seconds(now).to_string(),
            Some(StampUnit::Seconds) | None => since.as_secs().to_string(),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("scheme", &self.scheme()).finish_non_exhaustive()
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
    let mut texts: Vec<&String> = match &scheme.form {
        SignatureForm::Single { prefix: text }
        | SignatureForm::Pairs { mac: text, .. }
        | SignatureForm::Versions { version: text } => vec![text],
        SignatureForm::List => Vec::new(),
    };
    if let Some(StampPlace::Pair(key)) = scheme.timestamp.as_ref().map(|stamp| &stamp.place) {
        texts.push(key);
    }
    match texts.into_iter().find(|text| HeaderValue::from_str(text).is_err()) {
        Some(text) => Err(AdmissionError::NotHeaderText { text: text.clone() }),
        None => Ok(()),
    }
}
