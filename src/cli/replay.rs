//! `hookgate replay`: has a running gateway give events of its journal to a route once more.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::bail;
use humantime::{format_rfc3339_millis, parse_rfc3339_weak};

use super::admin::Admin;
use super::client::encoded;
use super::progress::Progress;
use super::{job, output};
use crate::config::units::parse_duration;

/// Options of `hookgate replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Gives events that are still in the journal of a running gateway to one route again, whatever became of them before. Each
arrives with the webhook-id it had, and counts its attempts and its age anew. They are written to the journal again, so
that a crash loses none that was handed over, and obey the route's in_flight, max_rate, retry, breaker, where and pause.
While as many wait as half of max_parked, it waits. Events of sources with ack = \"memory\" are not in the journal.

TIME is as in 2026-11-24T10:00:00Z, or how long ago, as in 90m. Ctrl-C ends it; --from-sequence goes on where it was.

Exits 1 if it did not come to its end.

Examples:
  hookgate replay --route billing --from 2026-11-24T10:00:00Z --to 2026-11-24T12:00:00Z --dry-run
  hookgate replay --route billing --from 2h --type 'invoice.*' --rate 500/s
  hookgate replay --route new --from 3d --source stripe --rate max --json | tail -n 1
  hookgate replay --route billing --from-sequence 48213 --to 2026-11-24T12:00:00Z")]
pub(super) struct Replay {
    /// The route that is to get them
    #[arg(long, value_name = "ROUTE")]
    route: String,
    /// Only events that were received then or later
    #[arg(long, value_name = "TIME", required_unless_present = "from_sequence", value_parser = parse_time)]
    from: Option<SystemTime>,
    /// Only events that were received before; without it all there are now
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<SystemTime>,
    /// Begin with this event of the journal, as an earlier replay has said
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    from_sequence: Option<u64>,
    /// Only events of this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Only events of this type; `*` stands for any text
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Also events that the route does not match by source and type
    #[arg(long)]
    any: bool,
    /// So many a second, or `max` for as fast as the route takes them
    #[arg(long, value_name = "RATE", default_value = "100/s", value_parser = parse_rate)]
    rate: Rate,
    /// Only count them
    #[arg(long)]
    dry_run: bool,
    /// How far it is as JSON, a line each; the last one has `"is_over": true`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

/// Events a second; `None` is no bound.
#[derive(Debug, Clone, Copy)]
struct Rate(Option<u32>);

fn parse_rate(text: &str) -> Result<Rate, String> {
    let wrong = "write a whole number of events a second, as in 100/s, or max";
    match text {
        "max" => Ok(Rate(None)),
        _ => match text.strip_suffix("/s").unwrap_or(text).parse() {
            Ok(rate @ 1..) => Ok(Rate(Some(rate))),
            _ => Err(wrong.to_owned()),
        },
    }
}

fn parse_time(text: &str) -> Result<SystemTime, String> {
    if let Ok(time) = parse_rfc3339_weak(text) {
        return Ok(time);
    }
    let ago: Duration =
        parse_duration(text).map_err(|_| "write a time as in 2026-11-24T10:00:00Z, or how long ago as in 90m")?;
    SystemTime::now().checked_sub(ago).ok_or_else(|| "there was no such time".to_owned())
}

impl Replay {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        if self.from.zip(self.to).is_some_and(|(from, to)| from >= to) {
            bail!("--from must be before --to");
        }
        let ended = job::follow(&self.admin, &self.target(), Progress::of_replaying(), self.json)?;
        let told = &ended.told;
        let next = told.next_sequence.unwrap_or(1);
        if !self.json {
            let what = if self.dry_run { "would be replayed" } else { "replayed" };
            output::print(format_args!(
                "{} events {what} to {}, up to sequence {}\n",
                told.events,
                self.route,
                next.saturating_sub(1)
            ))?;
        }
        ended.check(&format!("--from-sequence {next} goes on from there, and may repeat a few"))?;
        Ok(ExitCode::SUCCESS)
    }

    fn target(&self) -> String {
        let time = |time: Option<SystemTime>| time.map(|time| format_rfc3339_millis(time).to_string());
        let flag = |set: bool| set.then(String::new);
        let parameters = [
            ("from", time(self.from)),
            ("to", time(self.to)),
            ("from_sequence", self.from_sequence.map(|sequence| sequence.to_string())),
            ("source", self.source.clone()),
            ("type", self.event_type.clone()),
            ("any", flag(self.any)),
            ("rate", self.rate.0.map(|rate| rate.to_string())),
            ("dry_run", flag(self.dry_run)),
        ];
        let query: Vec<String> = parameters
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name}={}", encoded(&value))))
            .collect();
        format!("/routes/{}/replay?{}", encoded(&self.route), query.join("&"))
    }
}
