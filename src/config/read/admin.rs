//! The admin listener, which stands in `[gateway]`.

use std::net::{Ipv4Addr, SocketAddr};

use super::listen::{address, tls};
use super::secret::header_secret;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::{AdminAddress, AdminConfig};

/// Where it is if nothing is written.
pub(super) fn default_admin() -> AdminConfig {
    let address = AdminAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)));
    AdminConfig { address, tls: None, token: None, hosts: Vec::new() }
}

/// Reads nothing else of a file.
pub(in crate::config) fn admin_of(root: &mut Table<'_>) -> Option<AdminConfig> {
    match root.section("gateway") {
        Some(mut table) => admin(&mut table),
        None => Some(default_admin()),
    }
}

/// Reads it from the keys of `[gateway]`; `None` where there is to be none.
pub(super) fn admin(table: &mut Table<'_>) -> Option<AdminConfig> {
    let token = table.get("admin_token").and_then(|node| header_secret(&node));
    let tls_node = table.get("admin_tls");
    let tls = tls_node.as_ref().and_then(tls);
    if let (Some(node), Some(tls)) = (&tls_node, &tls)
        && tls.client_ca.is_some()
    {
        node.spot.problem("the admin listener asks for a token, not for a certificate", "leave client_ca out");
    }
    let hosts = table.get("admin_hosts").map(hosts).unwrap_or_default();
    let is_open = |table: &mut Table<'_>| table.get("admin_token").is_none() || table.get("admin_tls").is_none();
    let config = |address| AdminConfig { address, tls, token, hosts };
    let Some(node) = table.get("admin") else {
        return Some(config(default_admin().address));
    };
    if node.as_flag() == Some(false) || (node.is_text() && node.text() == Some("off")) {
        return None;
    }
    let address = admin_address(&node)?;
    if !address.is_of_this_machine() && is_open(table) {
        node.spot.problem(
            "an admin address that others can reach needs a token and TLS",
            "write admin_token = { env = \"HOOKGATE_ADMIN_TOKEN\" } and admin_tls = { cert = \"…\", key = \"…\" }, or listen on \
             127.0.0.1 or \"unix:/run/hookgate/admin.sock\"",
        );
    }
    if let (AdminAddress::Unix(_), Some(node)) = (&address, tls_node) {
        node.spot.problem("a socket in the file system has no TLS", "leave it out: only this user can open the socket");
    }
    Some(config(address))
}

fn admin_address(node: &Node<'_>) -> Option<AdminAddress> {
    match node.text()?.strip_prefix("unix:") {
        Some("") => node.refuse("this names no socket", "write \"unix:/run/hookgate/admin.sock\""),
        Some(path) => Some(AdminAddress::Unix(node.spot.reading().directory.join(path))),
        None => address(node).map(AdminAddress::Tcp),
    }
}

fn hosts(node: Node<'_>) -> Vec<String> {
    let items = node.items();
    items.iter().filter_map(host).collect()
}

fn host(node: &Node<'_>) -> Option<String> {
    let written = node.filled_text()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if !written.chars().all(is_name) {
        return node
            .refuse("this is not the name of a host", "write the name alone, as in \"hooks-admin.example.com\"");
    }
    Some(written.to_ascii_lowercase())
}
