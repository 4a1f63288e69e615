//! `loadtest run` as written on the command line.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Args};

use crate::corpus::Size;

/// Send signed events to a gateway and measure its answers.
///
/// Open loop: requests leave on schedule, however slow the answers are, and latency counts from the time a request was
/// scheduled for. So a stall counts for every request that would have been sent during it.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("secret").required(true).args(["secret_env", "secret_file"]),
    group = ArgGroup::new("bodies").required(true).args(["payloads", "corpus"]),
    after_long_help = "Examples:
  GITHUB_SECRET=s3cret loadtest run http://127.0.0.1:8080/hooks/github --preset github \\
      --secret-env GITHUB_SECRET --payloads tests/fixtures/github --rate 5000 --duration 30s

  loadtest run http://127.0.0.1:8080/hooks/github --preset github --secret-file secret \\
      --payloads tests/fixtures/github --rate max --server-pid $(pidof hookgate) --json

  loadtest run https://localhost:8443/hooks/github --ca examples/tls-cert.pem --preset github --secret-file secret \\
      --corpus small --rate 2000

Exit codes:
  0    measured
  1    nothing could be measured
  2    wrong arguments
  4    the client was saturated: the figures are its own, not the server's
  130  ended early by a signal, with the results so far"
)]
pub(crate) struct RunArgs {
    /// The source's URL.
    pub(crate) url: String,
    /// With https: the PEM file with the gateway's certificate, or the one that has signed it.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// A new connection for each request.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Sign as this provider does; the names are those of `hookgate presets`.
    #[arg(long)]
    pub(crate) preset: String,
    /// The environment variable that holds the secret.
    #[arg(long, value_name = "NAME")]
    pub(crate) secret_env: Option<String>,
    /// The file that holds the secret; a line end behind it does not count.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Send every *.json below this directory, in turn. Names are `TYPE.json` or `TYPE.ACTION.json`; the type goes into
    /// the preset's header, if it has one.
    #[arg(long, value_name = "DIR")]
    pub(crate) payloads: Option<PathBuf>,
    /// Send 1,000 distinct GitHub bodies of this size instead.
    #[arg(long, value_name = "SIZE")]
    pub(crate) corpus: Option<Size>,
    /// Requests per second, over all connections; `max` for a closed loop, as fast as the answers come.
    #[arg(long)]
    pub(crate) rate: Rate,
    /// Keep-alive connections, over all threads.
    #[arg(long, default_value = "64", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// How long to measure, after the warm-up.
    #[arg(long, default_value = "10s", value_parser = positive_duration)]
    pub(crate) duration: Duration,
    /// Send at the same rate for so long before measuring.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration)]
    pub(crate) warmup: Duration,
    /// Client threads.
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    /// Give a request up after this time.
    #[arg(long, default_value = "30s", value_parser = positive_duration)]
    pub(crate) timeout: Duration,
    /// Never sleep between requests: for latencies around that of a wake-up, where each client thread has a core to itself.
    #[arg(long)]
    pub(crate) spin: bool,
    /// Tell the CPU time per request of this process, the server's.
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `--rate`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Open loop, so many requests per second.
    PerSecond(NonZeroU64),
    /// Closed loop.
    Max,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Rate::Max);
        }
        text.parse().map(Rate::PerSecond).map_err(|_| "write requests per second as a whole number, or `max`".into())
    }
}

impl RunArgs {
    /// The secret's bytes.
    pub(crate) fn secret(&self) -> anyhow::Result<Vec<u8>> {
        if let Some(name) = &self.secret_env {
            let secret = std::env::var(name)
                .with_context(|| format!("the environment variable {name} does not hold a secret: export it first"))?;
            return Ok(secret.into_bytes());
        }
        let file = self.secret_file.as_deref().context("there is no secret: give --secret-env or --secret-file")?;
        read_secret(file)
    }
}

/// The secret in a file. A line end behind it does not count.
pub(crate) fn read_secret(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut secret = std::fs::read(file).with_context(|| format!("cannot read the secret in {}", file.display()))?;
    while secret.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        secret.pop();
    }
    Ok(secret)
}

impl Rate {
    /// `None` for a closed loop.
    pub(crate) fn per_second(self) -> Option<u64> {
        match self {
            Rate::PerSecond(rate) => Some(rate.get()),
            Rate::Max => None,
        }
    }
}

pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than nothing".into()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_or_max() {
        assert_eq!("max".parse(), Ok(Rate::Max));
        assert_eq!("2500".parse(), Ok(Rate::PerSecond(NonZeroU64::new(2500).expect("not zero"))));
        for wrong in ["", "0", "-1", "1.5", "MAX", "5k"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong:?}");
        }
    }
}
