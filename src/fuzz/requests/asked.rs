//! Requests of a small vocabulary, and what each must come to: no parser, only what the choices mean that a request is made of.

use std::sync::LazyLock;
use std::time::SystemTime;

use crate::admit::{Message, Signer};
use crate::config::{Secret, preset};

/// Bytes that a body may have.
pub(super) const BODY_MAX: usize = 1024;

/// The source that asks for a signature, and the one that asks for nothing.
pub(super) const SIGNED: &str = "signed";
pub(super) const OPEN: &str = "open";

pub(super) const SECRET: &str = include_str!("../../../examples/demo-secret");

/// A request, and what must come of it.
pub(super) struct Asked {
    pub(super) bytes: Vec<u8>,
    pub(super) answers: Vec<u16>,
    /// Its source and its body.
    pub(super) event: Option<(&'static str, Vec<u8>)>,
    pub(super) then: Then,
}

/// What becomes of the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// What follows is the next request.
    GoesOn,
    /// Nobody looks at what follows.
    Closes,
    /// The one or the other: a body that nobody wants is passed over if it has come by then.
    GoesOnIfItHasCome,
}

/// What an input chooses, byte by byte; behind its end, what is ordinary.
pub(super) struct Choices<'data>(pub(super) &'data [u8]);

impl<'data> Choices<'data> {
    pub(super) fn of(&mut self, ways: u8) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first % ways
    }

    fn bytes(&mut self, count: usize) -> &'data [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length,
    /// In chunks of so many bytes.
    Chunks(usize),
    SameLengthTwice,
    OtherLengthToo,
    LengthAndChunks,
    CompressedChunks,
    ChunksOfChunks,
    PositiveLength,
    /// The last chunk has more bytes than it says.
    LongerChunk,
    Trailer,
    Nothing,
    /// More than a body may have, and less than that follows.
    TooLong,
}

impl Framing {
    fn chosen(choices: &mut Choices<'_>) -> Self {
        match choices.of(18) {
            0..4 => Self::Length,
            4..7 => Self::Chunks(1 + usize::from(choices.of(16))),
            7 => Self::SameLengthTwice,
            8 => Self::OtherLengthToo,
            9 | 10 => Self::LengthAndChunks,
            11 => Self::CompressedChunks,
            12 => Self::ChunksOfChunks,
            13 => Self::PositiveLength,
            14 => Self::LongerChunk,
            15 => Self::Trailer,
            16 => Self::Nothing,
            _ => Self::TooLong,
        }
    }

    /// Whether nobody knows how long it is before it has been read.
    fn is_chunked(self) -> bool {
        !matches!(
            self,
            Self::Length
                | Self::SameLengthTwice
                | Self::OtherLengthToo
                | Self::PositiveLength
                | Self::Nothing
                | Self::TooLong
        )
    }

    /// The header lines of a body, and what comes behind the head.
    fn write(self, body: &[u8]) -> (String, Vec<u8>) {
        let length = body.len();
        let lines = match self {
            Self::Length => format!("Content-Length: {length}\r\n"),
            Self::Chunks(_) | Self::LongerChunk | Self::Trailer => "Transfer-Encoding: chunked\r\n".to_owned(),
            Self::SameLengthTwice => format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
            Self::OtherLengthToo => format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length + 1),
            Self::LengthAndChunks => format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            Self::CompressedChunks => "Transfer-Encoding: gzip, chunked\r\n".to_owned(),
            Self::ChunksOfChunks => "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            Self::PositiveLength => format!("Content-Length: +{length}\r\n"),
            Self::Nothing => String::new(),
            Self::TooLong => "Content-Length: 100000\r\n".to_owned(),
        };
        let behind = match self {
            _ if !self.is_chunked() => body.to_vec(),
            Self::Chunks(size) => in_chunks(body, size, "0\r\n\r\n"),
            Self::Trailer => in_chunks(body, 8, "0\r\nX: y\r\n\r\n"),
            Self::LongerChunk => in_chunks(body, 8, "1\r\nab\r\n0\r\n\r\n"),
            _ => in_chunks(body, 8, "0\r\n\r\n"),
        };
        (lines, behind)
    }
}

fn in_chunks(body: &[u8], size: usize, end: &str) -> Vec<u8> {
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let chunks: Vec<u8> = body.chunks(size).flat_map(chunk).collect();
    [&chunks, end.as_bytes()].concat()
}

/// How a signature is, if it is not as it must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signature {
    Right,
    InCapitals,
    Missing,
    CutOff,
    Changed,
}

impl Signature {
    fn chosen(choices: &mut Choices<'_>) -> Self {
        match choices.of(9) {
            0..4 => Self::Right,
            4 => Self::InCapitals,
            5 => Self::Missing,
            6 => Self::CutOff,
            _ => Self::Changed,
        }
    }

