//! Which addresses requests may go to, in whatever form they are written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Which addresses a route or a poll may connect to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Refuse addresses that are within a network rather than on the internet.
    pub deny_private: bool,
    /// Those that are reached all the same.
    pub allow: Vec<IpNet>,
}

impl Reach {
    /// Whether no connection may be made to this address.
    pub(crate) fn refuses(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.deny_private && is_private(address) && !self.allow.iter().any(|range| range.contains(&address))
    }
}

/// Whether no server on the internet has this address: those that the IANA's registries of special-purpose addresses call
/// not globally reachable, and those that stand for one of these.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        // Shared behind a provider's NAT (RFC 6598).
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18)
        // Multicast, reserved, broadcast.
        || a >= 224
        // Within Azure this is the machine's host, which hands out its secrets ("What is IP address 168.63.129.16?").
        || address == Ipv4Addr::new(168, 63, 129, 16)
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // IPv4-mapped, -compatible (`::` and `::1` are 0.0.0.0 and 0.0.0.1 there) and -translated, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => is_private_v4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low))),
        // Protocols' own, Teredo among them, and documentation.
        [0x2001, 0..0x200 | 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => true,
        // Nothing else is given to anybody on the internet (RFC 4291).
        [first, ..] => first & 0xe000 != 0x2000,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_form() {
        for private in [
            "127.0.0.1",
            "127.255.0.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.192",
            "198.19.255.255",
            "203.0.113.1",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::10.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::192.168.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001:0:4136:e378::1",
            "2001:db8::1",
            "3fff:fff::1",
            "5f00::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.1.1",
            "169.253.1.1",
            "168.63.129.17",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "3fff:1000::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn what_is_allowed_is_reached_also_where_it_is_written_as_ipv6() {
        let allow = vec!["10.0.0.0/8".parse().unwrap()];
        let reach = Reach { deny_private: true, allow };
        let refused = ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "127.0.0.1", "1.1.1.1"];
        let refused = refused.map(|address| reach.refuses(address.parse().unwrap()));
        assert_eq!(refused, [false, false, true, true, false]);
        assert!(!Reach::default().refuses("127.0.0.1".parse().unwrap()), "nothing is refused unless that is wanted");
    }
}
