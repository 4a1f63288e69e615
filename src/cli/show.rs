//! `hookgate show`: what happened to one event, told by a running gateway or from the files of a stopped one.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use http::Method;

use super::client::encoded;
use super::output;
use super::progress::Progress;
use super::reach::{Reach, Reached, elsewhere};
use super::visible::visible;
use crate::admin::{Archive, AttemptStory, Stories, Story, Wanted};
use crate::config::Config;
use crate::event::Sequence;
use crate::journal::{JournalError, Search};
use crate::routes::Progress as RouteProgress;

/// Options of `hookgate show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Asks the running gateway at its admin address; where none answers, reads the files of the stopped one. The id is the one
that the sender was answered, or the provider's own. The newest segments are looked through first, and no further than to
the first that has the id; an id that hookgate made says itself where to look.

Exits 1 if nothing is known of the event.

Examples:
  hookgate show evt_1042
  hookgate show 01JD2V7Y9K3M8Q4T6W1X5Z0ABC --source stripe
  hookgate show evt_1042 --json | jq '.events[0].routes'")]
pub(super) struct Show {
    /// The event's id
    id: String,
    /// Only events of this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

impl Show {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let stories = match self.reach.ask(Method::GET, &self.target(), "looking through the journal")? {
            Reached::Gateway(body) => {
                serde_json::from_str(&body).context("what answers is no hookgate's admin address")?
            }
            Reached::Nobody(config) => self.read(&config)?,
        };
        if self.json {
            output::print(format_args!("{}\n", serde_json::to_string(&stories)?))?;
        } else {
            output::print(page(&stories))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn target(&self) -> String {
        let mut target = format!("/events?id={}", encoded(&self.id));
        if let Some(source) = &self.source {
            let _ = write!(target, "&source={}", encoded(source));
        }
        target
    }

    /// The files of a stopped gateway.
    fn read(&self, config: &Config) -> anyhow::Result<Stories> {
        let dir = config.journal.events_dir();
        let search = if dir.exists() { Some(Search::of_closed(&dir)) } else { None };
        let search = match search {
            Some(Err(JournalError::Locked { dir, owner })) => return Err(elsewhere(&dir, &owner)),
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(search)) => Some(search),
            None => None,
        };
        let saved = search.as_ref().map(|search| search.progress()).unwrap_or_default();
        let progress: Vec<(&str, Option<RouteProgress>)> =
            saved.iter().map(|(route, saved)| (&**route, RouteProgress::decode(&saved.done).ok())).collect();
        let is_done = |route: &str, sequence: Sequence| {
            let (_, progress) = progress.iter().find(|(known, _)| *known == route)?;
            progress.as_ref().map(|progress| progress.is_done(sequence))
        };
        let mut bar = Progress::of_reading();
        let wanted = Wanted { id: self.id.clone(), source: self.source.clone() };
        let mut advance = |bytes, of| bar.show(bytes, of);
        let events = Archive::new(config).tell(search.as_ref(), &wanted, &is_done, false, &mut advance)?;
        if events.is_empty() {
            bail!("no event with the id {:?} is known; it was never taken, or is no longer kept", self.id);
        }
        Ok(Stories { events, attempts_dropped: 0 })
    }
}

fn page(stories: &Stories) -> String {
    let mut page: Vec<String> = stories.events.iter().map(story).collect();
    if stories.attempts_dropped > 0 {
        page.push(format!(
            "{} attempts of all events are missing in the log since the start\n",
            stories.attempts_dropped
        ));
    }
    page.join("\n")
}

fn story(story: &Story) -> String {
    let mut page = String::new();
    let signed = if story.type_signed == Some(true) { "signed" } else { "not signed" };
    // Writing to a string cannot fail.
    let _ = write!(page, "{} of {}", visible(&story.id), visible(&story.source));
    if let Some(ack) = &story.ack {
        let _ = write!(page, " (ack = {ack})");
    }
    let _ = match &story.event_type {
        Some(event_type) => writeln!(page, ", type {} ({signed})", visible(event_type)),
        None => writeln!(page),
    };
    let _ = match &story.received {
        Some(received) => write!(page, "received {received}"),
        None => write!(page, "not in the journal: this is what the log of attempts tells"),
    };
    if let Some(bytes) = story.bytes {
        let _ = write!(page, ", {bytes} bytes");
    }
    if let (Some(method), Some(target)) = (&story.method, &story.target) {
        let _ = write!(page, ", {} {}", visible(method), visible(target));
    }
    let _ = writeln!(page);
    if let Some(verified) = &story.verified {
        let _ = writeln!(page, "proof: {}", visible(verified));
    }
    if let (Some(sequence), Some(segment), Some(offset)) = (story.sequence, &story.segment, story.offset) {
        let _ = writeln!(page, "journal: sequence {sequence}, {segment} at byte {offset}");
    }
    if story.routes.is_empty() {
        let _ = writeln!(page, "\nno route matches");
    }
    for route in &story.routes {
        let note = route.note.as_ref().map_or_else(String::new, |note| format!(" ({})", visible(note)));
        let _ = writeln!(page, "\nroute {}: {}{note}", visible(&route.route), route.state);
        for attempt in &route.attempts {
            let _ = writeln!(page, "  {}", line(attempt));
        }
    }
    page
}

fn line(attempt: &AttemptStory) -> String {
    let AttemptStory { attempt: number, started, took_ms, outcome, detail } = attempt;
    let took = took_ms.map_or_else(String::new, |took| format!(" after {took:.1} ms"));
    let detail = if detail.is_empty() { String::new() } else { format!(": {}", visible(detail)) };
    format!("{started}  attempt {number}: {}{took}{detail}", visible(outcome))
}
