//! `hookgate tail`: follows the events of a running gateway, through its admin listener.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;

use super::admin::Admin;
use super::client::encoded;
use super::output;
use super::visible::visible;
use crate::config::units::parse_duration;

/// Options of `hookgate tail`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints each event when it is safe in the journal, until Ctrl-C; events of sources with ack = \"memory\" are not among
them. Whoever reads too slowly is told on standard error how many events were left out; the gateway waits for nobody.

Examples:
  hookgate tail
  hookgate tail --source stripe --type 'invoice.*'
  hookgate tail --route billing --since 5m --json | jq -r .id")]
pub(super) struct Tail {
    /// Only events of this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Only events of this type; `*` stands for any text
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only events that this route matches
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// Begin with those that were received in this time, as far as they are kept, as in 5m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    since: Option<Duration>,
    /// As JSON, a line for each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

impl Tail {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let since = self.since.map(|since| since.as_secs().to_string());
        let parameters =
            [("source", &self.source), ("type", &self.event_type), ("route", &self.route), ("since", &since)];
        let query: Vec<String> = parameters
            .iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={}", encoded(value))))
            .collect();
        let request = self.admin.request(http::Method::GET, &format!("/tail?{}", query.join("&")))?;
        request.follow(|line| {
            let parsed: Line = serde_json::from_str(line)?;
            if let Some(notice) = parsed.notice {
                output::say(format_args!("note: {notice}"));
            } else if self.json {
                output::print(format_args!("{line}\n"))?;
            } else {
                output::print(format_args!("{}\n", parsed.event.text()))?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Deserialize)]
struct Line {
    notice: Option<String>,
    #[serde(flatten)]
    event: Event,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    received: String,
    source: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    id: String,
    bytes: u64,
    routes: Vec<String>,
}

impl Event {
    fn text(&self) -> String {
        let routes = if self.routes.is_empty() { "no route".to_owned() } else { self.routes.join(", ") };
        let event_type = self.kind.as_deref().unwrap_or("-");
        let (source, event_type, id) = (visible(&self.source), visible(event_type), visible(&self.id));
        format!("{}  {source}  {event_type}  {id}  {} B  {routes}", self.received, self.bytes)
    }
}
