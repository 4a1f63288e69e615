//! What is asked for, how, and of whom.

use super::row::{Row, closes, first_line, post, refuses, takes, to, with};

pub(super) fn rows() -> Vec<Row> {
    [paths(), forms(), methods(), versions(), hosts(), others()].into_iter().flatten().collect()
}

/// A source is found by the exact bytes of its path: nothing is decoded, joined or resolved.
fn paths() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        "//hooks/s",
        "/hooks//s",
        "/hooks/s/",
        "/./hooks/s",
        "/hooks/./s",
        "/hooks/x/../s",
        "/../hooks/s",
        "/hooks/..;/hooks/s",
        "/%68ooks/s",
        "/hooks/%73",
        "/hooks%2fs",
        "/hooks%2Fs",
        "/hooks%5cs",
        "/%2e/hooks/s",
        "/hooks/%2e%2e/hooks/s",
        "/hooks/%252e%252e/hooks/s",
        "/hooks/s%00",
        "/hooks/s%20",
        "/hooks/s%0d%0aX:%20y",
        "/hooks/s%3fx",
        "/hooks/s;x",
        "/hooks;x/s",
        "/hooks/s.",
        "/hooks/s&x",
        "/HOOKS/s",
        "/hooks/S",
        "/hooks/{s}",
        "/hooks/%",
        "/hooks\\s",
        "/x\\..\\hooks/s",
        "/hooks/\u{17f}",
    ]
    .map(|path| refuses(path, to(path), 404))
    .into();
    rows.extend([
        takes("an empty query", to("/hooks/s?"), "{}"),
        takes("a query that looks like a path", to("/hooks/s?/../nowhere"), "{}"),
        // The library cuts fragments off, as they never belong to a request.
        takes("a fragment", to("/hooks/s#/../nowhere"), "{}"),
        closes("a target with a NUL", to("/hooks/s\0"), 400),
        closes("a target with a high byte", to(b"/hooks/s\xff"), 400),
        closes("a target with a blank", to("/hooks/s x"), 400),
        closes("a target with a bare CR", to("/hooks/s\rx"), 400),
        closes("a target of 70 KB", to(format!("/{}", "a".repeat(70_000))), 431),
    ]);
    rows
}

fn forms() -> Vec<Row> {
    vec![
        takes("an absolute target", to("http://a/hooks/s"), "{}"),
        takes("an absolute target with TLS", to("https://a/hooks/s"), "{}"),
        takes("an absolute target of another host counts", to("http://b/hooks/s"), "{}"),
        refuses("an absolute target without a path", to("http://a"), 404),
        closes("an absolute target with a user", to("http://user:password@a/hooks/s"), 400),
        closes("an absolute target without a host", to("http:///hooks/s"), 400),
        closes("an absolute target of another protocol", to("ftp://a/hooks/s"), 400),
        closes("a target that is an authority", to("a:80"), 400),
        closes("a target that is relative", to("hooks/s"), 400),
        refuses("a target that is the whole server", to("*"), 404),
        closes("no target", first_line("POST  HTTP/1.1"), 400),
    ]
}

fn methods() -> Vec<Row> {
    let by = |method: &str| first_line(format!("{method} /hooks/s HTTP/1.1"));
    vec![
        refuses("GET with a body", by("GET"), 405),
        refuses("PUT", by("PUT"), 405),
        refuses("DELETE", by("DELETE"), 405),
        refuses("OPTIONS", by("OPTIONS"), 405),
        refuses("OPTIONS of the whole server", first_line("OPTIONS * HTTP/1.1"), 404),
        refuses("TRACE", by("TRACE"), 405),
        refuses("a method in small letters", by("post"), 405),
        refuses("a method that nobody knows", by("POSTX"), 405),
        closes("CONNECT", first_line("CONNECT a:80 HTTP/1.1"), 405),
        closes("CONNECT to a path", by("CONNECT"), 405),
        closes("a method with a bracket", by("PO(T"), 400),
        closes("a method with a NUL", by("PO\0T"), 400),
        closes("a method with a high byte", by("PO\u{e9}T"), 400),
        closes("no method", first_line(" /hooks/s HTTP/1.1"), 400),
        takes("a method in a header", with("X-HTTP-Method-Override: PUT"), "{}"),
        takes("a path in a header", with("X-Original-URL: /nowhere\r\nX-Rewrite-URL: /nowhere"), "{}"),
    ]
}

