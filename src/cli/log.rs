//! What the gateway says while it runs: on standard error, in colour only on a terminal that wants it.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// A JSON object a line, for collectors
    Json,
}

/// Options of commands that log.
#[derive(Debug, clap::Args)]
pub(super) struct Log {
    /// Least important level that is written: error, warn, info, debug or trace, also per module
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "HOOKGATE_LOG")]
    log: String,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", default_value = "text", env = "HOOKGATE_LOG_FORMAT")]
    log_format: Format,
}

/// Libraries through which heads of requests and answers go, at the least important level at which they name none.
const HEADS: [&str; 3] = ["h2=info", "hyper=info", "hyper_util=info"];

impl Log {
    /// Starts logging for the rest of the process.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        let filter = EnvFilter::try_new(&self.log).map_err(|error| anyhow::anyhow!("--log {}: {error}", self.log))?;
        // These write heads as they come, whatever credentials are in them, at the levels below. Whoever names a module of them
        // gets it all the same.
        let filter = HEADS.iter().try_fold(filter, |filter, heads| anyhow::Ok(filter.add_directive(heads.parse()?)))?;
        let colour =
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_target(false)
            // It would report a log that cannot be written on standard error, and panic where that is what is broken.
            .log_internal_errors(false);
        match self.log_format {
            Format::Text => lines.with_ansi(colour).init(),
            Format::Json => lines.json().init(),
        }
        Ok(())
    }
}
