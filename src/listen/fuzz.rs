//! What must hold of any bytes that a connection begins with: they name whom they name, or nobody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::proxy::{client, missing, taken};

/// What may be read at once.
const AHEAD: usize = 512;

/// The header of the PROXY protocol is read as from a socket that has all of `data` ready: to an end, and no byte behind it.
pub(crate) fn proxy_header(data: &[u8]) {
    let mut read = 0;
    loop {
        let header = data.get(..read).expect("what was read");
        let Ok(wanted) = missing(header) else { return };
        let Some(wanted) = wanted else { break };
        assert!(wanted > 0, "nothing is missing of {}", header.escape_ascii());
        let rest = data.get(read..).expect("what was not read");
        let seen = rest.get(..rest.len().min(wanted).min(AHEAD)).expect("a part of the rest");
        let taken = taken(header, seen);
        assert!(taken <= seen.len(), "{taken} bytes of {}", seen.len());
        if taken == 0 {
            return;
        }
        read += taken;
    }
    let header = data.get(..read).expect("what was read");
    assert!(read <= 4096, "{read} bytes");
    let named = client(header);
    if let Ok(named) = named {
        assert_eq!(named, named_by(header), "{}", header.escape_ascii());
    }
    if header.starts_with(b"\r\n") && header.len() == 16 + header.get(13).map_or(0, |family| addresses(*family)) {
        let is_known =
            matches!(header.get(12), Some(0x20 | 0x21)) && matches!(header.get(13), Some(0x00 | 0x11 | 0x21));
        assert!(!is_known || named.is_ok(), "{}", header.escape_ascii());
    }
    if named.is_ok() && header.starts_with(b"PROXY ") {
        let end = header.iter().position(|byte| *byte == b'\n');
        assert_eq!(end, Some(read - 1), "{}", header.escape_ascii());
        assert!(read <= 107, "{read} bytes");
    }
}

/// Bytes of the addresses and ports of this family.
fn addresses(family: u8) -> usize {
    match family >> 4 {
        1 => 12,
        2 => 36,
        3 => 216,
        _ => 0,
    }
}

/// Whom a header names that is one, read by where the specification puts it.
fn named_by(header: &[u8]) -> Option<SocketAddr> {
    if let Ok(line) = std::str::from_utf8(header)
        && line.starts_with("PROXY ")
    {
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let &[_, family @ ("TCP4" | "TCP6"), ip, _, port, _] = words.as_slice() else { return None };
        let ip: IpAddr = ip.parse().expect("an address");
        assert_eq!(family, if ip.is_ipv4() { "TCP4" } else { "TCP6" });
        return Some((ip, port.parse::<u16>().expect("a port")).into());
    }
    let (at, ip): (usize, IpAddr) = match (header.get(12)? & 15, header.get(13)? >> 4) {
        (1, 1) => (24, Ipv4Addr::from(*header.get(16..)?.first_chunk::<4>()?).into()),
        (1, 2) => (48, Ipv6Addr::from(*header.get(16..)?.first_chunk::<16>()?).into()),
        _ => return None,
    };
    Some((ip, u16::from_be_bytes(*header.get(at..)?.first_chunk()?)).into())
}
