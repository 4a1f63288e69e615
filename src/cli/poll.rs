//! `hookgate poll`: looks at polls, runs one now, or has one begin anew; through the running gateway, or in the files of a
//! stopped one.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use http::Method;
use serde::Deserialize;

use super::client::encoded;
use super::output;
use super::reach::{Reach, Reached, hold};
use super::table::Table;
use super::visible::visible;
use crate::config::units::WrittenDuration;
use crate::poll::{PollStatus, Taken, reset_stopped, stopped};

/// Options of `hookgate poll`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate poll list
  hookgate poll run orders
  hookgate poll reset orders --to 2026-11-24T00:00:00Z")]
pub(super) struct Poll {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prints every poll: its state, its cursor, how far behind it may be, what it took, and what is wrong with it
    ///
    /// A poll is `waiting` for its next run, `running`, `failing` in a way that may pass by itself, `paused` for something
    /// that somebody has to put right (it is tried again now and then), or `stopped` with its gateway.
    #[command(after_help = "Examples:\n  hookgate poll list\n  hookgate poll list --json | jq '.polls[].trouble'")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Runs a poll of a running gateway now, and prints what it found
    ///
    /// Where a run is under way, it is that one, and it waits for its server no longer. Exits 1 if it does not come to its
    /// end.
    #[command(after_help = "Examples:\n  hookgate poll run orders\n  hookgate poll run orders --json | jq .records")]
    Run {
        /// The poll
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Has a poll begin anew, or go on from a cursor
    ///
    /// It asks from there at its next run; a run that is under way is broken off and begins anew at once. Records whose ids
    /// are still in the duplicates window are not delivered again: for those see `hookgate replay`.
    #[command(after_help = "\
Examples:
  hookgate poll reset orders
  hookgate poll reset orders --to 2026-11-24T00:00:00Z && hookgate poll run orders")]
    Reset {
        /// The poll
        name: String,
        /// The cursor to go on from; without it, the `start` of the configuration or none
        #[arg(long, value_name = "CURSOR")]
        to: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
}

#[derive(Debug, Deserialize)]
struct Listed {
    polls: Vec<PollStatus>,
}

#[derive(Debug, Deserialize)]
struct Begun {
    cursor: Option<String>,
}

impl Poll {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::List { json, reach } => list(&reach, json)?,
            Verb::Run { name, json, reach } => run(&reach, &name, json)?,
            Verb::Reset { name, to, json, reach } => reset(&reach, &name, to, json)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(reach: &Reach, json: bool) -> anyhow::Result<()> {
    let polls = match reach.ask(Method::GET, "/polls", "waiting for the gateway")? {
        Reached::Gateway(body) => told::<Listed>(&body)?.polls,
        Reached::Nobody(config) => {
            let _held = hold(&config)?;
            stopped(&config).context("cannot read the cursors")?
        }
    };
    if json {
        output::print(format_args!("{}\n", serde_json::json!({ "polls": polls })))?;
    } else {
        output::print(table(&polls))?;
    }
    Ok(())
}

fn table(polls: &[PollStatus]) -> String {
    let mut table = Table::new([
        "poll",
        "source",
        "state",
        "cursor",
        "last success",
        "lag",
        "next run",
        "records",
        "known",
        "errors",
    ]);
    let seconds = |seconds: Option<f64>| {
        seconds.map_or("-".to_owned(), |it| WrittenDuration(Duration::from_secs(it as u64)).to_string())
    };
    for poll in polls {
        table.row([
            visible(&poll.poll),
            visible(&poll.source),
            visible(&poll.state),
            visible(poll.cursor.as_deref().unwrap_or("-")),
            visible(poll.last_success.as_deref().unwrap_or("-")),
            seconds(poll.lag_seconds),
            seconds(poll.next_run_seconds),
            poll.records.to_string(),
            poll.duplicates.to_string(),
            poll.errors.to_string(),
        ]);
    }
    let mut page = table.to_string();
    for (poll, trouble) in polls.iter().filter_map(|poll| Some((poll, poll.trouble.as_ref()?))) {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "\n{}: {}", visible(&poll.poll), visible(trouble));
    }
    page
}

fn run(reach: &Reach, name: &str, json: bool) -> anyhow::Result<()> {
    let target = format!("/polls/{}/run", encoded(name));
    let Reached::Gateway(body) = reach.ask(Method::POST, &target, "waiting for the end of the run")? else {
        bail!("no gateway runs there: a poll runs within one");
    };
    let Taken { records, duplicates } = told(&body)?;
    if json {
        output::print(body)?;
    } else {
        output::print(format_args!("{name} took {records} new records, and {duplicates} that were known\n"))?;
    }
    Ok(())
}

fn reset(reach: &Reach, name: &str, to: Option<String>, json: bool) -> anyhow::Result<()> {
    let query = to.as_ref().map_or_else(String::new, |to| format!("?to={}", encoded(to)));
    let target = format!("/polls/{}/reset{query}", encoded(name));
    let cursor = match reach.ask(Method::POST, &target, "waiting for the poll")? {
        Reached::Gateway(body) => told::<Begun>(&body)?.cursor,
        Reached::Nobody(config) => {
            let Some(poll) = config.polls.iter().find(|poll| poll.name == name) else {
                let known: Vec<&str> = config.polls.iter().map(|poll| poll.name.as_str()).collect();
                bail!("no poll is called {name:?}; there are {}", known.join(", "));
            };
            let _held = hold(&config)?;
            reset_stopped(&config, poll, to).map_err(anyhow::Error::msg)?
        }
    };
    if json {
        output::print(format_args!("{}\n", serde_json::json!({ "poll": name, "cursor": cursor })))?;
    } else if let Some(cursor) = cursor {
        output::print(format_args!("{name} goes on from {} at its next run\n", visible(&cursor)))?;
    } else {
        output::print(format_args!("{name} begins anew at its next run\n"))?;
    }
    Ok(())
}

fn told<T: for<'body> Deserialize<'body>>(body: &str) -> anyhow::Result<T> {
    serde_json::from_str(body).context("what answers is no hookgate's admin address")
}
