//! The header of the PROXY protocol, with which a balancer that passes bytes on names the client.
//!
//! ```text
//! v1   PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n        at most 107 bytes
//! v2   12 bytes of signature, version, family, 2 bytes of length, addresses and more
//! ```
//!
//! What follows belongs to TLS or HTTP: no byte of it is read.

use std::net::SocketAddr;

use ppp::{HeaderResult, v1, v2};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// There is no header, or none that can be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoHeader;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version, family and length.
const HEAD_LENGTH: usize = 16;

/// By the specification.
const V1_MAX: usize = 107;

/// Addresses and what balancers add: theirs are below 300 bytes, unless they pass a client's certificate on.
const V2_MAX: usize = 4096;

/// Reads the header. `None` where it names nobody: the balancer asks for itself.
pub(super) async fn read(stream: &mut TcpStream) -> Result<Option<SocketAddr>, NoHeader> {
    let mut header = Vec::new();
    let mut ahead = [0; 512];
    while let Some(limit) = missing(&header)? {
        let window = ahead.get_mut(..limit.min(512)).ok_or(NoHeader)?;
        // Looked at first, since a v1 header does not say where it ends.
        let count = stream.peek(window).await.map_err(|_| NoHeader)?;
        let seen = window.get(..count).ok_or(NoHeader)?;
        let taken = taken(&header, seen);
        if taken == 0 {
            return Err(NoHeader);
        }
        let window = ahead.get_mut(..taken).ok_or(NoHeader)?;
        stream.read_exact(window).await.map_err(|_| NoHeader)?;
        header.extend_from_slice(window);
    }
    client(&header)
}

/// How many of the bytes that follow `header` belong to it.
pub(super) fn taken(header: &[u8], seen: &[u8]) -> usize {
    let is_line = !header.is_empty() && !header.starts_with(SIGNATURE);
    match seen.iter().position(|byte| *byte == b'\n') {
        Some(at) if is_line => at + 1,
        _ => seen.len(),
    }
}

/// How many bytes more may be read, `None` when the header is whole.
pub(super) fn missing(header: &[u8]) -> Result<Option<usize>, NoHeader> {
    let total = if header.len() < SIGNATURE.len() {
        // Of either form there are as many.
        SIGNATURE.len()
    } else if let Some(fixed) = header.strip_prefix(SIGNATURE) {
        match fixed {
            [_, _, high, low, ..] => HEAD_LENGTH + usize::from(u16::from_be_bytes([*high, *low])),
            _ => HEAD_LENGTH,
        }
    } else if !header.starts_with(b"PROXY ") {
        return Err(NoHeader);
    } else if header.ends_with(b"\n") {
        header.len()
    } else if header.len() < V1_MAX {
        V1_MAX
    } else {
        return Err(NoHeader);
    };
    if total > V2_MAX {
        return Err(NoHeader);
    }
    Ok(total.checked_sub(header.len()).filter(|missing| *missing > 0))
}

/// Whom a whole header names.
pub(super) fn client(header: &[u8]) -> Result<Option<SocketAddr>, NoHeader> {
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(ip) => Some((ip.source_address, ip.source_port).into()),
            v1::Addresses::Tcp6(ip) => Some((ip.source_address, ip.source_port).into()),
            v1::Addresses::Unknown => None,
        }),
        HeaderResult::V2(Ok(header)) => Ok(match (header.command, header.addresses) {
            (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => Some((ip.source_address, ip.source_port).into()),
            (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => Some((ip.source_address, ip.source_port).into()),
            _ => None,
        }),
        _ => Err(NoHeader),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\xc8\x22\x01\xbb";

    /// What is read of these bytes, given in pieces of `step`, and what is left.
    async fn read_of(bytes: &[u8], step: usize) -> (Result<Option<SocketAddr>, NoHeader>, Vec<u8>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let mut client = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("a client");
        let (mut stream, _) = listener.accept().await.expect("a connection");
        client.set_nodelay(true).expect("an option");
        let bytes = bytes.to_vec();
        let sender = std::thread::spawn(move || {
            for piece in bytes.chunks(step) {
                let _ = client.write_all(piece);
            }
            let _ = client.shutdown(std::net::Shutdown::Write);
            client
        });
        let found = read(&mut stream).await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        drop(sender.join());
        (found, rest)
    }

    #[tokio::test]
    async fn both_forms_name_the_client_and_leave_what_follows() {
        let client = || Ok(Some("203.0.113.7:51234".parse().expect("an address")));
        let v1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\nPOST /\n".as_slice();
        let v2 = [V2, b"POST /\n"].concat();
        for step in [1, 5, 12, 16, 200] {
            assert_eq!(read_of(v1, step).await, (client(), b"POST /\n".to_vec()), "{step}");
            assert_eq!(read_of(&v2, step).await, (client(), b"POST /\n".to_vec()), "{step}");
        }
        let unknown = read_of(b"PROXY UNKNOWN\r\nPOST", 9).await;
        assert_eq!(unknown, (Ok(None), b"POST".to_vec()));
        let local = [b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".as_slice(), b"POST"].concat();
        assert_eq!(read_of(&local, 7).await, (Ok(None), b"POST".to_vec()));
    }

    #[tokio::test]
    async fn a_connection_without_a_header_is_not_believed() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        let huge = [SIGNATURE, b"\x21\x11\xff\xff"].concat();
        let cases: [&[u8]; 7] = [
            b"",
            b"POST /hooks/a HTTP/1.1\r\n",
            b"PROXY TCP4 1.2.3.4",
            b"PROXY TCP4 a b 1 2\r\n",
            &long,
            &huge,
            &V2[..20],
        ];
        for bytes in cases {
            assert_eq!(read_of(bytes, 64).await.0, Err(NoHeader), "{bytes:?}");
        }
    }

    #[test]
    fn nothing_is_missing_of_more_than_a_whole_header() {
        assert_eq!(missing(&[SIGNATURE, b"\x21\x11\0\0more"].concat()), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200), v2: bool) {
            let bytes = if v2 { [SIGNATURE, &bytes].concat() } else { [b"PROXY ", bytes.as_slice()].concat() };
            for end in 0..bytes.len() {
                let _ = missing(&bytes[..end]);
            }
            let _ = client(&bytes);
        }
    }
}
