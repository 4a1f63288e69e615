//! `loadtest verify` as written on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::corpus::Size;
use crate::run::{Rate, positive_duration};

/// Check that every event that was acknowledged under load arrives at its processors.
///
/// Starts a gateway of its own with as many routes as asked for, each of which takes every event, or uses a running one. Its
/// processors take one event in a request, and batches, of which each event counts.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  loadtest verify --rate 5000 --duration 30s
  loadtest verify --ack memory --routes 1 --rate max
  loadtest verify --batch 64 --rate max

  A running gateway, each of its routes taking all events of the source and delivering to one of the addresses:
  loadtest verify --url http://127.0.0.1:8080/hooks/github --secret-file examples/demo-secret \\
      --processor 127.0.0.1:9001 --processor 127.0.0.1:9002

Exit codes:
  0    everything that was acknowledged has arrived at every processor
  1    something was lost, or nothing could be checked
  2    wrong arguments
  130  ended early by a signal; nothing was lost of what was acknowledged until then")]
pub(crate) struct VerifyArgs {
    /// The URL of a GitHub source of a running gateway.
    #[arg(long, requires_all = ["secret_file", "processor"])]
    pub(crate) url: Option<String>,
    /// With https: the PEM file with the gateway's certificate, or the one that has signed it.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) ca: Option<PathBuf>,
    /// The file that holds its secret.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Where one of its routes delivers to: the processor listens there.
    #[arg(long, value_name = "ADDRESS", requires = "url")]
    pub(crate) processor: Vec<SocketAddr>,
    /// The acknowledgement of the gateway that is started: `durable` or `memory`.
    #[arg(long, default_value = "durable", value_parser = ["durable", "memory"], conflicts_with = "url")]
    pub(crate) ack: String,
    /// Routes of the gateway that is started.
    #[arg(long, default_value = "2", value_parser = clap::value_parser!(u8).range(1..=16), conflicts_with = "url")]
    pub(crate) routes: u8,
    /// Its routes deliver batches of up to so many events, a few of them at once.
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u32).range(1..=1000), conflicts_with = "url")]
    pub(crate) batch: Option<u32>,
    /// Requests per second, or `max`.
    #[arg(long, default_value = "2000")]
    pub(crate) rate: Rate,
    /// How long to send.
    #[arg(long, default_value = "10s", value_parser = positive_duration)]
    pub(crate) duration: Duration,
    /// Keep-alive connections.
    #[arg(long, default_value = "64", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// Size of the bodies.
    #[arg(long, value_enum, default_value = "medium")]
    pub(crate) corpus: Size,
    /// Give what is missing up once nothing has arrived for so long.
    #[arg(long, default_value = "10s", value_parser = positive_duration)]
    pub(crate) settle: Duration,
    /// The gateway's binary; the one beside this one if not given.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(crate) hookgate: Option<PathBuf>,
    /// Where the gateway that is started keeps its journal.
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "url")]
    pub(crate) data: PathBuf,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
}
