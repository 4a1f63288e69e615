//! `deny_private` and `allow`, of what requests are sent to.

use std::net::IpAddr;

use http::Uri;

use super::senders::networks;
use crate::config::Reach;
use crate::config::node::Node;
use crate::config::table::Table;

/// Reads both keys. `deny_private` is what counts where it is not written here.
pub(super) fn reach(table: &mut Table<'_>, deny_private: bool) -> Reach {
    let deny_private = match table.get("deny_private") {
        // After a value that is none, what stands in `allow` is not wrong too.
        Some(node) => node.flag().unwrap_or(true),
        None => deny_private,
    };
    let allow = table.get("allow");
    if let Some(node) = allow.as_ref().filter(|_| !deny_private) {
        node.spot.problem(
            "any address is allowed, not only these: nothing is refused without deny_private",
            "write deny_private = true beside it, or leave `allow` out",
        );
    }
    Reach { deny_private, allow: allow.map(networks).unwrap_or_default() }
}

/// An address that stands in the URL itself needs no lookup to be refused.
pub(super) fn warn_if_refused(node: &Node<'_>, url: &Uri, reach: &Reach) {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    if let Some(address) = host.parse::<IpAddr>().ok().filter(|address| reach.refuses(*address)) {
        let address = address.to_canonical();
        node.spot.warn(
            format!("{address} is a private address, which deny_private refuses: nothing gets there"),
            format!("write allow = [\"{address}\"] beside it"),
        );
    }
}
