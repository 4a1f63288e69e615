//! `loadtest processor` as written on the command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use http::{HeaderName, StatusCode};

/// Play the processor that a gateway delivers to, and count what arrives.
///
/// Distinct events and duplicates are told by their id header, among the deliveries that were answered with success: a
/// delivery that was answered with an error is meant to come again. In a batch of CloudEvents each event counts, by its `id`, and
/// fails on its own: the answer names those that did. `GET /stats` gives the counts as JSON.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  loadtest processor --latency 20ms --latency-jitter 10ms
  loadtest processor --listen 127.0.0.1:0 --events 100000 --json     ends once 100,000 distinct events are there
  loadtest processor --error-rate 0.1 --error-status 503             every tenth delivery fails
  curl -s http://127.0.0.1:9001/stats")]
pub(crate) struct ProcessorArgs {
    /// Where to listen; port 0 takes a free one. The address is printed on standard error.
    #[arg(long, default_value = "127.0.0.1:9001", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// How long a delivery takes.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    pub(crate) latency: Duration,
    /// Up to so much longer, evenly spread.
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    pub(crate) latency_jitter: Duration,
    /// Share of deliveries, or of the events of batches, that fail, from 0 to 1.
    #[arg(long, default_value = "0", value_parser = share)]
    pub(crate) error_rate: f64,
    /// The answer to a delivery that fails.
    #[arg(long, default_value = "500")]
    pub(crate) error_status: StatusCode,
    /// The answer to a delivery that does not.
    #[arg(long, default_value = "200")]
    pub(crate) status: StatusCode,
    /// The header that holds an event's id, where it is no batch.
    #[arg(long, default_value = "webhook-id", value_name = "HEADER")]
    pub(crate) id_header: HeaderName,
    /// End once so many distinct events were answered with success.
    #[arg(long, value_name = "N")]
    pub(crate) events: Option<u64>,
    /// Threads that answer.
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    /// Print the counts at the end as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "write a number from 0 to 1".into())
}
