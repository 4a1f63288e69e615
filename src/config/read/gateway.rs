//! `[gateway]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::secret::header_secret;
use crate::config::GatewayConfig;
use crate::config::node::Node;
use crate::config::table::Table;

/// `[gateway]`, its defaults where it is not written.
pub(in crate::config) fn gateway(root: &mut Table<'_>) -> GatewayConfig {
    let mut gateway = defaults();
    let Some(mut table) = root.section("gateway") else {
        return gateway;
    };
    if let Some(node) = table.get("listen") {
        gateway.listen = addresses(node);
    }
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
    admin(&mut table, &mut gateway);
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

fn admin(table: &mut Table<'_>, gateway: &mut GatewayConfig) {
    gateway.admin_token = table.get("admin_token").and_then(|node| header_secret(&node));
    let token_is_written = table.get("admin_token").is_some();
    let Some(node) = table.get("admin") else {
        return;
    };
    if node.as_flag() == Some(false) || (node.is_text() && node.text() == Some("off")) {
        gateway.admin = None;
        return;
    }
    let Some(address) = address(&node) else {
        return;
    };
    gateway.admin = Some(address);
    if !address.ip().is_loopback() && !token_is_written {
        node.spot.problem(
            "an admin address that others can reach needs a token",
            "write admin_token = { env = \"HOOKGATE_ADMIN_TOKEN\" }, or listen on 127.0.0.1",
        );
    }
    if gateway.listen.contains(&address) && address.port() != 0 {
        node.spot.problem("`listen` has this address too", "give the admin listener a port of its own");
    }
}

fn addresses(node: Node<'_>) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for item in node.items() {
        let Some(address) = address(&item) else {
            continue;
        };
        if addresses.contains(&address) && address.port() != 0 {
            item.spot.problem("this address is there twice", "write each address once");
        }
        addresses.push(address);
    }
    addresses
}

fn address(node: &Node<'_>) -> Option<SocketAddr> {
    let written = node.text()?;
    if let Ok(address) = written.parse() {
        return Some(address);
    }
    let port = written.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or(8080);
    node.refuse(
        "this is not an address",
        format!("write an IP address and a port, as in \"0.0.0.0:{port}\" or \"127.0.0.1:{port}\""),
    )
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
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
        io_threads: None,
        max_body: 1 << 20,
        memory_budget: 256 << 20,
        max_connections: 10_000,
        health_path: "/healthz".to_owned(),
        head_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(75),
        drain_delay: Duration::ZERO,
        drain_timeout: Duration::from_secs(30),
        admin: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9090))),
        admin_token: None,
    }
}

/// Bodies are addressed with 32 bits.
pub(super) const LARGEST_BODY: u64 = 1 << 30;

/// More than any machine has, and far from overflowing.
pub(super) const LARGEST_SIZE: u64 = 1 << 44;
