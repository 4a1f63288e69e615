//! `hookgate route`: looks at, pauses, resumes and forgets the routes of a running gateway, through its admin listener.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use http::Method;

use super::admin::Admin;
use super::output;
use super::table::Table;

/// Options of `hookgate route`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate route list
  hookgate route pause billing
  hookgate route resume billing --admin 127.0.0.1:9090")]
pub(super) struct Route {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prints every route: what waits, what is in flight, what became of the rest
    #[command(after_help = "Example:\n  hookgate route list --json")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// Stops the deliveries of a route; its events wait in its queue
    #[command(after_help = "Example:\n  hookgate route pause billing")]
    Pause {
        /// The route
        name: String,
        #[command(flatten)]
        admin: Admin,
    },
    /// Gives up what the journal keeps for a route that is no more configured
    #[command(after_help = "Example:\n  hookgate route forget billing")]
    Forget {
        /// The route
        name: String,
        #[command(flatten)]
        admin: Admin,
    },
    /// Starts them again
    #[command(after_help = "Example:\n  hookgate route resume billing")]
    Resume {
        /// The route
        name: String,
        #[command(flatten)]
        admin: Admin,
    },
}

impl Route {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::List { json, admin } => {
                let answer = admin.ask(Method::GET, "/routes")?;
                if json { output::print(answer.body)? } else { output::print(table(&answer.body)?)? }
            }
            Verb::Pause { name, admin } => {
                admin.ask(Method::POST, &format!("/routes/{name}/pause"))?;
                output::print(format_args!("{name} is paused; `hookgate route resume {name}` starts it again\n"))?;
            }
            Verb::Forget { name, admin } => {
                admin.ask(Method::POST, &format!("/routes/{name}/forget"))?;
                output::print(format_args!(
                    "{name} is forgotten: what only it still had to deliver is given up; its dead letters stay\n"
                ))?;
            }
            Verb::Resume { name, admin } => {
                admin.ask(Method::POST, &format!("/routes/{name}/resume"))?;
                output::print(format_args!("{name} is resumed\n"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The JSON of `/routes` as a table.
fn table(json: &str) -> anyhow::Result<Table> {
    let document: serde_json::Value = serde_json::from_str(json).context("this is not a hookgate's admin address")?;
    let mut table =
        Table::new(["route", "state", "lag", "queued", "in flight", "delivered", "failed", "dead", "dropped"]);
    for route in document["routes"].as_array().into_iter().flatten() {
        let text = |key: &str| route[key].as_str().unwrap_or_default().to_owned();
        let count = |key: &str| route[key].as_u64().unwrap_or_default().to_string();
        table.row([
            text("route"),
            text("state"),
            count("lag"),
            count("queued_events"),
            count("in_flight"),
            count("delivered"),
            count("failed_attempts"),
            count("dead_letters"),
            count("dropped"),
        ]);
    }
    Ok(table)
}
