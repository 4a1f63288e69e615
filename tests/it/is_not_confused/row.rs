//! One row of the table: bytes and what they come to.

/// What is sent, and what must come of it.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    /// The statuses that answer it.
    pub(super) answers: Vec<u16>,
    /// The bodies of its events.
    pub(super) delivered: Vec<&'static str>,
    pub(super) then: Then,
}

/// What becomes of the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// What follows is the next request.
    GoesOn,
    /// The gateway closes it and looks at nothing that follows.
    Closes,
    /// What follows belongs to it, and the gateway waits for more until the client ends.
    Waits,
}

/// It is an event with this body.
pub(super) fn takes(name: &'static str, bytes: impl Into<Vec<u8>>, body: &'static str) -> Row {
    Row { name, bytes: bytes.into(), answers: vec![202], delivered: vec![body], then: Then::GoesOn }
}

/// It is one, and the last of its connection.
pub(super) fn takes_the_last(name: &'static str, bytes: impl Into<Vec<u8>>, body: &'static str) -> Row {
    Row { then: Then::Closes, ..takes(name, bytes, body) }
}

/// It is a request that is refused; where it ends is beyond doubt.
pub(super) fn refuses(name: &'static str, bytes: impl Into<Vec<u8>>, status: u16) -> Row {
    Row { name, bytes: bytes.into(), answers: vec![status], delivered: Vec::new(), then: Then::GoesOn }
}

/// It is refused, and the connection with it.
pub(super) fn closes(name: &'static str, bytes: impl Into<Vec<u8>>, status: u16) -> Row {
    Row { then: Then::Closes, ..refuses(name, bytes, status) }
}

/// It is not at its end, whatever follows; refused when the client ends.
pub(super) fn waits(name: &'static str, bytes: impl Into<Vec<u8>>, status: u16) -> Row {
    Row { then: Then::Waits, ..refuses(name, bytes, status) }
}

/// A post with these header lines and what comes after them.
pub(super) fn post(rest: impl AsRef<[u8]>) -> Vec<u8> {
    [b"POST /hooks/s HTTP/1.1\r\nHost: a\r\n", rest.as_ref()].concat()
}

/// A post with this line among its headers, and the body `{}`.
pub(super) fn with(line: impl AsRef<[u8]>) -> Vec<u8> {
    post([line.as_ref(), b"\r\nContent-Length: 2\r\n\r\n{}"].concat())
}

/// A post with this body in chunks.
pub(super) fn chunked(rest: impl AsRef<[u8]>) -> Vec<u8> {
    post([b"Transfer-Encoding: chunked\r\n\r\n", rest.as_ref()].concat())
}

/// A request with this first line, and the body `{}`.
pub(super) fn first_line(line: impl AsRef<[u8]>) -> Vec<u8> {
    [line.as_ref(), b"\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"].concat()
}

/// A post to this target.
pub(super) fn to(target: impl AsRef<[u8]>) -> Vec<u8> {
    first_line([b"POST ", target.as_ref(), b" HTTP/1.1"].concat())
}
