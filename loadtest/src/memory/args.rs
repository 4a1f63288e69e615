//! `loadtest memory` as written on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::corpus::Size;
use crate::run::positive_duration;

/// Send a gateway all it can take for minutes, and see whether its memory grows.
///
/// Starts a gateway of its own on the first core, whose route discards, the client on the others.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  loadtest memory
  loadtest memory --ack memory --corpus small --for 1m --every 5s

Exit codes:
  0    measured
  1    nothing could be measured
  2    wrong arguments
  130  ended early by a signal, with what was seen so far")]
pub(crate) struct MemoryArgs {
    /// How long.
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = positive_duration)]
    pub(crate) lasting: Duration,
    /// How often to look.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = positive_duration)]
    pub(crate) every: Duration,
    /// The acknowledgement: `durable` or `memory`.
    #[arg(long, default_value = "durable", value_parser = ["durable", "memory"])]
    pub(crate) ack: String,
    /// Size of the bodies.
    #[arg(long, value_enum, default_value = "medium")]
    pub(crate) corpus: Size,
    /// Keep-alive connections.
    #[arg(long, default_value = "512", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// The gateway's binary; the one beside this one if not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) hookgate: Option<PathBuf>,
    /// Where the gateway keeps its journal.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) data: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}
