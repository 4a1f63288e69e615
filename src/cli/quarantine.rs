//! `hookgate quarantine`: what a running gateway has refused and kept, through its admin listener.

use std::fmt::Write;
use std::io::{BufRead, IsTerminal};
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use http::Method;
use serde::Deserialize;

use super::admin::Admin;
use super::carried::Carried;
use super::client::encoded;
use super::output;
use super::table::Table;
use super::visible::visible;
use crate::quarantine::{Dropped, Verdict};

/// Options of `hookgate quarantine`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate quarantine list --source stripe
  hookgate quarantine show 01JD2V7Y9K3M8Q4T6W1X5Z0ABC
  hookgate quarantine retry --source stripe --ignore-age --dry-run
  hookgate quarantine drop --all")]
pub(super) struct Quarantine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prints what was refused and is kept, a line for each request, oldest first
    #[command(after_help = "Examples:\n  hookgate quarantine list\n  hookgate quarantine list --source stripe --json")]
    List {
        /// Only requests to this source
        #[arg(long, value_name = "SOURCE")]
        source: Option<String>,
        /// As JSON, without bodies and headers
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// Prints all that is kept of a request: headers and body, without its credentials
    #[command(after_help = "\
Examples:
  hookgate quarantine show 01JD2V7Y9K3M8Q4T6W1X5Z0ABC
  hookgate quarantine show 01JD2V7Y9K3M8Q4T6W1X5Z0ABC --json | jq -r .body")]
    Show {
        /// Its id in the quarantine
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// Verifies requests again, with the secrets of now, and lets those in that are right
    ///
    /// Each goes the way of any request: type, id, duplicates, journal, routes. It leaves the quarantine when its event is
    /// accepted, and stays otherwise. Oldest first; those that are named, in the order in which they are named. Exits 1 if
    /// one was not accepted.
    #[command(after_help = "\
Examples:
  hookgate quarantine retry --source stripe --dry-run
  hookgate quarantine retry --source stripe --ignore-age
  hookgate quarantine retry 01JD2V7Y9K3M8Q4T6W1X5Z0ABC --trust")]
    Retry {
        #[command(flatten)]
        which: Which,
        /// However old their timestamps are
        #[arg(long)]
        ignore_age: bool,
        /// Without the credentials that are not kept: look at each before you give your word for it. A signature that the
        /// source asks for must be right all the same
        #[arg(long, conflicts_with = "all")]
        trust: bool,
        /// Only verify them
        #[arg(long)]
        dry_run: bool,
        /// As JSON, a line for each
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// Forgets requests, for good
    ///
    /// Asks first on a terminal; elsewhere --yes is needed. Exits 1 if nothing was dropped for want of a yes, or if one that
    /// is named is not there.
    #[command(after_help = "\
Examples:
  hookgate quarantine drop 01JD2V7Y9K3M8Q4T6W1X5Z0ABC --yes
  hookgate quarantine drop --source stripe --dry-run")]
    Drop {
        #[command(flatten)]
        which: Which,
        /// Only count them
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        admin: Admin,
    },
}

/// Which requests.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Their ids in the quarantine
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All of this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// All of all sources
    #[arg(long)]
    all: bool,
}

impl Quarantine {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::List { source, json, admin } => list(&admin, source.as_deref(), json),
            Verb::Show { id, json, admin } => show(&admin, &id, json),
            Verb::Retry { which, ignore_age, trust, dry_run, json, admin } => {
                let flags = [("ignore_age", ignore_age), ("trust", trust), ("dry_run", dry_run)];
                retry(&admin, &which.query(&flags), dry_run, json)
            }
            Verb::Drop { which, dry_run, yes, admin } => {
                let count = |dry_run| -> anyhow::Result<Dropped> {
                    let target = format!("/quarantine/drop?{}", which.query(&[("dry_run", dry_run)]));
                    serde_json::from_str(&admin.ask(Method::POST, &target)?.body).context(NO_HOOKGATE)
                };
                if !dry_run && !yes && !is_confirmed(|| Ok(count(true)?.dropped))? {
                    bail!("nothing was dropped");
                }
                let dropped = count(dry_run)?;
                let what = if dry_run { "would be dropped" } else { "dropped" };
                output::print(format_args!("{} refused requests {what}\n", dropped.dropped))?;
                if !dropped.unknown.is_empty() {
                    let ids = dropped.unknown.join(", ");
                    bail!("not in quarantine: {}; `hookgate quarantine list` prints what is", visible(&ids));
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

const NO_HOOKGATE: &str = "this is not a hookgate's admin address";

impl Which {
    fn query(&self, flags: &[(&str, bool)]) -> String {
        let mut query = match self {
            Which { source: Some(source), .. } => format!("source={}", encoded(source)),
            Which { all: true, .. } => "all=".to_owned(),
            Which { ids, .. } => format!("id={}", encoded(&ids.join(","))),
        };
        for (flag, _) in flags.iter().filter(|(_, is_said)| *is_said) {
            // Writing to a string cannot fail.
            let _ = write!(query, "&{flag}=");
        }
        query
    }
}

fn list(admin: &Admin, source: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let of_source = source.map_or_else(String::new, |source| format!("?source={}", encoded(source)));
    let answer = admin.ask(Method::GET, &format!("/quarantine{of_source}"))?;
    if json {
        output::print(answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let list: List = serde_json::from_str(&answer.body).context(NO_HOOKGATE)?;
    let mut table = Table::new(["id", "received", "source", "reason", "address", "bytes"]);
    for kept in list.quarantine {
        table.row([
            visible(&kept.id),
            visible(&kept.received),
            visible(&kept.source),
            visible(&kept.reason),
            visible(&kept.address),
            kept.bytes.to_string(),
        ]);
    }
    output::print(table)?;
    Ok(ExitCode::SUCCESS)
}

fn show(admin: &Admin, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let answer = admin.ask(Method::GET, &format!("/quarantine/{}", encoded(id)))?;
    if json {
        output::print(answer.body)?;
    } else {
        output::print(serde_json::from_str::<Whole>(&answer.body).context(NO_HOOKGATE)?.page())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn retry(admin: &Admin, query: &str, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    let request = admin.request(Method::POST, &format!("/quarantine/retry?{query}"))?;
    let (mut accepted, mut others, mut is_over) = (0_usize, 0_usize, false);
    request.follow(|line| {
        let told: Line = serde_json::from_str(line).context(NO_HOOKGATE)?;
        if json {
            output::print(format_args!("{line}\n"))?;
        }
        match told {
            Line::Over { is_over: over } => {
                is_over = over;
                return Ok(ControlFlow::Break(()));
            }
            Line::Verdict(verdict) => {
                *(if verdict.accepted { &mut accepted } else { &mut others }) += 1;
                if !json {
                    output::print(sentence(&verdict, dry_run))?;
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let what = if dry_run { "would be accepted" } else { "accepted" };
    if !json {
        output::print(format_args!("{accepted} {what}, {others} not\n"))?;
    }
    if !is_over {
        bail!("interrupted; what was not accepted is still there: do it again");
    }
    if others > 0 {
        bail!("{others} were not accepted; they stay where they are");
    }
    Ok(ExitCode::SUCCESS)
}

fn sentence(verdict: &Verdict, dry_run: bool) -> String {
    let why = verdict.why.as_ref().map_or_else(String::new, |why| format!(" ({})", visible(why)));
    let id = visible(&verdict.id);
    match (&verdict.event, verdict.accepted) {
        (Some(event), true) => format!("{id}  accepted as {}{why}\n", visible(event)),
        (None, true) if dry_run => format!("{id}  would be accepted{why}\n"),
        (None, true) => format!("{id}  accepted{why}\n"),
        (_, false) => {
            format!("{id}  not accepted: {}\n", visible(verdict.why.as_deref().unwrap_or("it is not said why")))
        }
    }
}

fn is_confirmed(count: impl FnOnce() -> anyhow::Result<usize>) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("what is dropped is gone; say --yes if that is wanted");
    }
    output::say(format_args!("Drop {} refused requests? They are gone then. [y/N]", count()?));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[derive(Deserialize)]
struct List {
    quarantine: Vec<Kept>,
}

#[derive(Deserialize)]
struct Kept {
    id: String,
    source: String,
    reason: String,
    received: String,
    address: String,
    bytes: usize,
}

#[derive(Deserialize)]
struct Whole {
    #[serde(flatten)]
    kept: Kept,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    body_base64: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Over { is_over: bool },
    Verdict(Verdict),
}

impl Whole {
    fn page(&self) -> String {
        let Kept { id, source, reason, received, address, .. } = &self.kept;
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{} of {}, refused for {}", visible(id), visible(source), visible(reason));
        let _ = writeln!(page, "received {} from {}", visible(received), visible(address));
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
