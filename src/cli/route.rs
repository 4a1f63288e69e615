//! `hookgate route`: looks at, pauses, resumes and forgets the routes of a running gateway, through its admin listener.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use http::{Method, StatusCode};

use super::client::{Answer, Request};
use super::output;
use super::table::Table;
use crate::config::Secret;

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

/// The admin listener of a running gateway.
#[derive(Debug, clap::Args)]
pub(super) struct Admin {
    /// The admin address of the gateway
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090", env = "HOOKGATE_ADMIN")]
    admin: String,
    /// The file that holds its `admin_token`
    #[arg(long, value_name = "FILE", env = "HOOKGATE_ADMIN_TOKEN_FILE")]
    token_file: Option<PathBuf>,
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

impl Admin {
    /// The answer to a request, which must be 200.
    pub(super) fn ask(&self, method: Method, path: &str) -> anyhow::Result<Answer> {
        let answer = self.request(method, path)?.send()?;
        if answer.status != StatusCode::OK {
            bail!("{}: {}", answer.status, answer.body.trim_end());
        }
        Ok(answer)
    }

    /// A request that is to be sent.
    pub(super) fn request(&self, method: Method, path: &str) -> anyhow::Result<Request> {
        let token = match &self.token_file {
            Some(file) => {
                let token = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
                Some(Secret::new(token.trim_ascii_end()))
            }
            None => None,
        };
        Ok(Request { method, ..Request::to_admin(&self.admin, token.as_ref(), path)? })
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
