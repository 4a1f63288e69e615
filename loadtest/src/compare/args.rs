//! `loadtest compare` as written on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::corpus::Size;
use crate::run::positive_duration;
use crate::server::Cores;

/// Measure hookgate and its alternatives in turn, on the same cores.
///
/// For each size of body every server is first sent what it can take (closed loop: rate and CPU per request), and then half
/// of hookgate's rate on schedule (open loop: latency). What is not installed is left out, with a line that says how to get it.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  loadtest compare --html report.html
  loadtest compare --sizes medium --only hookgate-durable,axum-redis --connections 512 --rounds 9

  What an answer and its disk take for a single event, in turn:
  loadtest compare --only hyper-hmac,hookgate-durable --connections 1 --no-latency

  What arrives at a processor, over what is acknowledged; and the journal on a core of its own:
  loadtest compare --only hookgate-memory,hookgate-durable,hookgate-memory-http,hookgate-durable-http --no-latency
  loadtest compare --only hookgate-memory,hookgate-memory-http,hookgate-memory-http-batch --no-latency
  loadtest compare --only hookgate-durable,hookgate-durable-apart --connections 512 --no-latency

  TLS, which is measured only if it is named: on kept connections, and what its handshakes cost:
  loadtest compare --only hookgate-memory,hookgate-memory-tls --no-latency
  loadtest compare --only hookgate-memory-anew,hookgate-memory-tls-anew,hookgate-memory-tls-resumed --no-latency --sizes small

Exit codes:
  0    measured
  1    nothing could be measured
  2    wrong arguments
  130  ended early by a signal, with the results so far")]
pub(crate) struct CompareArgs {
    /// Sizes of bodies.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "small,medium,large")]
    pub(crate) sizes: Vec<Size>,
    /// Only these of the servers.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", value_parser = super::contender::names())]
    pub(crate) only: Vec<String>,
    /// Samples of each.
    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How long a sample is measured.
    #[arg(long, default_value = "3s", value_parser = positive_duration)]
    pub(crate) duration: Duration,
    /// How long each server is warmed up before.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) warmup: Duration,
    /// Keep-alive connections.
    #[arg(long, default_value = "64", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// Requests per second of the second part, instead of half of hookgate's rate.
    #[arg(long, value_name = "RATE")]
    pub(crate) latency_rate: Option<u64>,
    /// Leave the second part out.
    #[arg(long, conflicts_with = "latency_rate")]
    pub(crate) no_latency: bool,
    /// Cores of the servers; the first one if not given.
    #[arg(long, value_name = "CORES")]
    pub(crate) server_cores: Option<Cores>,
    /// Cores of the journal's thread in hookgate-durable-apart; the client's, which then sleeps, if not given.
    #[arg(long, value_name = "CORES")]
    pub(crate) journal_cores: Option<Cores>,
    /// Events in a delivery of all routes that deliver by HTTP; one, and 64 in the rows that end in -batch, if not given.
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: Option<u32>,
    /// Cores of the client, one thread each; all others if not given.
    #[arg(long, value_name = "CORES")]
    pub(crate) client_cores: Option<Cores>,
    /// Never let the client sleep: waking it would cost the server time that no sender elsewhere costs it.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) spin: bool,
    /// Throw a sample away if others took more than so many cores meanwhile.
    #[arg(long, value_name = "CORES", default_value = "0.05")]
    pub(crate) tolerate: f64,
    /// The gateway's binary; the one beside this one if not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) hookgate: Option<PathBuf>,
    /// Where servers keep their data meanwhile: on the disk that is to be measured.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) data: PathBuf,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a report with plots.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}
