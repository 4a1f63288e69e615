//! The commands of the `hookgate` binary.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | it failed; standard error says what to do |
//! | 2 | the arguments or the configuration are wrong |
//! | 3 | `run` stopped, and events that were only in memory were lost |

mod admin;

mod carried;

mod check;

mod client;

mod dead;

mod dead_letters;

mod handshake;

mod init;

mod job;

mod journal;

mod log;

mod output;

mod poll;

mod presets;

mod privileges;

mod progress;

mod quarantine;

mod ranges;

mod reach;

mod replay;

mod route;

mod run;

mod send;

mod show;

mod table;

mod tail;

mod visible;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};

use self::output::PrintError;
use self::privileges::NoDumps;
use crate::config::{self, Config, Preset, Problems};

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
  hookgate show evt_1042                   what happened to an event
  hookgate tail --source stripe            events as they come
  hookgate dead list                       what could not be delivered
  hookgate quarantine list                 what was refused and may be let in once its secret is right
  hookgate replay --route billing --from 2h --dry-run
                                           how many events a route would get again
  hookgate poll list                       how far each poll is
  hookgate journal verify                  whether the journal is as it was written
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
    Send(Box<send::Send>),
    /// Lists the providers that hookgate knows, or says what it knows of one
    Presets(presets::Presets),
    /// Lists the addresses from which providers send, as they publish them
    Ranges(ranges::Ranges),
    /// Looks at, pauses, resumes and forgets the routes of a running gateway
    Route(route::Route),
    /// Tells what happened to one event: received, each route, each attempt
    Show(show::Show),
    /// Follows the events of a running gateway
    Tail(tail::Tail),
    /// Gives events of the journal to a route of a running gateway once more
    Replay(replay::Replay),
    /// Looks at the events that could not be delivered, delivers them again or drops them
    Dead(dead::Dead),
    /// Looks at requests that were refused, lets them in where they are right now, or drops them
    Quarantine(quarantine::Quarantine),
    /// Looks at the polls of a gateway, runs one now, or has one begin anew
    Poll(poll::Poll),
    /// Looks at the journal of a stopped gateway, and repairs it
    Journal(journal::Journal),
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
    let command = Arguments::parse().command;
    // Nearly every command reads a secret.
    let result = NoDumps::begin().and_then(|dumps| command.execute(dumps));
    result.unwrap_or_else(|error| {
        if error.downcast_ref().is_some_and(PrintError::is_for_want_of_a_reader) {
            return ExitCode::SUCCESS;
        }
        output::say(format_args!("hookgate: {}", output::whole_story(&error)));
        if error.is::<Problems>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
    })
}

impl Command {
    fn execute(self, dumps: NoDumps) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(run) => run.execute(dumps),
            Self::Check(check) => check.execute(),
            Self::Init(init) => init.execute(),
            Self::Send(send) => send.execute(),
            Self::Presets(presets) => presets.execute(),
            Self::Ranges(ranges) => ranges.execute(),
            Self::Route(route) => route.execute(),
            Self::Show(show) => show.execute(),
            Self::Tail(tail) => tail.execute(),
            Self::Replay(replay) => replay.execute(),
            Self::Dead(dead) => dead.execute(),
            Self::Quarantine(quarantine) => quarantine.execute(),
            Self::Poll(poll) => poll.execute(),
            Self::Journal(journal) => journal.execute(),
        }
    }
}

impl ConfigFile {
    fn load(&self) -> Result<Config, Problems> {
        Config::load(&self.config)
    }
}

/// Reads the name of a preset. A misspelt one is answered with the nearest.
fn preset_by_name() -> impl TypedValueParser<Value = &'static Preset> {
    PossibleValuesParser::new(config::presets().iter().map(|preset| preset.name.as_str()))
        .try_map(|name| config::preset(&name).ok_or("this preset is not known"))
}
