//! Where a body ends: lengths, codings and chunks.

use super::row::{Row, Then, chunked, closes, post, refuses, takes, takes_the_last, waits, with};

/// A body in chunks without a byte.
const NOTHING: &str = "0\r\n\r\n";

pub(super) fn rows() -> Vec<Row> {
    [lengths(), codings(), lengths_and_codings(), sizes_of_chunks(), ends_of_chunks(), trailers(), unread()]
        .into_iter()
        .flatten()
        .collect()
}

/// A post with this length, and two bytes.
fn long(length: &str) -> Vec<u8> {
    post(format!("Content-Length: {length}\r\n\r\n{{}}"))
}

/// A post with this coding, and no byte in chunks.
fn coded(coding: &str) -> Vec<u8> {
    post(format!("Transfer-Encoding: {coding}\r\n\r\n{NOTHING}"))
}

/// A chunk of this size line, its end and the last.
fn sized(line: impl AsRef<[u8]>) -> Vec<u8> {
    chunked([line.as_ref(), b"\r\n{}\r\n0\r\n\r\n"].concat())
}

/// One good chunk and this end.
fn ended(end: impl AsRef<[u8]>) -> Vec<u8> {
    chunked([b"2\r\n{}\r\n", end.as_ref()].concat())
}

fn lengths() -> Vec<Row> {
    vec![
        takes("a length", long("2"), "{}"),
        takes("a length with zeros before it", long("02"), "{}"),
        takes("a length with blanks around it", long(" \t2 \t"), "{}"),
        takes("the same length twice", with("Content-Length: 2"), "{}"),
        closes("two lengths", with("Content-Length: 3"), 400),
        closes("the same length twice in a list", long("2, 2"), 400),
        closes("two lengths in a list", long("2, 3"), 400),
        closes("an empty length", long(""), 400),
        closes("a positive length", long("+2"), 400),
        closes("a negative length", long("-1"), 400),
        closes("a hexadecimal length", long("0x2"), 400),
        closes("a fraction as length", long("2.0"), 400),
        closes("a length with an underscore", long("1_0"), 400),
        closes("a length of two words", long("2 0"), 400),
        closes("a length behind a vertical tab", long("\x0b2"), 400),
        closes("a length in Arabic digits", long("\u{662}"), 400),
        closes("a length of 64 bits and more", long("18446744073709551618"), 400),
        closes("a length that cannot be counted to", long("18446744073709551615"), 431),
        closes("a blank before the length's colon", post("Content-Length : 2\r\n\r\n{}"), 400),
        takes("another header that looks like a length", post("Content_Length: 2\r\n\r\n"), ""),
        waits("a length beyond what follows", long("1000"), 400),
        Row {
            answers: vec![202, 400],
            delivered: vec![""],
            ..closes("a body without a length is the next request", post("\r\n{}"), 400)
        },
    ]
}