fn versions() -> Vec<Row> {
    let version = |version: &str| first_line(format!("POST /hooks/s {version}"));
    vec![
        closes("HTTP/0.9", "POST /hooks/s\r\n\r\n", 400),
        closes("HTTP/0.9 by number", version("HTTP/0.9"), 400),
        closes("HTTP/1.2", version("HTTP/1.2"), 400),
        closes("HTTP/1.10", version("HTTP/1.10"), 400),
        closes("HTTP/01.1", version("HTTP/01.1"), 400),
        closes("HTTP/11", version("HTTP/11"), 400),
        closes("HTTP/2.0", version("HTTP/2.0"), 400),
        closes("http/1.1", version("http/1.1"), 400),
        closes("two blanks before the target", first_line("POST  /hooks/s HTTP/1.1"), 400),
        closes("two blanks behind the target", first_line("POST /hooks/s  HTTP/1.1"), 400),
        closes("tabs", first_line("POST\t/hooks/s\tHTTP/1.1"), 400),
        closes("a blank behind the version", version("HTTP/1.1 "), 400),
        closes("a second version", version("HTTP/1.1 HTTP/1.1"), 400),
    ]
}

fn hosts() -> Vec<Row> {
    let of = |lines: &str| format!("POST /hooks/s HTTP/1.1\r\n{lines}Content-Length: 2\r\n\r\n{{}}").into_bytes();
    vec![
        closes("no host", of(""), 400),
        closes(
            "no host beside an absolute target",
            "POST http://a/hooks/s HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
            400,
        ),
        takes("an empty host", of("Host:\r\n"), "{}"),
        takes("a host and its port", of("Host: hooks.example.com:8080\r\n"), "{}"),
        takes("an address and its port", of("Host: [::1]:8080\r\n"), "{}"),
        closes("two hosts", with("Host: b"), 400),
        closes("the same host twice", with("Host: a"), 400),
        closes("two hosts in a list", of("Host: a, b\r\n"), 400),
        closes("a host with a blank", of("Host: a b\r\n"), 400),
        closes("a host with a user", of("Host: user@a\r\n"), 400),
        closes("a host with a path", of("Host: a/b\r\n"), 400),
        closes("a host with a port that is none", of("Host: a:80b\r\n"), 400),
        closes("a host with two ports", of("Host: a:80:80\r\n"), 400),
        closes("an address without its end", of("Host: [::1\r\n"), 400),
        closes("a host behind an address", of("Host: [::1]a\r\n"), 400),
        closes("a host with a bracket", of("Host: a]\r\n"), 400),
        closes("a host with a high byte", of("Host: \u{e9}\r\n"), 400),
        takes("another host in a header", with("X-Forwarded-Host: b\r\nForwarded: host=b"), "{}"),
    ]
}

/// Rubbish behind what was refused.
fn others() -> Vec<Row> {
    let rubbish = "\x16\x03\x01 GET / HTTP/1.1\r\n\r\n";
    vec![
        Row {
            answers: vec![404, 400],
            ..closes("rubbish behind a request to nowhere", [&*to("/nowhere"), rubbish.as_bytes()].concat(), 400)
        },
        closes("rubbish behind two lengths", [&*with("Content-Length: 3"), rubbish.as_bytes()].concat(), 400),
        closes(
            "a good request behind two hosts",
            [with("Host: b"), post("Content-Length: 8\r\n\r\nsmuggled")].concat(),
            400,
        ),
        Row {
            answers: vec![202, 202],
            delivered: vec!["{}", "other"],
            ..takes("two requests at once", [with("X: y"), post("Content-Length: 5\r\n\r\nother")].concat(), "{}")
        },
    ]
}
