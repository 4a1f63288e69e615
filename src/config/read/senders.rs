//! Where senders may be and how much they may send: addresses, rates, the names in their certificates.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address_list::Lists;
use crate::config::SendersConfig;
use crate::config::node::Node;
use crate::config::table::Table;

/// Reads `allow`, `deny`, `max_rate` and `max_rate_per_address` of a source.
pub(super) fn senders(table: &mut Table<'_>, named: &Lists<'_>) -> SendersConfig {
    let mut lists = Vec::new();
    let mut addresses = |key| table.get(key).map(|node| named.networks(node, key, &mut lists)).unwrap_or_default();
    let (allow, deny) = (addresses("allow"), addresses("deny"));
    let mut rate = |key| table.get(key).and_then(|node| node.number(1..=RATE_MAX)).map(|rate| rate as u32);
    let (max_rate, max_rate_per_address) = (rate("max_rate"), rate("max_rate_per_address"));
    SendersConfig { allow, deny, lists, max_rate, max_rate_per_address }
}

/// Addresses and ranges of them.
pub(super) fn networks(node: Node<'_>) -> Vec<IpNet> {
    node.items().iter().filter_map(network).collect()
}

pub(super) fn network(node: &Node<'_>) -> Option<IpNet> {
    let written = node.text()?;
    if let Ok(address) = written.parse::<IpAddr>() {
        return Some(address.into());
    }
    let help = "write an address, as in \"192.0.2.7\", or a range, as in \"192.0.2.0/24\" or \"2001:db8::/32\"";
    let Ok(network) = written.parse::<IpNet>() else {
        return node.refuse("this is neither an address nor a range of addresses", help);
    };
    if network.trunc() != network {
        return node.refuse("this range does not begin at its first address", format!("write \"{}\"", network.trunc()));
    }
    Some(network)
}

/// Names of which one must stand in the sender's certificate.
pub(super) fn client_names(node: Node<'_>) -> Vec<String> {
    node.items().iter().filter_map(Node::filled_text).map(str::to_ascii_lowercase).collect()
}

/// More than a gateway takes.
const RATE_MAX: u64 = 10_000_000;
