//! A source's handshakes: told from events, and answered.

use std::borrow::Cow;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};

use super::answer::Prebuilt;
use super::body::{Filled, ReplyBody};
use super::template::Escape;
use crate::admit::Admission;
use crate::config::{AnswerPart, Clue, Expected, Field, Handshake, Secret};
use crate::refusal::Refusal;
use crate::sniff;

/// The handshakes of one source.
pub(crate) struct Handshakes {
    all: Box<[Handshake]>,
}

/// A handshake's answer, and the secret that the provider has handed over with it.
pub(crate) struct Handshaken {
    pub(crate) answer: Response<ReplyBody>,
    pub(crate) secret: Option<Secret>,
}

/// What a handshake is told by and answered with.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) head: &'a Parts,
    /// Empty as long as it has not been read.
    pub(crate) body: &'a [u8],
    pub(crate) tenant: Option<&'a str>,
    /// What the source's keys and tokens are asked for.
    pub(crate) admission: &'a Admission,
    /// When the request came.
    pub(crate) now: SystemTime,
}

impl Handshakes {
    pub(crate) fn new(handshakes: &[Handshake]) -> Self {
        Self { all: handshakes.into() }
    }

    /// Whether there is one that is told by its body.
    pub(crate) fn read_bodies(&self) -> bool {
        self.all.iter().any(|handshake| !handshake.is_in_head())
    }

    /// Answers what its head alone shows to be a handshake that needs no proof.
    pub(crate) fn by_head(&self, asked: Asked<'_>) -> Option<Result<Handshaken, Refusal>> {
        self.first(asked, |handshake| !handshake.proven && handshake.is_in_head())
    }

    /// Whether a request that has not proven itself may yet turn out to be a handshake by its body.
    pub(crate) fn may_be_in_unproven_body(&self, method: &Method) -> bool {
        self.all.iter().any(|handshake| handshake.method == *method && is_in_unproven_body(handshake))
    }

    /// Answers what its body shows to be a handshake that needs no proof.
    pub(crate) fn by_unproven_body(&self, asked: Asked<'_>) -> Option<Result<Handshaken, Refusal>> {
        self.first(asked, is_in_unproven_body)
    }

    /// Answers a handshake of a sender that has proven itself.
    pub(crate) fn proven(&self, asked: Asked<'_>) -> Option<Result<Handshaken, Refusal>> {
        self.first(asked, |handshake| handshake.proven || is_in_unproven_body(handshake))
    }

    fn first(&self, asked: Asked<'_>, which: impl Fn(&Handshake) -> bool) -> Option<Result<Handshaken, Refusal>> {
        let mut of_method =
            self.all.iter().filter(|handshake| handshake.method == asked.head.method && which(handshake));
        let handshake = of_method.find(|it| it.when.iter().all(|condition| is_there(condition, asked)))?;
        let shows_token = |condition: &Clue| {
            let knows = |text: &str| asked.admission.knows_verify_token(text.as_bytes(), asked.now);
            condition.is != Expected::VerifyToken || asked.text(&condition.field).is_some_and(|text| knows(&text))
        };
        if !handshake.when.iter().all(shows_token) {
            return Some(Err(Refusal::WrongCredentials));
        }
        let secret = handshake.learn.as_ref().and_then(|field| asked.text(field));
        Some(Ok(Handshaken { answer: answer(handshake, asked), secret: secret.map(|it| Secret::new(it.as_bytes())) }))
    }
}

fn is_in_unproven_body(handshake: &Handshake) -> bool {
    !handshake.proven && !handshake.is_in_head()
}

/// Whether a condition holds, whatever the verify token.
fn is_there(condition: &Clue, asked: Asked<'_>) -> bool {
    let text = asked.text(&condition.field);
    match &condition.is {
        Expected::Text(expected) => text.as_deref() == Some(expected),
        Expected::Anything | Expected::VerifyToken => text.is_some(),
    }
}

impl<'a> Asked<'a> {
    fn text(&self, field: &Field) -> Option<Cow<'a, str>> {
        match field {
            Field::Header(name) => self.head.headers.get(name)?.to_str().ok().map(Cow::Borrowed),
            Field::Query(name) => {
                let query = self.head.uri.query()?;
                form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value)
            }
            Field::Json(pointer) => {
                let found = sniff::find(self.body, pointer)?;
                Some(Cow::Owned(found.in_body(self.body).to_owned()))
            }
        }
    }
}

/// The text of a request in an answer is the sender's own: no browser may take it for anything but what it says to be.
fn answer(handshake: &Handshake, asked: Asked<'_>) -> Response<ReplyBody> {
    let mut headers = HeaderMap::new();
    if let Some(Ok(content_type)) = handshake.content_type.as_deref().map(HeaderValue::from_str) {
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    for (name, parts) in &handshake.headers {
        if let Ok(value) = HeaderValue::from_bytes(&filled(parts, Escape::Plain, asked)) {
            headers.insert(name.clone(), value);
        }
    }
    let escape = Escape::of(handshake.content_type.as_deref().unwrap_or_default());
    let body = filled(&handshake.body, escape, asked);
    Prebuilt { status: handshake.status, headers, body: Bytes::from(body) }.response()
}

fn filled(parts: &[AnswerPart], escape: Escape, asked: Asked<'_>) -> Vec<u8> {
    let mut text = Filled::new();
    for part in parts {
        match part {
            AnswerPart::Literal(literal) => text.extend_from_slice(literal.as_bytes()),
            part => escape.push(&mut text, &value(part, asked)),
        }
    }
    text.into_vec()
}

fn value<'a>(part: &'a AnswerPart, asked: Asked<'a>) -> Cow<'a, str> {
    match part {
        AnswerPart::Literal(text) => Cow::Borrowed(text),
        AnswerPart::Field(field) => asked.text(field).unwrap_or_default(),
        AnswerPart::Mac(field, encoding) => {
            let text = asked.text(field).unwrap_or_default();
            asked.admission.mac(asked.tenant, text.as_bytes(), *encoding, asked.now).unwrap_or_default().into()
        }
    }
}
