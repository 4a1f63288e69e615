//! An HTTP/1.1 answer, read from however many pieces it arrives in. No I/O: pieces go in, a status comes out.
//!
//! ```text
//! Head ─┬─ content-length ─▶ Sized ──────────────────────────┬─▶ answer
//!       ├─ chunked ────────▶ ChunkSize ⇄ ChunkData, Trailers ─┤
//!       ├─ neither ────────▶ UntilClose ── end() ─────────────┤
//!       ├─ 204, 304 ──────────────────────────────────────────┘
//!       └─ 1xx ────────────▶ Head
//! ```
//! Bodies are counted off, never kept. The reader expects exactly one answer: the client has one request outstanding, so
//! that bytes behind the answer are an error of the server.

use std::fmt;

use httparse::Status;

/// Reads one answer.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    state: State,
    /// The part of a head, chunk size or trailer that has arrived.
    text: Vec<u8>,
    status: u16,
    keep_alive: bool,
}

/// A whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the connection can carry another request.
    pub(crate) keep_alive: bool,
}

/// What came is not an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(String);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// So many bytes of the body are to come.
    Sized(u64),
    ChunkSize,
    /// So many bytes are to come, the line end behind the chunk included.
    ChunkData(u64),
    Trailers,
    UntilClose,
}

