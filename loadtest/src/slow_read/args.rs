//! `loadtest slow-read` as written on the command line.

use std::time::Duration;

use clap::Args;

use crate::run::positive_duration;

/// Open connections that send one request behind the other and read no answer, and see when the server closes them.
///
/// Answers fill the system's buffers, which have little room here, and then the server's; it is read no further from then on, and
/// what it does about that is told. Answers that are larger than requests fill them sooner.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  loadtest slow-read http://127.0.0.1:8080/hooks/open
  loadtest slow-read http://127.0.0.1:8080/nowhere --connections 100 --for 20s --json

Exit codes:
  0    all that were opened were closed by the server, or were refused
  1    nothing could be opened, or some still stood at the end
  2    wrong arguments
  130  ended early by a signal, with what was seen so far")]
pub(crate) struct SlowReadArgs {
    /// Where the requests go. It should answer without a proof.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Connections.
    #[arg(long, default_value = "4000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// Connections opened in a second.
    #[arg(long, default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: u32,
    /// The body of each request.
    #[arg(long, default_value = "{}")]
    pub(crate) body: String,
    /// What each socket has room for, in bytes, in either direction. (Linux takes twice as much.)
    #[arg(long, value_name = "BYTES", default_value = "4096", value_parser = clap::value_parser!(u32).range(1024..=1_048_576))]
    pub(crate) buffer: u32,
    /// How long to wait for the server to close them all.
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = positive_duration)]
    pub(crate) lasting: Duration,
    /// Print one JSON object instead of a line.
    #[arg(long)]
    pub(crate) json: bool,
}