    /// The header line of it.
    fn write(self, body: &[u8]) -> String {
        let message = Message { body, event_type: None, id: "1", now: SystemTime::UNIX_EPOCH };
        let headers = SIGNER.headers(&message);
        let signature = headers.iter().find_map(|(_, value)| value.to_str().ok()?.strip_prefix("sha256="));
        let mut hex = signature.expect("a signature").to_owned();
        match self {
            Self::Missing => return String::new(),
            Self::Right => {}
            Self::InCapitals => hex.make_ascii_uppercase(),
            Self::CutOff => hex.truncate(usize::from(body.first().copied().unwrap_or_default()) % hex.len()),
            Self::Changed => {
                let at = body.len() % hex.len();
                let other = if hex.as_bytes().get(at) == Some(&b'0') { "1" } else { "0" };
                hex.replace_range(at..=at, other);
            }
        }
        format!("X-Hub-Signature-256: sha256={hex}\r\n")
    }
}

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let github = preset("github").expect("a preset");
    Signer::preset(github, &Secret::new(SECRET.trim_end())).expect("a secret")
});

/// What a request is made of.
struct Made<'data> {
    method: &'static str,
    path: &'static str,
    is_old: bool,
    hosts: usize,
    connection: &'static str,
    expect: &'static str,
    signature: Signature,
    framing: Framing,
    body: &'data [u8],
}

/// One request.
pub(super) fn request(choices: &mut Choices<'_>) -> Asked {
    let made = Made {
        method: ["POST", "GET", "PUT"][usize::from(choices.of(16).saturating_sub(13))],
        path: ["/hooks/signed", "/hooks/open", "/hooks/signed?a=1", "/hooks/nowhere"][usize::from(choices.of(4))],
        is_old: choices.of(12) == 11,
        hosts: [1, 0, 2][usize::from(choices.of(16).saturating_sub(13))],
        connection: ["", "keep-alive", "close"][usize::from(choices.of(8).saturating_sub(5))],
        expect: ["", "100-continue", "tea"][usize::from(choices.of(9).saturating_sub(6))],
        signature: Signature::chosen(choices),
        framing: Framing::chosen(choices),
        body: {
            let count = usize::from(choices.of(64));
            choices.bytes(count)
        },
    };
    made.asked()
}

impl Made<'_> {
    fn asked(self) -> Asked {
        // Without a length there is no body.
        let body = if self.framing == Framing::Nothing { b"" } else { self.body };
        let (lines, behind) = self.framing.write(body);
        let version = if self.is_old { "HTTP/1.0" } else { "HTTP/1.1" };
        let line = |name: &str, value: &str| match value {
            "" => String::new(),
            value => format!("{name}: {value}\r\n"),
        };
        let head = [
            format!("{} {} {version}\r\n", self.method, self.path),
            "Host: a\r\n".repeat(self.hosts),
            line("Connection", self.connection),
            line("Expect", self.expect),
            self.signature.write(body),
            lines,
            "\r\n".to_owned(),
        ];
        let bytes = [head.concat().as_bytes(), &behind].concat();
        let (answers, is_event, then) = self.outcome(body);
        let source = if self.path == "/hooks/open" { OPEN } else { SIGNED };
        Asked { bytes, answers, event: is_event.then(|| (source, body.to_vec())), then }
    }

    /// Its answers, whether it is an event, and what becomes of the connection.
    fn outcome(&self, body: &[u8]) -> (Vec<u16>, bool, Then) {
        let framing = self.framing;
        let is_chunked = framing.is_chunked();
        if framing == Framing::OtherLengthToo || framing == Framing::PositiveLength || (is_chunked && self.is_old) {
            return (vec![400], false, Then::Closes);
        }
        if self.hosts == 2 || (self.hosts == 0 && !self.is_old) {
            return (vec![400], false, Then::Closes);
        }
        match framing {
            Framing::CompressedChunks => return (vec![501], false, Then::Closes),
            Framing::ChunksOfChunks => return (vec![400], false, Then::Closes),
            _ => {}
        }
        let is_last = self.connection == "close" || (self.is_old && self.connection != "keep-alive");
        let has_body = is_chunked || framing == Framing::TooLong || !body.is_empty();
        if let Some(status) = self.refused_by_head() {
            // Where a body that nobody has read ends is known if its length is, and it comes without being asked for.
            let is_doubtful = has_body && (is_chunked || !self.expect.is_empty());
            let then = match has_body {
                _ if is_last || is_doubtful || framing == Framing::TooLong => Then::Closes,
                true => Then::GoesOnIfItHasCome,
                false => Then::GoesOn,
            };
            return (vec![status], false, then);
        }
        let mut answers = Vec::new();
        if has_body && !self.is_old && self.expect == "100-continue" {
            answers.push(100);
        }
        if framing == Framing::LongerChunk {
            answers.push(400);
            return (answers, false, Then::Closes);
        }
        let is_event = self.path == "/hooks/open" || self.signature != Signature::Changed;
        answers.push(if is_event { 202 } else { 401 });
        let ends = is_last || matches!(framing, Framing::LengthAndChunks | Framing::Trailer);
        (answers, is_event, if ends { Then::Closes } else { Then::GoesOn })
    }

    fn refused_by_head(&self) -> Option<u16> {
        let has_no_proof = matches!(self.signature, Signature::Missing | Signature::CutOff);
        match () {
            () if self.expect == "tea" => Some(417),
            () if self.path == "/hooks/nowhere" => Some(404),
            () if self.method != "POST" => Some(405),
            () if self.framing == Framing::TooLong => Some(413),
            () if self.path != "/hooks/open" && has_no_proof => Some(401),
            () => None,
        }
    }
}