fn codings() -> Vec<Row> {
    vec![
        takes("chunks", chunked("2\r\n{}\r\n0\r\n\r\n"), "{}"),
        takes("chunks in capitals", coded("CHUNKED"), ""),
        takes("chunks behind a tab", coded("\tchunked"), ""),
        closes("a coding behind a vertical tab", coded("\x0bchunked"), 400),
        closes("a coding before a vertical tab", coded("chunked\x0b"), 400),
        closes("an unknown coding", coded("xchunked"), 400),
        closes("chunks and a parameter", coded("chunked;q=1"), 400),
        closes("chunks in quotes", coded("\"chunked\""), 400),
        closes("the coding that is none", coded("identity"), 400),
        closes("chunks, then none", coded("chunked, identity"), 400),
        closes("none, then chunks", coded("identity, chunked"), 501),
        closes("chunks, then compressed", coded("chunked, gzip"), 400),
        closes("compressed, then chunks", coded("gzip, chunked"), 501),
        closes("nothing, then chunks", coded(", chunked"), 501),
        closes("chunks, then nothing", coded("chunked,"), 400),
        closes("no coding", coded(""), 400),
        closes("chunks of chunks", coded("chunked, chunked"), 400),
        closes("chunks of chunks in two lines", coded("chunked\r\nTransfer-Encoding: chunked"), 400),
        closes("none before chunks in two lines", coded("identity\r\nTransfer-Encoding: chunked"), 501),
        closes("none after chunks in two lines", coded("chunked\r\nTransfer-Encoding: identity"), 400),
        closes("a coding in a folded line", coded("\r\n chunked"), 400),
        closes("a coding with a high byte", post(b"Transfer-Encoding: chunked\xff\r\n\r\n0\r\n\r\n"), 400),
        closes("a blank before the coding's colon", post("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"), 400),
        takes("another header that looks like a coding", with("Transfer_Encoding: chunked"), "{}"),
        closes(
            "chunks in HTTP/1.0",
            b"POST /hooks/s HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
    ]
}

/// A coding overrides a length (RFC 9112 §6.3), and the connection ends with that request.
fn lengths_and_codings() -> Vec<Row> {
    let smuggled = "0\r\n\r\nPOST /hooks/s HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nsmuggled";
    let length = format!("Content-Length: {}\r\n", smuggled.len());
    vec![
        takes_the_last(
            "a length, then chunks",
            post(format!("{length}Transfer-Encoding: chunked\r\n\r\n{smuggled}")),
            "",
        ),
        takes_the_last(
            "chunks, then a length",
            post(format!("Transfer-Encoding: chunked\r\n{length}\r\n{smuggled}")),
            "",
        ),
        takes_the_last("chunks, then a length of nothing", coded("chunked\r\nContent-Length: 0"), ""),
        takes_the_last("chunks, then a length that is none", coded("chunked\r\nContent-Length: x"), ""),
        closes("an unknown coding and a length", with("Transfer-Encoding: xchunked"), 400),
        closes("the coding that is none and a length", with("Transfer-Encoding: identity"), 400),
        closes("no coding and a length", with("Transfer-Encoding:"), 400),
    ]
}

fn sizes_of_chunks() -> Vec<Row> {
    let many = format!("{}0\r\n\r\n", format!("1;{}\r\na\r\n", "a".repeat(3000)).repeat(20));
    vec![
        takes("a size with zeros before it", sized([b"0".repeat(100), b"2".to_vec()].concat()), "{}"),
        takes("a size before blanks", sized("2 \t"), "{}"),
        takes("a size in capitals", chunked("A\r\n0123456789\r\n0\r\n\r\n"), "0123456789"),
        takes("a size with an extension", sized("2;a=b"), "{}"),
        takes("a size with an extension behind a blank", sized("2 ;a"), "{}"),
        takes("an extension without a name", sized("2;;;"), "{}"),
        takes("an extension with half a quote", sized("2;a=\"b"), "{}"),
        takes("an extension with a NUL", sized("2;\0"), "{}"),
        takes("an extension with a high byte", sized(b"2;\xff"), "{}"),
        closes("an extension with a bare LF", sized("2;a\nb"), 400),
        closes("an extension with a bare CR", sized("2;a\rb"), 400),
        closes("an extension of 20 KB", sized(format!("2;{}", "a".repeat(20_000))), 400),
        closes("extensions of 60 KB together", chunked(many), 400),
        closes("a size behind a blank", sized(" 2"), 400),
        closes("no size", sized(""), 400),
        closes("a positive size", sized("+2"), 400),
        closes("a negative size", sized("-2"), 400),
        closes("a size with 0x", sized("0x2"), 400),
        closes("a size with an underscore", sized("1_0"), 400),
        closes("a size with a letter behind it", sized("2x"), 400),
        closes("a size of two words", sized("2 2"), 400),
        closes("a size of 64 bits and more", sized("10000000000000002"), 400),
        waits("a size beyond what follows", sized("ffffffffffffffff"), 400),
        closes("a size that ends in a bare LF", chunked("2\n{}\r\n0\r\n\r\n"), 400),
        closes("a size that ends in a bare CR", chunked("2\r{}\r\n0\r\n\r\n"), 400),
    ]
}

fn ends_of_chunks() -> Vec<Row> {
    vec![
        closes("a chunk that ends in a bare LF", chunked("2\r\n{}\n0\r\n\r\n"), 400),
        closes("a chunk that ends in a bare CR", chunked("2\r\n{}\r0\r\n\r\n"), 400),
        closes("a chunk without an end", chunked("2\r\n{}0\r\n\r\n"), 400),
        closes("a chunk that is longer than its size", chunked("2\r\n{}x\r\n0\r\n\r\n"), 400),
        closes("no last chunk", ended(""), 400),
        takes("a last chunk of more zeros", ended("000\r\n\r\n"), "{}"),
        takes("a last chunk with an extension", ended("0;a\r\n\r\n"), "{}"),
        closes("a last chunk with a sign", ended("-0\r\n\r\n"), 400),
        closes("a last chunk with 0x", ended("0x0\r\n\r\n"), 400),
        closes("a last chunk that ends in a bare LF", ended("0\n\r\n"), 400),
        closes("a last chunk that ends in a bare CR", ended("0\r\r\n"), 400),
    ]
}

/// Nobody is served by them. Where the bytes behind the last chunk are not just its end, nothing after them is trusted:
/// what is a bare LF to some is the end of all trailers to others.
fn trailers() -> Vec<Row> {
    vec![
        takes_the_last("a trailer", ended("0\r\nX: y\r\n\r\n"), "{}"),
        takes_the_last("a length as trailer", ended("0\r\nContent-Length: 50\r\n\r\n"), "{}"),
        takes_the_last("a coding as trailer", ended("0\r\nTransfer-Encoding: chunked\r\n\r\n"), "{}"),
        takes_the_last("a host as trailer", ended("0\r\nHost: b\r\n\r\n"), "{}"),
        takes_the_last("a trailer of 50 KB", ended(format!("0\r\nX: {}\r\n\r\n", "y".repeat(50_000))), "{}"),
        closes("2,000 trailers", ended(format!("0\r\n{}\r\n", "X: y\r\n".repeat(2000))), 400),
        closes("a trailer without a colon", ended("0\r\nnonsense\r\n\r\n"), 400),
        closes("a trailer with a NUL", ended("0\r\nX: \0\r\n\r\n"), 400),
        closes("a trailer with a bare CR", ended("0\r\nX: a\rb\r\n\r\n"), 400),
        closes("a folded trailer", ended("0\r\nX: a\r\n b\r\n\r\n"), 400),
        closes("a request as trailer", ended("0\r\nGET / HTTP/1.1\r\n\r\n"), 400),
        takes_the_last("a bare LF as the end of trailers", ended("0\r\n\n"), "{}"),
        takes_the_last("a trailer that ends in bare LFs", ended("0\r\nX: y\n\n"), "{}"),
    ]
}

/// Of requests that are refused by their heads.
fn unread() -> Vec<Row> {
    let nowhere = |rest: &str| format!("POST /nowhere HTTP/1.1\r\nHost: a\r\n{rest}").into_bytes();
    vec![
        refuses("a length to nowhere", nowhere("Content-Length: 2\r\n\r\n{}"), 404),
        closes("chunks to nowhere", nowhere("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 404),
        closes("chunks to nowhere and a bare LF", nowhere("Transfer-Encoding: chunked\r\n\r\n0\r\n\n"), 404),
        closes("bad chunks to nowhere", nowhere("Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n"), 404),
        closes(
            "a body that waits to be asked for, to nowhere",
            nowhere("Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
            404,
        ),
        closes(
            "a body that waits to be asked for, without a proof",
            "POST /hooks/signed HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
            401,
        ),
        Row {
            answers: vec![100, 202],
            ..takes("a body that did not wait to be asked for", with("Expect: 100-continue"), "{}")
        },
        takes("no body that could be asked for", post("Expect: 100-continue\r\nContent-Length: 0\r\n\r\n"), ""),
        closes("an expectation that nobody knows", with("Expect: tea"), 417),
        closes("an expectation that nobody knows behind another", with("Expect: 100-continue, tea"), 417),
        Row {
            then: Then::Closes,
            ..refuses(
                "a CONNECT with a body",
                "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 2\r\n\r\n{}",
                405,
            )
        },
    ]
}
