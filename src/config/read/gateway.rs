//! `[gateway]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::admin::{admin, default_admin};
use super::listen::listeners;
use super::senders::networks;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::{AdminAddress, AdminConfig, ForwardedHeader, GatewayConfig};

/// `[gateway]`, its defaults where it is not written.
pub(in crate::config) fn gateway(root: &mut Table<'_>) -> GatewayConfig {
    let mut gateway = defaults();
    let Some(mut table) = root.section("gateway") else {
        return gateway;
    };
    gateway.listen = listeners(&mut table, LISTEN);
    proxies(&mut table, &mut gateway);
    gateway.io_threads = table.get("io_threads").and_then(|node| node.threads());
    if let Some(size) = table.get("memory_budget").and_then(|node| node.size(LARGEST_SIZE)) {
        gateway.memory_budget = size as usize;
    }
    if let Some(node) = table.get("max_body") {
        if let Some(max_body) = node.size(LARGEST_BODY) {
            gateway.max_body = max_body as usize;
            check_budget(&node, gateway.max_body, gateway.memory_budget);
        }
    } else if gateway.max_body > gateway.memory_budget
        && let Some(node) = table.get("memory_budget")
    {
        node.spot.problem("this is less than one body of `max_body`", "write at least \"1MiB\", or a smaller max_body");
    }
    if let Some(most) = table.get("max_connections").and_then(|node| node.number(1..=1_000_000)) {
        gateway.max_connections = most as usize;
        gateway.max_connections_per_address = gateway.max_connections.div_ceil(4).max(FEW_CONNECTIONS);
    }
    if let Some(most) = table.get("max_connections_per_address").and_then(|node| node.number(1..=1_000_000)) {
        gateway.max_connections_per_address = most as usize;
    }
    if let Some(most) = table.get("max_requests_per_address").and_then(|node| node.number(1..=1_000_000)) {
        gateway.max_requests_per_address = most as usize;
    }
    if let Some(path) = table.get("health_path").and_then(|node| health_path(&node)) {
        gateway.health_path = path;
    }
    let mut limit = |key, value: &mut Duration| {
        if let Some(duration) = table.get(key).and_then(|node: Node<'_>| node.positive_duration()) {
            *value = duration;
        }
    };
    limit("head_timeout", &mut gateway.head_timeout);
    limit("body_timeout", &mut gateway.body_timeout);
    limit("idle_timeout", &mut gateway.idle_timeout);
    limit("drain_timeout", &mut gateway.drain_timeout);
    if let Some(delay) = table.get("drain_delay").and_then(|node| node.duration()) {
        gateway.drain_delay = delay;
    }
    gateway.deny_private = table.get("deny_private").and_then(|node| node.flag()).unwrap_or(false);
    let address_node = table.get("admin");
    gateway.admin = admin(&mut table);
    if let (Some(AdminConfig { address: AdminAddress::Tcp(address), .. }), Some(node)) = (&gateway.admin, address_node)
        && gateway.listen.iter().any(|listener| listener.address == *address)
        && address.port() != 0
    {
        node.spot.problem("`listen` has this address too", "give the admin listener a port of its own");
    }
    table.finish();
    gateway
}

/// A body that is larger than all memory for bodies could never be taken.
pub(super) fn check_budget(node: &Node<'_>, max_body: usize, memory_budget: usize) {
    if max_body > memory_budget {
        node.spot
            .problem("this is more than [gateway] memory_budget", "write a smaller size, or a larger memory_budget");
    }
}

fn proxies(table: &mut Table<'_>, gateway: &mut GatewayConfig) {
    gateway.trusted_proxies = table.get("trusted_proxies").map(networks).unwrap_or_default();
    let trusts_nobody = table.get("trusted_proxies").is_none();
    if let Some(node) = table.get("forwarded_header") {
        let known = [("X-Forwarded-For", ForwardedHeader::XForwardedFor), ("Forwarded", ForwardedHeader::Forwarded)];
        if let Some(header) = node.choice(&known) {
            gateway.forwarded_header = header;
        }
        if trusts_nobody {
            node.spot
                .problem("nobody is believed who sends this header", "write trusted_proxies = [\"10.0.0.0/8\"] too");
        }
    }
    if trusts_nobody && gateway.listen.iter().any(|listener| listener.proxy_protocol) {
        table.spot.problem(
            "proxy_protocol lets whoever connects choose the address he seems to come from",
            "write trusted_proxies = [\"10.0.0.0/8\"], the addresses of the balancers that may connect",
        );
    }
}

fn health_path(node: &Node<'_>) -> Option<String> {
    let path = node.text()?;
    if path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '{' | '}')) {
        return Some(path.to_owned());
    }
    node.refuse("this is not a path", "write a path without query, as in \"/healthz\"")
}

fn defaults() -> GatewayConfig {
    GatewayConfig {
        listen: vec![LISTEN.into()],
        trusted_proxies: Vec::new(),
        forwarded_header: ForwardedHeader::XForwardedFor,
        io_threads: None,
        max_body: 1 << 20,
        memory_budget: 256 << 20,
        max_connections: 10_000,
        max_connections_per_address: 2_500,
        max_requests_per_address: 1_000,
        health_path: "/healthz".to_owned(),
        head_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(75),
        drain_delay: Duration::ZERO,
        drain_timeout: Duration::from_secs(30),
        deny_private: false,
        admin: Some(default_admin()),
    }
}

/// So many from one address are no attack, whatever `max_connections` is.
const FEW_CONNECTIONS: usize = 256;

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Bodies are addressed with 32 bits.
pub(super) const LARGEST_BODY: u64 = 1 << 30;

/// More than any machine has, and far from overflowing.
pub(super) const LARGEST_SIZE: u64 = 1 << 44;
