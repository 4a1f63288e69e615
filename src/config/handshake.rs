//! A handshake: a request that proves to the provider who owns the endpoint, answered in place and delivered to no route.

use http::{HeaderName, Method, StatusCode};

use super::{Encoding, Pointer};

/// A handshake as data: what tells it from an event, and what the provider wants to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// Its method.
    pub method: Method,
    /// All of these must hold.
    pub when: Vec<Clue>,
    /// Whether only a sender that has proven itself is answered.
    pub proven: bool,
    /// Where the source's secret is, if the provider hands it over here.
    pub learn: Option<Field>,
    /// The status of the answer.
    pub status: StatusCode,
    /// The content type; `None` only where there is no body.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<AnswerPart>,
    /// Headers of the answer.
    pub headers: Vec<(HeaderName, Vec<AnswerPart>)>,
}

/// Something that a request must have to be a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clue {
    /// Where to look.
    pub field: Field,
    /// What must be there.
    pub is: Expected,
}

/// What a field of a handshake must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// There.
    Anything,
    /// This text.
    Text(String),
    /// The source's `verify_token`.
    VerifyToken,
}

/// A text in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The value of a header.
    Header(HeaderName),
    /// A query parameter, decoded.
    Query(String),
    /// A string or number in a JSON body.
    Json(Pointer),
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerPart {
    /// Fixed text.
    Literal(String),
    /// A text of the request.
    Field(Field),
    /// The MAC of a text of the request, under the source's first secret.
    Mac(Field, Encoding),
}

impl Handshake {
    /// Whether it can be told by the head alone.
    pub(crate) fn is_in_head(&self) -> bool {
        !self.when.iter().any(|condition| matches!(condition.field, Field::Json(_)))
    }

    /// Whether the source needs a `verify_token` for it.
    pub(crate) fn wants_verify_token(&self) -> bool {
        self.when.iter().any(|condition| condition.is == Expected::VerifyToken)
    }
}
