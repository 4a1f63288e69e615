//! `loadtest backlog` as written on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::run::positive_duration;

/// Let one of two processors be away while events pile up, and see what that costs.
///
/// Fills the journal of a gateway of its own with events of 1 KB, kills it under load and starts it again, stops it and starts
/// it again, then brings the processor back while events keep coming, until everything has arrived everywhere.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  loadtest backlog
  loadtest backlog --events 200000 --rate 2000 --data /var/lib/hookgate

The page cache is dropped before each start if this may be done here (as root), and the table says so.

Exit codes:
  0    everything that was acknowledged has arrived at both processors
  1    something was lost, or could not be measured
  2    wrong arguments
  130  ended early by a signal")]
pub(crate) struct BacklogArgs {
    /// Events to pile up.
    #[arg(long, default_value = "2000000", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) events: u64,
    /// Requests per second beside the reading back.
    #[arg(long, default_value = "4000", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rate: u64,
    /// Ids that the source remembers.
    #[arg(long, default_value = "65536")]
    pub(crate) ids: u64,
    /// Keep-alive connections.
    #[arg(long, default_value = "256", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// Give what is missing up once nothing has arrived for so long.
    #[arg(long, default_value = "30s", value_parser = positive_duration)]
    pub(crate) settle: Duration,
    /// The gateway's binary; the one beside this one if not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) hookgate: Option<PathBuf>,
    /// Where the gateway keeps its journal. Needs some 1.5 KB an event.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) data: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}
