//! The same of HTTP/2, where frames say where a body ends, and a head is a list of names and values that may be anything.

use super::{delivered_since, start_encrypted};
use crate::encrypted::{
    Authority, CONTINUATION, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, POST, PRIORITY, RST_STREAM,
    SETTINGS, frame,
};
use crate::processor::Processor;

const DATA: u8 = 0;
const PUSH_PROMISE: u8 = 5;
const WINDOW_UPDATE: u8 = 8;
const PADDED: u8 = 8;

/// Frames, and what comes of the stream 1.
type Row = (&'static str, Vec<u8>, Comes);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// An event with this body.
    Event(&'static str),
    /// An answer with this status.
    Refused(u16),
    /// Nothing: the stream is reset.
    Reset,
    /// Nothing: the connection ends.
    End,
}

use Comes::{End, Event, Refused, Reset};

/// No field of an answer may refer to an earlier one.
const NO_TABLE: &[u8] = &[0, 1, 0, 0, 0, 0];

/// What follows each row, on a stream of its own.
const SECOND: u32 = 101;

#[test]
fn by_frames_and_fields() {
    let processor = Processor::start();
    let authority = Authority::new();
    let gateway = start_encrypted(&authority, &processor);
    let rows = [fields(), pseudo_fields(), hosts(), lengths(), trailers(), streams(), frames()].concat();
    let mut wrong = Vec::new();
    for (name, bytes, expected) in rows {
        let before = processor.received().len();
        let mut client = Frames::connect(gateway.address, &authority);
        let second = [head(SECOND, &[]), frame(DATA, END_STREAM, SECOND, b"second")].concat();
        let _ = client.send(&[frame(SETTINGS, 0, 0, NO_TABLE), bytes, second].concat());
        let (first, second) = came_of(&mut client);
        let mut delivered = Vec::new();
        delivered.extend(if let Event(body) = expected { Some(body) } else { None });
        delivered.extend((expected != End).then_some("second"));
        delivered.sort_unstable();
        let expected = match expected {
            Event(_) => (Some(202), Some(202)),
            Refused(status) => (Some(status), Some(202)),
            Reset => (None, Some(202)),
            End => (None, None),
        };
        let bodies = delivered_since(before, &gateway, &processor);
        if (first, second) != expected || bodies != delivered {
            wrong.push(format!("{name}: {first:?} and {second:?} for {expected:?}, {bodies:?} delivered"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The statuses that answer the stream 1 and the second; `None` for what is reset or ends with the connection.
fn came_of(client: &mut Frames) -> (Option<u16>, Option<u16>) {
    let mut came = [None; 2];
    while came[1].is_none() {
        let Some((kind, _, stream, payload)) = client.next() else { break };
        let of = &mut came[usize::from(stream == SECOND)];
        match kind {
            HEADERS => *of = of.or(Some(Some(status_of(&payload)))),
            RST_STREAM => *of = of.or(Some(None)),
            GOAWAY => break,
            _ => {}
        }
    }
    // Streams are answered in any order. What follows is answered, so the first is or is not by the time of a ping's answer.
    if came[0].is_none() && came[1].is_some() && client.send(&frame(PING, 0, 0, b"answered")).is_ok() {
        while let Some((kind, _, stream, payload)) = client.next() {
            match (kind, stream) {
                (HEADERS, 1) => came[0] = Some(Some(status_of(&payload))),
                (PING, _) if payload == b"answered" => break,
                _ => {}
            }
        }
    }
    (came[0].flatten(), came[1].flatten())
}

/// The status in a block of HPACK (RFC 7541), of which it is the first field.
fn status_of(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match block {
        // A change of the table's size may come first.
        [0x20..=0x3f, rest @ ..] => status_of(rest),
        [index @ 0x88..=0x8e, ..] => INDEXED[usize::from(index - 0x88)],
        [0x08 | 0x48, 0x03, digits @ ..] => std::str::from_utf8(&digits[..3]).unwrap().parse().unwrap(),
        [0x08 | 0x48, length, text @ ..] => {
            let bits =
                text[..usize::from(length & 0x7f)].iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
            let mut bits = bits.map(u16::from);
            // 0, 1 and 2 have five bits, the other digits six.
            let mut digit = || match (0..5).fold(0, |so_far, _| so_far << 1 | bits.next().unwrap()) {
                small @ 0..=2 => small,
                large => (large << 1 | bits.next().unwrap()) - 22,
            };
            (0..3).fold(0, |so_far, _| so_far * 10 + digit())
        }
        other => panic!("no status in {other:?}"),
    }
}

/// Fields in HPACK, without indexing.
fn fields_of(fields: &[(&str, &str)]) -> Vec<u8> {
    let field = |(name, value): &(&str, &str)| {
        [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
    };
    fields.iter().flat_map(field).collect()
}

/// The head of a post, with these fields too. Its body is to come.
fn head(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &[POST, &fields_of(more)].concat())
}

/// A request of these fields alone, without a body.
fn request(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields_of(fields))
}

/// A post with these fields too, and the body `{}`.
fn post(more: &[(&str, &str)]) -> Vec<u8> {
    [head(1, more), frame(DATA, END_STREAM, 1, b"{}")].concat()
}

const METHOD: (&str, &str) = (":method", "POST");
const SCHEME: (&str, &str) = (":scheme", "https");
const PATH: (&str, &str) = (":path", "/hooks/s");
const AUTHORITY: (&str, &str) = (":authority", "a");

/// What cannot be a field is refused with its connection, as if it could not have been decoded.
fn fields() -> Vec<Row> {
    let many: Vec<_> = vec![("x", "y"); 600];
    vec![
        ("a post", post(&[]), Event("{}")),
        ("a name in capitals", post(&[("X", "y")]), End),
        ("an empty name", post(&[("", "y")]), End),
        ("a name with a colon", post(&[("x:", "y")]), End),
        ("a name with a blank", post(&[("x ", "y")]), End),
        ("a name with a line's end", post(&[("x\r\ntransfer-encoding", "chunked")]), End),
        ("a value with a line's end", post(&[("x", "y\r\ntransfer-encoding: chunked")]), End),
        ("a value with a bare LF", post(&[("x", "y\nz: z")]), End),
        ("a value with a NUL", post(&[("x", "\0")]), End),
        ("a connection", post(&[("connection", "close")]), Reset),
        ("a connection that is kept", post(&[("keep-alive", "timeout=5")]), Reset),
        ("a proxy's connection", post(&[("proxy-connection", "close")]), Reset),
        ("a coding", post(&[("transfer-encoding", "chunked")]), Reset),
        ("an upgrade", post(&[("upgrade", "h2c")]), Reset),
        ("trailers that are taken", post(&[("te", "trailers")]), Event("{}")),
        ("codings that are taken", post(&[("te", "gzip")]), Reset),
        ("an expectation that nobody knows", post(&[("expect", "tea")]), Refused(417)),
        ("600 fields", post(&many), Refused(431)),
    ]
}

fn pseudo_fields() -> Vec<Row> {
    let with = |more: &[(&str, &str)]| request(&[&[METHOD, SCHEME, PATH, AUTHORITY], more].concat());
    let to = |path: &str| request(&[METHOD, SCHEME, (":path", path), AUTHORITY]);
    let by = |method: &str| request(&[(":method", method), SCHEME, PATH, AUTHORITY]);
    vec![
        ("all of them", with(&[]), Event("")),
        ("no method", request(&[SCHEME, PATH, AUTHORITY]), Reset),
        ("no scheme", request(&[METHOD, PATH, AUTHORITY]), Reset),
        ("no path", request(&[METHOD, SCHEME, AUTHORITY]), Reset),
        ("two methods", with(&[(":method", "GET")]), Reset),
        ("two paths", with(&[(":path", "/nowhere")]), Reset),
        ("two authorities", with(&[(":authority", "b")]), Reset),
        ("a status", with(&[(":status", "200")]), Reset),
        ("one that nobody knows", with(&[(":x", "y")]), End),
        ("one behind the others", request(&[METHOD, SCHEME, AUTHORITY, ("x", "y"), PATH]), Reset),
        ("another scheme", request(&[METHOD, (":scheme", "ftp"), PATH, AUTHORITY]), Refused(400)),
        ("a scheme that is none", request(&[METHOD, (":scheme", "https://a/?"), PATH, AUTHORITY]), Reset),
        ("an empty path", to(""), Reset),
        ("a path that is relative", to("hooks/s"), Reset),
        ("a path with a host", to("https://a/hooks/s"), Reset),
        ("a path with a blank", to("/hooks/s HTTP/1.1"), Reset),
        ("a path with a line's end", to("/hooks/s HTTP/1.1\r\nx: y"), Reset),
        ("a path with a NUL", to("/hooks/s\0"), Reset),
        ("a path with a double slash", to("//hooks/s"), Refused(404)),
        ("a path with a detour", to("/x/../hooks/s"), Refused(404)),
        ("a path with an escape", to("/hooks/%73"), Refused(404)),
        ("the whole server", to("*"), Refused(404)),
        ("GET", by("GET"), Refused(405)),
        ("TRACE", by("TRACE"), Refused(405)),
        ("a method in small letters", by("post"), Refused(405)),
        ("a method with a blank", by("POST /hooks/s"), End),
        ("a tunnel", request(&[(":method", "CONNECT"), (":authority", "a:80")]), Refused(405)),
        ("a tunnel with a path", by("CONNECT"), Reset),
        ("a tunnel for WebSocket", with(&[(":protocol", "websocket")]), Reset),
    ]
}

fn hosts() -> Vec<Row> {
    let of = |authority: &str| request(&[METHOD, SCHEME, PATH, (":authority", authority)]);
    vec![
        ("a host that is the authority", post(&[("host", "A")]), Event("{}")),
        ("a host that is another", post(&[("host", "b")]), Refused(400)),
        ("two hosts", post(&[("host", "a"), ("host", "a")]), Refused(400)),
        ("a host and no authority", request(&[METHOD, SCHEME, PATH, ("host", "a")]), Event("")),
        ("neither host nor authority", request(&[METHOD, SCHEME, PATH]), Refused(400)),
        ("an authority with a user", of("user@a"), Refused(400)),
        ("an authority with a path", of("a/b"), Reset),
        ("an authority with a blank", of("a b"), Reset),
        ("an authority with two ports", of("a:80:80"), Reset),
    ]
}

fn lengths() -> Vec<Row> {
    let long = |length: &str| post(&[("content-length", length)]);
    let nothing = [POST, &fields_of(&[("content-length", "2")])].concat();
    vec![
        ("the right length", long("2"), Event("{}")),
        ("a length that is too small", long("1"), Reset),
        ("a length that is too large", long("3"), Reset),
        ("a length of no body", frame(HEADERS, END_HEADERS | END_STREAM, 1, &nothing), Reset),
        ("a length with a sign", long("+2"), Reset),
        ("a negative length", long("-2"), Reset),
        ("a length that is none", long("x"), Reset),
        ("two lengths", post(&[("content-length", "2"), ("content-length", "3")]), Reset),
        ("two lengths in a list", long("2, 2"), Reset),
        ("a length of 64 bits and more", long("18446744073709551618"), Reset),
    ]
}

fn trailers() -> Vec<Row> {
    let trailing = |flags: u8, fields: &[(&str, &str)]| {
        let body = [head(1, &[]), frame(DATA, 0, 1, b"{}")].concat();
        [body, frame(HEADERS, END_HEADERS | flags, 1, &fields_of(fields))].concat()
    };
    vec![
        ("a trailer", trailing(END_STREAM, &[("x", "y")]), Event("{}")),
        ("a length as trailer", trailing(END_STREAM, &[("content-length", "50")]), Event("{}")),
        // Trailers are dropped unseen, these too.
        ("a path as trailer", trailing(END_STREAM, &[PATH]), Event("{}")),
        ("a trailer in capitals", trailing(END_STREAM, &[("X", "y")]), End),
        ("a trailer that does not end it", trailing(0, &[("x", "y")]), Reset),
    ]
}

fn streams() -> Vec<Row> {
    let of = |stream: u32| frame(HEADERS, END_HEADERS | END_STREAM, stream, POST);
    vec![
        ("a stream of the server's", of(2), End),
        ("the connection as a stream", of(0), End),
        ("a stream that is behind another", [of(3), of(1)].concat(), End),
        ("a body without a head", frame(DATA, END_STREAM, 1, b"{}"), End),
        ("a body of the connection", frame(DATA, END_STREAM, 0, b"{}"), End),
        ("a reset without a head", frame(RST_STREAM, 0, 1, &[0; 4]), End),
        ("a promise", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x83]), End),
    ]
}

fn frames() -> Vec<Row> {
    let other = [frame(HEADERS, 0, 1, POST), frame(PING, 0, 0, &[0; 8]), frame(CONTINUATION, END_HEADERS, 1, b"")];
    vec![
        ("a frame that nobody knows", [frame(0xfe, 0xff, 1, b"?"), post(&[])].concat(), Event("{}")),
        ("padding", [head(1, &[]), frame(DATA, END_STREAM | PADDED, 1, b"\x03{}\0\0\0")].concat(), Event("{}")),
        ("more padding than frame", [head(1, &[]), frame(DATA, END_STREAM | PADDED, 1, b"\x06{}\0\0\0")].concat(), End),
        ("a frame within a head", other.concat(), End),
        ("the rest of no head", frame(CONTINUATION, END_HEADERS, 1, POST), End),
        ("a head that cannot be decoded", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 8]), End),
        ("a field of no table", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xfe]), End),
        ("a frame above its limit", frame(DATA, 0, 1, &[0; 20_000]), End),
        ("half a setting", frame(SETTINGS, 0, 0, &[0; 5]), End),
        ("a setting of a stream", frame(SETTINGS, 0, 1, &[]), End),
        ("half a ping", frame(PING, 0, 0, &[0; 7]), End),
        ("half a priority", [head(1, &[]), frame(PRIORITY, 0, 1, &[0; 4])].concat(), End),
        ("a window of nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), End),
        ("a window of more than 31 bits", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), End),
        ("HTTP/1.1", b"POST /hooks/s HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nsmuggled".to_vec(), End),
    ]
}
