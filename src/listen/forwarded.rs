//! The address that a request comes from, told by the proxies it came through.
//!
//! Each proxy adds whom it was asked by on the right. Read from there, the first that is no trusted proxy is the client;
//! what stands to its left, anybody may have written, also so that nobody can read it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::config::ForwardedHeader;

/// Which proxies are believed, and where they say for whom they ask.
#[derive(Debug)]
pub(super) struct Proxies {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
}

/// The last hop of a header's value, and what stands to its left.
type LastHop = fn(&[u8]) -> Hop<'_>;

/// Whom one proxy says it was asked by.
struct Hop<'a> {
    /// `None` if nobody can read it.
    address: Option<IpAddr>,
    left: Option<&'a [u8]>,
}

/// Whoever a proxy cannot or does not want to name. It may not send where only some may, nor where some may not.
pub(super) const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Proxies {
    pub(super) fn new(trusted: Vec<IpNet>, header: ForwardedHeader) -> Self {
        Self { trusted, header }
    }

    /// Whether this address is a trusted proxy's.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// Whom a trusted proxy asks for: itself, if it says nothing.
    pub(super) fn client(&self, proxy: IpAddr, headers: &HeaderMap) -> IpAddr {
        let (name, last_hop): (_, LastHop) = match self.header {
            ForwardedHeader::XForwardedFor => (X_FORWARDED_FOR, listed),
            ForwardedHeader::Forwarded => (FORWARDED, element),
        };
        let mut client = proxy;
        for value in headers.get_all(name).iter().rev() {
            let mut unread = Some(value.as_bytes());
            while let Some(value) = unread {
                let hop = last_hop(value);
                let Some(address) = hop.address else { return UNKNOWN };
                client = address;
                if !self.trusts(client) {
                    return client;
                }
                unread = hop.left;
            }
        }
        client
    }
}

/// `203.0.113.7, 10.0.0.1`
fn listed(value: &[u8]) -> Hop<'_> {
    let (left, hop) = split_before(value, value.iter().rposition(|&byte| byte == b','));
    Hop { address: std::str::from_utf8(hop).ok().and_then(node), left }
}

/// `for=203.0.113.7;proto=https, for="[2001:db8::1]:4711"`
fn element(value: &[u8]) -> Hop<'_> {
    let (left, element) = split_before(value, last_unquoted(value, b','));
    Hop { address: std::str::from_utf8(element).ok().and_then(forwarded_for), left }
}

/// What stands on both sides of the separator there.
fn split_before(value: &[u8], separator: Option<usize>) -> (Option<&[u8]>, &[u8]) {
    match separator.and_then(|at| value.split_at_checked(at)) {
        Some((left, right)) => (Some(left), right.get(1..).unwrap_or_default()),
        None => (None, value),
    }
}

/// A quoted text may contain both separators: an element whose quotes do not end is doubtful.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = split_unquoted(element, ';')?;
    let mut named = pairs.iter().filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    });
    let first = named.next()?;
    // Twice would mean that one of the two is not the proxy's.
    if named.next().is_some() { None } else { node(first) }
}

/// Where the last separator outside quotes stands, looked for from the right, so that a quote that somebody began on the left and did not end
/// takes in nothing of what others have added.
fn last_unquoted(text: &[u8], separator: u8) -> Option<usize> {
    let mut quoted = false;
    text.iter().enumerate().rev().find_map(|(at, &byte)| {
        if byte == b'"' && !(quoted && is_escaped(text, at)) {
            quoted = !quoted;
        }
        (byte == separator && !quoted).then_some(at)
    })
}

/// Whether an odd number of backslashes stands before it.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let before = text.iter().take(at).rev();
    before.take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                parts.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (!quoted).then_some(parts)
}

/// An address, with or without port, brackets and quotes.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip())).ok()?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: ForwardedHeader, values: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().expect("a network")).to_vec();
        let proxies = Proxies::new(trusted, header);
        let mut headers = HeaderMap::new();
        let name = if header == ForwardedHeader::Forwarded { FORWARDED } else { X_FORWARDED_FOR };
        for value in values {
            headers.append(&name, value.parse().expect("a value"));
        }
        proxies.client("10.0.0.1".parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn the_client_is_the_last_that_no_trusted_proxy_wrote_about_itself() {
        let client = |values: &[&str]| client(ForwardedHeader::XForwardedFor, values);
        assert_eq!(client(&[]), "10.0.0.1");
        assert_eq!(client(&["203.0.113.7"]), "203.0.113.7");
        assert_eq!(client(&["192.0.2.1, 203.0.113.7, 10.1.1.1"]), "203.0.113.7", "the left one is anybody's word");
        assert_eq!(client(&["192.0.2.1", "203.0.113.7", "10.1.1.1,10.2.2.2"]), "203.0.113.7");
        assert_eq!(client(&["203.0.113.7:4711, [2001:db8:1::9]:443"]), "203.0.113.7");
        assert_eq!(client(&["::ffff:203.0.113.7"]), "203.0.113.7");
        assert_eq!(client(&["10.3.3.3"]), "10.3.3.3");
        assert_eq!(client(&["\u{ff}, 203.0.113.7"]), "203.0.113.7", "nor does it matter what it is");
        for unreadable in ["unknown", "", "192.0.2.1, ", ",10.1.1.1", "192.0.2.1, nonsense", "\u{ff}"] {
            assert_eq!(client(&[unreadable]), UNKNOWN.to_string(), "{unreadable}");
        }
    }

    #[test]
    fn forwarded_is_read_with_its_quotes() {
        let of_all = |values: &[&str]| client(ForwardedHeader::Forwarded, values);
        let client = |value: &str| of_all(&[value]);
        assert_eq!(client("for=203.0.113.7;proto=https;by=10.0.0.1"), "203.0.113.7");
        assert_eq!(client("For=\"[2001:db8::7]:4711\", for=10.2.2.2"), "2001:db8::7");
        assert_eq!(client("for=192.0.2.1;host=\"a, for=192.0.2.2\", for=203.0.113.7"), "203.0.113.7");
        assert_eq!(client("for=10.1.1.1;host=\"a, for=192.0.2.2\""), "10.1.1.1", "what is quoted is no element");
        assert_eq!(
            client("for=10.1.1.1;host=\"a\\\", for=192.0.2.2\""),
            "10.1.1.1",
            "nor what is behind a quote in it"
        );
        assert_eq!(of_all(&["for=192.0.2.1, for=203.0.113.7", "for=10.1.1.1", "for=10.2.2.2"]), "203.0.113.7");
        assert_eq!(
            of_all(&["for=\"192.0.2.1", "for=203.0.113.7;host=\"a\""]),
            "203.0.113.7",
            "a quote ends with its header"
        );
        for unreadable in ["x=\"", "\u{ff}\"", "for=\"192.0.2.1\\\"", "\"\\\\\"\""] {
            assert_eq!(client(&format!("{unreadable}, for=203.0.113.7")), "203.0.113.7", "{unreadable}");
        }
        let begun = "for=192.0.2.1;host=\"a, for=10.1.1.1";
        for doubtful in
            ["for=_hidden", "for=\"", begun, "for=1.2.3.4;for=5.6.7.8", "proto=https", "for=1.2.3.4;host=\"a\\\""]
        {
            assert_eq!(client(doubtful), UNKNOWN.to_string(), "{doubtful}");
        }
    }
}
