//! Where a line ends, and what may stand in a name and a value.

use super::row::{Row, Then, closes, first_line, post, takes, with};

pub(super) fn rows() -> Vec<Row> {
    [ends_of_lines(), names(), values(), sizes(), connections()].into_iter().flatten().collect()
}

/// A bare LF in a head is a line's end, as RFC 9112 §2.2 allows. A bare CR is nothing.
fn ends_of_lines() -> Vec<Row> {
    let whole = with("X: y");
    let bare = |end: &str| String::from_utf8(whole.clone()).unwrap().replace("\r\n", end).into_bytes();
    vec![
        takes("lines that end in a bare LF", bare("\n"), "{}"),
        takes("a line that ends in a bare LF", with("X: y\nZ: z"), "{}"),
        closes("lines that end in a bare CR", bare("\r"), 400),
        closes("lines that end in CR CR LF", bare("\r\r\n"), 400),
        closes("lines that end in LF CR", bare("\n\r"), 400),
        takes("a length that ends in a bare LF", post("Content-Length: 2\n\r\n{}"), "{}"),
        Row {
            answers: vec![202, 400],
            delivered: vec!["\r{"],
            ..closes("a head that ends in LF CRLF CR", post("Content-Length: 2\n\r\n\r{}"), 400)
        },
        closes("a header behind a bare CR", with("X: y\rTransfer-Encoding: chunked"), 400),
        takes("empty lines before it", [b"\r\n\r\n", &*whole].concat(), "{}"),
        closes("a blank before it", [b" ", &*whole].concat(), 400),
        closes("a NUL before it", [b"\0", &*whole].concat(), 400),
        closes("a folded line", with("X: y\r\n z"), 400),
        closes("a line folded by a tab", with("X: y\r\n\tz"), 400),
        closes("a first header that is folded", first_line("POST /hooks/s HTTP/1.1\r\n X: y"), 400),
        closes("a host that is folded", with("X: y\r\n Host: b"), 400),
    ]
}

fn names() -> Vec<Row> {
    vec![
        closes("a blank before a colon", with("X : y"), 400),
        closes("a tab before a colon", with("X\t: y"), 400),
        closes("a line without a colon", with("nonsense"), 400),
        closes("a line without a name", with(": y"), 400),
        closes("a name with a NUL", with("X\0: y"), 400),
        closes("a name with a high byte", with(b"X\xe9: y"), 400),
        closes("a name with a bracket", with("X(: y"), 400),
        closes("a name with a blank", with("X Y: y"), 400),
        closes("a name in quotes", with("\"X\": y"), 400),
        closes("a length behind a NUL", post("\0Content-Length: 2\r\n\r\n{}"), 400),
        takes("a name of all that a name may have", with("!#$%&'*+-.^_`|~09azAZ: y"), "{}"),
    ]
}

fn values() -> Vec<Row> {
    vec![
        takes("an empty value", with("X:"), "{}"),
        takes("a value with a tab", with("X: y\tz"), "{}"),
        takes("a value with high bytes", with(b"X: \xff\x80"), "{}"),
        closes("a value with a NUL", with("X: \0"), 400),
        closes("a value with a control character", with("X: \x01"), 400),
        closes("a value with a DEL", with("X: \x7f"), 400),
        closes("a value with a bare CR", with("X: y\rz"), 400),
        closes("a value with an escape", with("X: \x1b[0m"), 400),
    ]
}

fn sizes() -> Vec<Row> {
    let headers = |count: usize| (0..count).map(|at| format!("X-{at}: y")).collect::<Vec<_>>().join("\r\n");
    vec![
        takes("100 headers", with(headers(98)), "{}"),
        closes("101 headers", with(headers(99)), 431),
        closes("1,000 headers of one name", with(vec!["X: y"; 1000].join("\r\n")), 431),
        takes("a value of 60 KB", with(format!("X: {}", "y".repeat(60_000))), "{}"),
        closes("a value of 70 KB", with(format!("X: {}", "y".repeat(70_000))), 431),
        closes("a name of 70 KB", with(format!("{}: y", "x".repeat(70_000))), 431),
        closes("a head of 70 KB without an end", post(format!("X: {}", "y".repeat(70_000))), 431),
    ]
}

fn connections() -> Vec<Row> {
    let old = |lines: &str| format!("POST /hooks/s HTTP/1.0\r\n{lines}Content-Length: 2\r\n\r\n{{}}").into_bytes();
    let closing = |row: Row| Row { then: Then::Closes, ..row };
    vec![
        closing(takes("a client that is done", with("Connection: close"), "{}")),
        closing(takes("a client that is done and is not", with("Connection: keep-alive\r\nConnection: close"), "{}")),
        closing(takes("a client that is done, in a list", with("Connection: x, close"), "{}")),
        takes("a length that is said to be of the connection", with("Connection: content-length"), "{}"),
        takes("a host that is said to be of the connection", with("Connection: host, x"), "{}"),
        closing(takes("HTTP/1.0", old("Host: a\r\n"), "{}")),
        closing(takes("HTTP/1.0 without a host", old(""), "{}")),
        takes("HTTP/1.0 on a connection that is kept", old("Host: a\r\nConnection: keep-alive\r\n"), "{}"),
        takes(
            "an upgrade to HTTP/2",
            with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"),
            "{}",
        ),
        takes("an upgrade to WebSocket", with("Connection: Upgrade\r\nUpgrade: websocket"), "{}"),
        closes("a handshake of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        closes("a PROXY header", [b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", &*with("X: y")].concat(), 400),
    ]
}
