//! `listen` and `tls` of `[gateway]`: addresses, certificates, proxies.

use std::net::SocketAddr;

use super::sink::readable;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::{CertificateFiles, ListenConfig, TlsConfig};

/// Reads `listen`, and `tls` beside it, which is for the addresses that stand alone; `default` where none is written.
pub(super) fn listeners(table: &mut Table<'_>, default: SocketAddr) -> Vec<ListenConfig> {
    let shared_node = table.get("tls");
    let shared = shared_node.as_ref().and_then(tls);
    let Some(node) = table.get("listen") else {
        return vec![ListenConfig { tls: shared, ..ListenConfig::from(default) }];
    };
    let mut listeners: Vec<ListenConfig> = Vec::new();
    let mut takes_shared = false;
    for item in node.items() {
        let listener = if item.is_table() {
            listener(&item)
        } else {
            takes_shared = true;
            address(&item).map(|address| ListenConfig { tls: shared.clone(), ..ListenConfig::from(address) })
        };
        let Some(listener) = listener else { continue };
        if listeners.iter().any(|known| known.address == listener.address) && listener.address.port() != 0 {
            item.spot.problem("this address is there twice", "write each address once");
        }
        listeners.push(listener);
    }
    if let Some(node) = shared_node.filter(|_| !takes_shared) {
        node.spot.problem(
            "no address takes this: each one in `listen` says itself what it speaks",
            "write it as tls = { … } within `listen`, or the address as a string",
        );
    }
    listeners
}

fn listener(node: &Node<'_>) -> Option<ListenConfig> {
    let mut table = node.table()?;
    let address = table.require("address", "address = \"0.0.0.0:8443\"").and_then(|node| address(&node));
    let tls = table.get("tls").map(|node| tls(&node));
    let proxy_protocol = table.get("proxy_protocol").and_then(|node| node.flag()).unwrap_or(false);
    table.finish();
    let tls = match tls {
        None => None,
        Some(tls) => Some(tls?),
    };
    Some(ListenConfig { address: address?, tls, proxy_protocol })
}

pub(super) fn tls(node: &Node<'_>) -> Option<TlsConfig> {
    let mut table = node.table()?;
    let list = table.get("certificates");
    let certificates = if let Some(list) = list {
        for key in ["cert", "key"] {
            if let Some(node) = table.get(key) {
                node.spot.problem(format!("`{key}` stands beside `certificates`"), "write it as an item of the list");
            }
        }
        list.items().iter().map(certificate).collect()
    } else {
        vec![pair(&mut table)]
    };
    let client_ca = table.get("client_ca").map(|node| readable(&node));
    table.finish();
    let client_ca = match client_ca {
        None => None,
        Some(path) => Some(path?),
    };
    Some(TlsConfig { certificates: certificates.into_iter().collect::<Option<_>>()?, client_ca })
}

fn certificate(node: &Node<'_>) -> Option<CertificateFiles> {
    let mut table = node.table()?;
    let files = pair(&mut table);
    table.finish();
    files
}

fn pair(table: &mut Table<'_>) -> Option<CertificateFiles> {
    let cert = table.require("cert", "cert = \"cert.pem\"").and_then(|node| readable(&node));
    let key = table.require("key", "key = \"key.pem\"").and_then(|node| readable(&node));
    Some(CertificateFiles { cert: cert?, key: key? })
}

pub(super) fn address(node: &Node<'_>) -> Option<SocketAddr> {
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
