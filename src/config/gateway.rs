//! `[gateway]`: addresses, threads and limits.

use std::time::Duration;

use ipnet::IpNet;

use super::{AdminConfig, ForwardedHeader, ListenConfig};

/// Addresses, threads and limits of the gateway itself.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where providers connect to.
    pub listen: Vec<ListenConfig>,
    /// Proxies that are believed when they say for whom they ask.
    pub trusted_proxies: Vec<IpNet>,
    /// Where they say it.
    pub forwarded_header: ForwardedHeader,
    /// Threads that receive; `None` stands for `"auto"`, half of the cores and at least one.
    pub io_threads: Option<usize>,
    /// Largest body in bytes, unless a source says otherwise. At most 1 GiB.
    pub max_body: usize,
    /// Bytes that all bodies in memory may take up together.
    pub memory_budget: usize,
    /// Connections at once, over all threads.
    pub max_connections: usize,
    /// Connections at once from one address that is no trusted proxy.
    pub max_connections_per_address: usize,
    /// Requests at once for one address, over HTTP/2 or through a trusted proxy.
    pub max_requests_per_address: usize,
    /// A path on the traffic port that answers balancers: 200, or 503 while draining.
    pub health_path: String,
    /// From the first byte of a request's head, or from the accept, to its last.
    pub head_timeout: Duration,
    /// From the end of the head to the last byte of the body.
    pub body_timeout: Duration,
    /// Between requests. Longer than that of the balancer in front.
    pub idle_timeout: Duration,
    /// After a stop signal: how long to answer "not ready" before no more connections are accepted.
    pub drain_delay: Duration,
    /// How long requests and deliveries in flight may take to end.
    pub drain_timeout: Duration,
    /// Whether routes and polls refuse addresses that are within a network, unless they say otherwise.
    pub deny_private: bool,
    /// The admin listener; `None` for none.
    pub admin: Option<AdminConfig>,
}
