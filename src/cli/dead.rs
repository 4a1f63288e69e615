//! `hookgate dead`: looks at dead letters, in the files themselves: the gateway may run or not. What changes them is in
//! `dead_letters.rs`.

use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use serde::{Deserialize, Serialize};

use super::carried::Carried;
use super::dead_letters::{Remove, Retry};
use super::table::Table;
use super::visible::visible;
use super::{ConfigFile, output};
use crate::config::Config;

/// Options of `hookgate dead`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate dead list
  hookgate dead list billing --json
  hookgate dead show evt_1042
  hookgate dead retry billing --all")]
pub(super) struct Dead {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prints what could not be delivered, a line for each event, oldest first
    #[command(after_help = "Examples:\n  hookgate dead list\n  hookgate dead list billing --json")]
    List {
        /// The route; without one, all of them
        route: Option<String>,
        /// As JSON, without bodies and headers
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Prints all that is known of an event: headers, body and each attempt
    #[command(
        after_help = "Examples:\n  hookgate dead show evt_1042\n  hookgate dead show evt_1042 --json | jq -r .body"
    )]
    Show {
        /// The event's id
        id: String,
        /// Only the letters of this route
        #[arg(long)]
        route: Option<String>,
        /// As JSON, a line for each letter, as it stands in the file
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Hands dead letters of a running gateway to their route again, and takes them out of the file
    ///
    /// Each arrives with the webhook-id it had, and counts its attempts and its age anew. It leaves the file when it is safe
    /// in the journal. Exits 1 if not all could be handed over. A route that was paused stays so: see `hookgate route`.
    #[command(after_help = "\
Examples:
  hookgate dead retry billing --all --dry-run
  hookgate dead retry billing --id evt_1042
  hookgate dead retry billing --type 'invoice.*' --admin 127.0.0.1:9090")]
    Retry(Retry),
    /// Takes dead letters of a running gateway out of their file, for good
    ///
    /// Asks first on a terminal; elsewhere --yes is needed. Exits 1 if nothing was dropped for want of a yes.
    #[command(after_help = "\
Examples:
  hookgate dead drop billing --all --dry-run
  hookgate dead drop billing --id evt_1042 --yes")]
    Drop(Remove),
}

impl Dead {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::List { route, json, file } => list(&file.load()?, route.as_deref(), json),
            Verb::Show { id, route, json, file } => show(&file.load()?, &id, route.as_deref(), json),
            Verb::Retry(retry) => retry.execute(),
            Verb::Drop(remove) => remove.execute(),
        }
    }
}

