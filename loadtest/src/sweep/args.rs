//! `loadtest sweep` as written on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::corpus::Size;
use crate::run::positive_duration;
use crate::server::Cores;

/// Find the settings of a configuration that take the most events and answer within a target.
///
/// Gateways are started from the configuration with other numbers of io threads, pool workers, deliveries in flight and, where
/// a route has them, events in a batch. They listen on a free port, have an empty journal, and deliver to a stand-in: no
/// processor named in the configuration gets anything. Short looks at all settings, then longer ones at the better half, until one
/// is left.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  loadtest sweep --config hookgate.toml --p99 5ms
  loadtest sweep --config hookgate.toml --p99 10ms --source stripe --payloads my-payloads --processor-latency 20ms \\
      --server-cores 0-3 --client-cores 4-7

Exit codes:
  0    measured
  1    nothing could be measured
  2    wrong arguments
  130  ended early by a signal, with the results so far")]
pub(crate) struct SweepArgs {
    /// The configuration to begin with.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// 99 of 100 answers are to be there within this time.
    #[arg(long, value_name = "TIME", value_parser = positive_duration)]
    pub(crate) p99: Duration,
    /// Send to this source; the first one with a preset if not given.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Send 1,000 distinct GitHub bodies of this size.
    #[arg(long, value_enum, default_value = "medium", conflicts_with = "payloads")]
    pub(crate) corpus: Size,
    /// Send every *.json below this directory instead.
    #[arg(long, value_name = "DIR")]
    pub(crate) payloads: Option<PathBuf>,
    /// How long the processor that stands in for all takes for a delivery.
    #[arg(long, default_value = "1ms", value_parser = humantime::parse_duration)]
    pub(crate) processor_latency: Duration,
    /// Numbers of io threads to try; up to the server's cores if not given.
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    pub(crate) io_threads: Vec<u32>,
    /// Numbers of workers to try, for every pool; up to the server's cores, and one more, if not given.
    #[arg(long, value_delimiter = ',', value_name = "N,…")]
    pub(crate) workers: Vec<u32>,
    /// Deliveries in flight to try, for every route.
    #[arg(long, value_delimiter = ',', value_name = "N,…", default_value = "16,64,256")]
    pub(crate) in_flight: Vec<u32>,
    /// Sizes of batches to try, for every route, where this hookgate has batches.
    #[arg(long, value_delimiter = ',', value_name = "N,…", default_value = "1,16,64")]
    pub(crate) batch: Vec<u32>,
    /// Settings to begin with, at most: spread evenly over all combinations.
    #[arg(long, default_value = "12", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) candidates: u32,
    /// How long each rate is held in the first looks; twice as long in the second, and so on.
    #[arg(long, default_value = "1s", value_parser = positive_duration)]
    pub(crate) duration: Duration,
    /// How long each gateway is warmed up before.
    #[arg(long, default_value = "500ms", value_parser = humantime::parse_duration)]
    pub(crate) warmup: Duration,
    /// Keep-alive connections.
    #[arg(long, default_value = "64", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// Cores of the gateway; all but the last one if not given.
    #[arg(long, value_name = "CORES")]
    pub(crate) server_cores: Option<Cores>,
    /// Cores of the client and the stand-in; all others if not given.
    #[arg(long, value_name = "CORES")]
    pub(crate) client_cores: Option<Cores>,
    /// Throw a sample away if others took more than so many cores meanwhile.
    #[arg(long, value_name = "CORES", default_value = "0.05")]
    pub(crate) tolerate: f64,
    /// The gateway's binary; the one beside this one if not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) hookgate: Option<PathBuf>,
    /// Where gateways keep their journals meanwhile: on the disk that is to be measured.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) data: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// The report with plots.
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub(crate) html: PathBuf,
}
