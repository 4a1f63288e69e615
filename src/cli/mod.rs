//! The commands of the `hookgate` binary.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | it failed; standard error says what to do |
//! | 2 | the arguments or the configuration are wrong |
//! | 3 | `run` stopped, and events that were only in memory were lost |

mod check;

mod client;

mod init;

mod log;

mod presets;

mod route;

mod run;

mod send;

mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Problems};

/// A webhook gateway: proves the sender, answers in time, hands each event to its processor.
#[derive(Debug, Parser)]
#[command(name = "hookgate", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  hookgate init github > hookgate.toml     a starter configuration
  hookgate check                           what it says, or all that is wrong with it
  hookgate run                             the gateway
  hookgate send --preset github --secret-env GITHUB_WEBHOOK_SECRET \\
      --type issues payload.json http://127.0.0.1:8080/hooks/github";

#[derive(Debug, Subcommand)]
enum Command {
    /// Receives events and delivers them until it is stopped
    Run(run::Run),
    /// Prints what a configuration says, or everything that is wrong with it
    Check(check::Check),
    /// Prints a commented starter configuration
    Init(init::Init),
    /// Signs a payload as a provider would and posts it
    Send(send::Send),
    /// Lists the providers that hookgate knows
    Presets(presets::Presets),
    /// Looks at, pauses and resumes the routes of a running gateway
    Route(route::Route),
}

/// The configuration file of a command.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration; `routes.d/*.toml` beside it is read as well
    #[arg(short, long, value_name = "FILE", default_value = "hookgate.toml", env = "HOOKGATE_CONFIG")]
    config: PathBuf,
}

/// The arguments or the configuration are wrong.
const EXIT_USAGE: u8 = 2;

/// Parses the arguments of this process and does what they say.
pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(run) => run.execute(),
        Command::Check(check) => check.execute(),
        Command::Init(init) => init.execute(),
        Command::Send(send) => send.execute(),
        Command::Presets(presets) => presets.execute(),
        Command::Route(route) => route.execute(),
    };
    result.unwrap_or_else(|error| {
        if error.chain().any(|cause| is_broken_pipe(cause)) {
            // Whoever read our output has seen enough.
            return ExitCode::SUCCESS;
        }
        eprintln!("hookgate: {error:#}");
        if error.is::<Problems>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
    })
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

impl ConfigFile {
    fn load(&self) -> Result<Config, Problems> {
        Config::load(&self.config)
    }
}