fn list(config: &Config, route: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let mut summaries = Vec::new();
    each_letter(config, route, |_, line| {
        let letter = serde_json::from_slice::<Letter>(line)?;
        summaries.push(letter.summary());
        Ok(())
    })?;
    // Times of this form sort as text; letters of a route stand in their order already.
    summaries.sort_by(|one, other| one.time.cmp(&other.time));
    if json {
        let document = serde_json::json!({ "dead_letters": summaries });
        output::print(format_args!("{document}\n"))?;
    } else {
        output::print(table(&summaries))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(summaries: &[Summary]) -> Table {
    let mut table = Table::new(["time", "route", "source", "type", "id", "attempts", "last outcome"]);
    for summary in summaries {
        table.row([
            visible(&summary.time),
            visible(&summary.route),
            visible(&summary.source),
            visible(summary.event_type.as_deref().unwrap_or("-")),
            visible(&summary.id),
            summary.attempts.to_string(),
            visible(summary.last_outcome.as_deref().unwrap_or("-")),
        ]);
    }
    table
}

fn show(config: &Config, id: &str, route: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let mut found = Vec::new();
    each_letter(config, route, |_, line| {
        let letter: Letter = serde_json::from_slice(line)?;
        if letter.id == id {
            found.push(if json { format!("{}\n", String::from_utf8_lossy(line)) } else { letter.story() });
        }
        Ok(())
    })?;
    if found.is_empty() {
        bail!("there is no dead letter with the id {id:?}; `hookgate dead list` prints those there are");
    }
    output::print(found.join(if json { "" } else { "\n" }))?;
    Ok(ExitCode::SUCCESS)
}

/// A line of a dead letter file.
#[derive(Debug, Deserialize)]
struct Letter {
    time: String,
    route: String,
    reason: String,
    source: String,
    #[serde(rename = "type")]
    event_type: Option<String>,
    id: String,
    received: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    body_base64: Option<String>,
    attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    at: String,
    outcome: String,
    detail: String,
}

/// A letter in a row.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) time: String,
    pub(super) route: String,
    reason: String,
    source: String,
    #[serde(rename = "type")]
    event_type: Option<String>,
    id: String,
    attempts: usize,
    pub(super) last_outcome: Option<String>,
}

impl Letter {
    fn summary(self) -> Summary {
        Summary {
            time: self.time,
            route: self.route,
            reason: self.reason,
            source: self.source,
            event_type: self.event_type,
            id: self.id,
            attempts: self.attempts.len(),
            last_outcome: self.attempts.into_iter().next_back().map(|attempt| attempt.outcome),
        }
    }

    /// All of it, for people.
    fn story(&self) -> String {
        let mut page = String::new();
        let event_type = self.event_type.as_deref().unwrap_or("-");
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{} of {}, type {}", visible(&self.id), visible(&self.source), visible(event_type));
        let _ =
            writeln!(page, "given up by route {} at {}: {}", visible(&self.route), self.time, visible(&self.reason));
        let _ = writeln!(page, "\n{}  received", self.received);
        for (attempt, number) in self.attempts.iter().zip(1..) {
            let detail =
                if attempt.detail.is_empty() { String::new() } else { format!(": {}", visible(&attempt.detail)) };
            let _ = writeln!(page, "{}  attempt {number}: {}{detail}", attempt.at, visible(&attempt.outcome));
        }
        let carried = Carried {
            method: &self.method,
            target: &self.target,
            headers: &self.headers,
            body: self.body.as_deref(),
            body_base64: self.body_base64.as_deref(),
        };
        carried.write(&mut page);
        page
    }
}

/// Calls `take` with each line of the files. A line it cannot read is passed over and named on standard error: the last one
/// may be half written, by a process that was killed or by one that is about to finish it.
fn each_letter(
    config: &Config,
    route: Option<&str>,
    mut take: impl FnMut(&Path, &[u8]) -> serde_json::Result<()>,
) -> anyhow::Result<()> {
    for path in files(config, route)? {
        let cannot_read = || format!("cannot read the dead letters in {}", path.display());
        let mut lines = BufReader::new(File::open(&path).with_context(cannot_read)?);
        let mut line = Vec::new();
        let mut number = 0_u64;
        while lines.read_until(b'\n', &mut line).with_context(cannot_read)? > 0 {
            number += 1;
            let text = line.trim_ascii();
            if !text.is_empty() && take(&path, text).is_err() {
                output::say(format_args!(
                    "note: line {number} of {} is no whole dead letter and is passed over; its writing had not ended",
                    path.display()
                ));
            }
            line.clear();
        }
    }
    Ok(())
}

/// The files there are, by route, also of routes that are no longer configured.
fn files(config: &Config, route: Option<&str>) -> anyhow::Result<Vec<PathBuf>> {
    let dir = config.journal.dead_dir();
    let mut routes = Vec::new();
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => Some(entries),
        // No gateway has run here yet.
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", dir.display())),
    };
    for entry in entries.into_iter().flatten() {
        let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".ndjson")) else { continue };
        routes.push(name.to_owned());
        if route.is_none_or(|wanted| wanted == name) {
            found.push(path);
        }
    }
    if let Some(route) = route
        && found.is_empty()
        && !config.routes.iter().any(|configured| configured.name == route)
    {
        routes.extend(config.routes.iter().map(|configured| configured.name.clone()));
        routes.sort();
        routes.dedup();
        bail!("there is no route {route:?}; there are {}", routes.join(", "));
    }
    found.sort();
    Ok(found)
}
