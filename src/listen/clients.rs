//! Whom requests come from, and how much one address may hold at once: connections, requests, unfinished bodies.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderMap;

use super::forwarded::Proxies;
use super::per_address::{Held, PerAddress};
use crate::config::GatewayConfig;
use crate::refusal::Refusal;

/// What all io threads know of clients.
#[derive(Debug)]
pub(crate) struct Clients {
    proxies: Proxies,
    connections: Arc<PerAddress>,
    requests: Arc<PerAddress>,
    unfinished: Arc<PerAddress>,
}

/// What the unfinished bodies of one source may take up of the memory budget. A body is unfinished until its last byte came:
/// a sender can hold its place for as long as the body's time limit, and at no cost of its own.
#[derive(Debug)]
pub(crate) struct SourceShare {
    held: AtomicUsize,
    max: usize,
}

/// The place of one unfinished body in the shares of its source and its address.
#[derive(Debug)]
pub(super) struct Unfinished<'s> {
    source: &'s SourceShare,
    of_source: usize,
    of_address: Held,
}

/// One address may hold so much of the budget, a source twice of it.
const ADDRESS_SHARE: usize = 4;

impl Clients {
    /// Nobody is there yet.
    pub(crate) fn new(config: &GatewayConfig) -> Self {
        Self {
            proxies: Proxies::new(config.trusted_proxies.clone(), config.forwarded_header),
            connections: PerAddress::new(config.max_connections_per_address),
            requests: PerAddress::new(config.max_requests_per_address),
            unfinished: PerAddress::new((config.memory_budget / ADDRESS_SHARE).max(config.max_body)),
        }
    }

    /// Whether this address may say for whom it asks.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.trusts(address)
    }

    /// Whom a request comes from that a trusted proxy sent.
    pub(super) fn client(&self, proxy: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.proxies.client(proxy, headers)
    }

    /// A place for one more connection; `None` if the address has all it may.
    pub(super) fn connection(&self, address: IpAddr) -> Option<Held> {
        self.connections.one(address)
    }

    /// A place for one more request.
    pub(super) fn request(&self, address: IpAddr) -> Option<Held> {
        self.requests.one(address)
    }

    /// A body that is to hold something.
    pub(super) fn unfinished<'s>(&self, address: IpAddr, source: &'s SourceShare) -> Unfinished<'s> {
        Unfinished { source, of_source: 0, of_address: self.unfinished.nothing(address) }
    }
}

impl SourceShare {
    /// The share of a source whose bodies have at most `max_body` bytes, in a gateway of so many sources.
    pub(crate) fn new(memory_budget: usize, max_body: usize, sources: usize) -> Self {
        let share = if sources > 1 { memory_budget * 2 / ADDRESS_SHARE } else { memory_budget };
        Self { held: AtomicUsize::new(0), max: share.max(max_body) }
    }
}

impl Unfinished<'_> {
    /// Holds `bytes` in all from now on.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), Refusal> {
        let more = bytes.saturating_sub(self.of_source);
        let before = self.source.held.fetch_add(more, Ordering::Relaxed);
        self.of_source += more;
        if before.saturating_add(more) > self.source.max || !self.of_address.grow_to(bytes) {
            return Err(Refusal::OverMemoryShare);
        }
        Ok(())
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.source.held.fetch_sub(self.of_source, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_source_nor_an_address_takes_all_for_unfinished_bodies() {
        let unfinished = PerAddress::new(250);
        let (first, second) = (SourceShare::new(1000, 10, 2), SourceShare::new(1000, 10, 2));
        let body = |last: u8, source| Unfinished {
            source,
            of_source: 0,
            of_address: unfinished.nothing([203, 0, 113, last].into()),
        };
        let mut bodies = [body(1, &first), body(2, &first), body(2, &first), body(3, &second), body(2, &second)];
        assert_eq!(bodies[0].grow_to(250), Ok(()));
        assert_eq!(bodies[0].grow_to(251), Err(Refusal::OverMemoryShare), "the address has its part");
        assert_eq!(bodies[1].grow_to(240), Ok(()));
        assert_eq!(bodies[2].grow_to(20), Err(Refusal::OverMemoryShare), "the source has its half");
        assert_eq!(bodies[3].grow_to(250), Ok(()), "which is nothing to the other");
        assert_eq!(bodies[4].grow_to(10), Ok(()));
        drop(bodies);
        assert_eq!(first.held.load(Ordering::Relaxed) + second.held.load(Ordering::Relaxed), 0);
    }
}