impl Reader {
    /// Takes the next bytes; the answer, once it is whole.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<Option<Answer>, Malformed> {
        loop {
            bytes = match self.state {
                State::Head => match self.head(bytes)? {
                    Some((rest, State::Sized(0))) => return self.finish(rest),
                    Some((rest, state)) => {
                        self.state = state;
                        rest
                    }
                    None => return Ok(None),
                },
                State::Sized(left) => match skip(left, bytes) {
                    (0, rest) => return self.finish(rest),
                    (left, _) => {
                        self.state = State::Sized(left);
                        return Ok(None);
                    }
                },
                State::ChunkSize => match self.chunk_size(bytes)? {
                    Some((rest, size)) => {
                        self.state = if size == 0 { State::Trailers } else { State::ChunkData(size.saturating_add(2)) };
                        rest
                    }
                    None => return Ok(None),
                },
                State::ChunkData(left) => match skip(left, bytes) {
                    (0, rest) => {
                        self.state = State::ChunkSize;
                        rest
                    }
                    (left, _) => {
                        self.state = State::ChunkData(left);
                        return Ok(None);
                    }
                },
                State::Trailers => match self.trailers(bytes)? {
                    Some(rest) => return self.finish(rest),
                    None => return Ok(None),
                },
                State::UntilClose => return Ok(None),
            };
        }
    }

    /// The connection has ended. An answer without a length is whole now; any other is cut off.
    pub(crate) fn end(&mut self) -> Option<Answer> {
        (self.state == State::UntilClose).then_some(Answer { status: self.status, keep_alive: false })
    }

    /// The head, if it is whole: what follows it, and how the body is framed.
    fn head<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<(&'b [u8], State)>, Malformed> {
        self.text.extend_from_slice(bytes);
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let Status::Complete(length) = response.parse(&self.text).map_err(|error| malformed("head", &error))? else {
            return self.too_long("head");
        };
        self.status = response.code.unwrap_or_default();
        self.keep_alive = response.version == Some(1);
        let (mut sized, mut chunked) = (None, false);
        for header in response.headers.iter() {
            let name = header.name;
            let value = header.value.trim_ascii();
            if name.eq_ignore_ascii_case("content-length") {
                let size = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
                let size = size.ok_or_else(|| Malformed("the answer's Content-Length is not a number".into()))?;
                if sized.replace(size).is_some_and(|before| before != size) {
                    return Err(Malformed("the answer has two different Content-Lengths".into()));
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = has_token(value, "chunked");
            } else if name.eq_ignore_ascii_case("connection") {
                self.keep_alive = (self.keep_alive || has_token(value, "keep-alive")) && !has_token(value, "close");
            }
        }
        let state = match self.status {
            101 => return Err(Malformed("the server switched to another protocol".into())),
            100..=199 => State::Head,
            204 | 304 => State::Sized(0),
            _ if chunked => State::ChunkSize,
            _ => sized.map_or(State::UntilClose, State::Sized),
        };
        Ok(Some((self.take(length, bytes), state)))
    }

    fn chunk_size<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<(&'b [u8], u64)>, Malformed> {
        self.text.extend_from_slice(bytes);
        match httparse::parse_chunk_size(&self.text) {
            Ok(Status::Complete((length, size))) => Ok(Some((self.take(length, bytes), size))),
            Ok(Status::Partial) => self.too_long("chunk size"),
            Err(error) => Err(malformed("chunk size", &error)),
        }
    }

    fn trailers<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<&'b [u8]>, Malformed> {
        self.text.extend_from_slice(bytes);
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        match httparse::parse_headers(&self.text, &mut headers) {
            Ok(Status::Complete((length, _))) => Ok(Some(self.take(length, bytes))),
            Ok(Status::Partial) => self.too_long("trailer"),
            Err(error) => Err(malformed("trailer", &error)),
        }
    }

    /// Ends an item of `length` bytes of `text`; what of `bytes`, which `text` ends with, lies behind it.
    fn take<'b>(&mut self, length: usize, bytes: &'b [u8]) -> &'b [u8] {
        let behind = self.text.len().saturating_sub(length);
        self.text.clear();
        bytes.get(bytes.len().saturating_sub(behind)..).unwrap_or_default()
    }

    /// Waits for more of an item, within bounds.
    fn too_long<T>(&self, what: &str) -> Result<Option<T>, Malformed> {
        if self.text.len() > MAX_TEXT {
            return Err(Malformed(format!("the answer's {what} is longer than {MAX_TEXT} bytes")));
        }
        Ok(None)
    }

    fn finish(&mut self, rest: &[u8]) -> Result<Option<Answer>, Malformed> {
        let answer = Answer { status: self.status, keep_alive: self.keep_alive };
        *self = Self { text: std::mem::take(&mut self.text), ..Self::default() };
        if rest.is_empty() { Ok(Some(answer)) } else { Err(Malformed("there are bytes behind the answer".into())) }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Counts `bytes` off `left`: what is left then, and the bytes behind.
fn skip(left: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (left - skipped as u64, bytes.get(skipped..).unwrap_or_default())
}

fn has_token(list: &[u8], token: &str) -> bool {
    list.split(|&byte| byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

fn malformed(what: &str, error: &dyn fmt::Debug) -> Malformed {
    Malformed(format!("the answer's {what} is not HTTP/1.1 ({error:?})"))
}

const MAX_HEADERS: usize = 64;

/// Longest head, chunk size or trailer. What one read brings may lie above it.
const MAX_TEXT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Reads `text` whole, in two pieces at every offset, and byte by byte.
    fn read(text: &str) -> Result<Option<Answer>, Malformed> {
        let whole = Reader::default().feed(text.as_bytes());
        for at in 0..=text.len() {
            let (first, second) = text.as_bytes().split_at(at);
            assert_eq!(pieces([first, second]), whole, "cut at {at}: {text:?}");
        }
        assert_eq!(pieces(text.as_bytes().chunks(1)), whole, "byte by byte: {text:?}");
        whole
    }

    fn pieces<'t>(pieces: impl IntoIterator<Item = &'t [u8]>) -> Result<Option<Answer>, Malformed> {
        let mut reader = Reader::default();
        let mut answer = None;
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            if answer.is_some() {
                return Err(Malformed("there are bytes behind the answer".into()));
            }
            answer = reader.feed(piece)?;
        }
        Ok(answer)
    }

    fn answer(status: u16, keep_alive: bool) -> Answer {
        Answer { status, keep_alive }
    }

    #[test]
    fn a_body_of_known_length_is_counted_off() {
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), Ok(Some(answer(200, true))));
        assert_eq!(read("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"), Ok(Some(answer(202, true))));
    }

    #[test]
    fn a_body_that_looks_like_an_answer_is_still_a_body() {
        assert_eq!(
            read("HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\nHTTP/1.1 500 X\r\n\r\n!"),
            Ok(Some(answer(200, true)))
        );
    }

    #[test]
    fn a_chunked_body_is_counted_off() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(read(&format!("{head}5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n")), Ok(Some(answer(200, true))));
        assert_eq!(read(&format!("{head}0\r\nchecksum: 1\r\nother: 2\r\n\r\n")), Ok(Some(answer(200, true))));
    }

    #[test]
    fn chunks_win_over_a_length() {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
        assert_eq!(read(text), Ok(Some(answer(200, true))));
    }

    #[test]
    fn answers_without_a_body_need_no_length() {
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n"), Ok(Some(answer(204, true))));
        assert_eq!(read("HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n"), Ok(Some(answer(304, true))));
    }

    #[test]
    fn an_interim_answer_is_passed_over() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\nno";
        assert_eq!(read(text), Ok(Some(answer(503, true))));
    }

    #[test]
    fn a_connection_that_will_close_is_not_used_again() {
        assert_eq!(
            read("HTTP/1.1 400 Bad\r\nconnection: foo, Close\r\ncontent-length: 0\r\n\r\n"),
            Ok(Some(answer(400, false)))
        );
        assert_eq!(read("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"), Ok(Some(answer(200, false))));
        assert_eq!(
            read("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n"),
            Ok(Some(answer(200, true)))
        );
    }

    #[test]
    fn an_answer_without_a_length_ends_with_the_connection() {
        let mut reader = Reader::default();
        assert_eq!(reader.feed(b"HTTP/1.1 200 OK\r\n\r\nso far"), Ok(None));
        assert_eq!(reader.end(), Some(Answer { status: 200, keep_alive: false }));
    }

    #[test]
    fn an_answer_that_is_cut_off_is_none() {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        for at in 0..text.len() {
            let mut reader = Reader::default();
            assert_eq!(reader.feed(&text.as_bytes()[..at]), Ok(None), "{at}");
            assert_eq!(reader.end(), None, "{at}");
        }
    }

    #[test]
    fn what_is_not_an_answer_is_said_to_be_none() {
        assert!(read("SSH-2.0-OpenSSH\r\n").is_err());
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n").is_err());
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n").is_err());
        assert!(read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n").is_err());
        assert!(read("HTTP/1.1 101 Switching Protocols\r\n\r\n").is_err());
    }

    #[test]
    fn bytes_behind_an_answer_are_an_error() {
        assert!(read("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").is_err());
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxy").is_err());
    }

    #[test]
    fn a_head_without_end_is_given_up() {
        let mut reader = Reader::default();
        reader.feed(b"HTTP/1.1 200 OK\r\nx: ").unwrap();
        let more = [b'x'; 16 * 1024];
        assert!((0..10).any(|_| reader.feed(&more).is_err()));
    }

    #[test]
    fn a_reader_reads_one_answer_after_another() {
        let mut reader = Reader::default();
        for status in [200, 503] {
            let text = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok");
            assert_eq!(reader.feed(text.as_bytes()), Ok(Some(answer(status, true))));
        }
    }
}
