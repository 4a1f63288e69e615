//! What a running gateway does at a command's request and takes a while for: how far it is, until it ends or is interrupted.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http::Method;

use super::admin::Admin;
use super::client::Followed;
use super::output;
use super::progress::Progress;
use crate::admin::JobLine;

/// How it ended.
pub(super) struct Ended {
    pub(super) told: JobLine,
    /// By Ctrl-C: what is told is what was known then.
    pub(super) interrupted: bool,
}

/// Where no bar can be drawn a line says as much.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Asks for it and shows how far it is: as a bar, as lines where standard error is no terminal, or each line as it comes.
pub(super) fn follow(admin: &Admin, target: &str, mut bar: Progress, json: bool) -> anyhow::Result<Ended> {
    let request = admin.request(Method::POST, target)?;
    let has_terminal = std::io::stderr().is_terminal();
    let mut last = JobLine::default();
    let mut said = Instant::now();
    let followed = request.follow(|line| {
        last = serde_json::from_str(line).context("this is not a hookgate's admin address")?;
        if json {
            output::print(format_args!("{line}\n"))?;
        } else if has_terminal {
            bar.show_with(last.looked_through, last.of, &progress(&last));
        } else if said.elapsed() >= LINE_EVERY && !last.is_over {
            said = Instant::now();
            output::say(progress(&last));
        }
        Ok(if last.is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    drop(bar);
    Ok(Ended { told: last, interrupted: matches!(followed, Followed::Interrupted) })
}

fn progress(told: &JobLine) -> String {
    let waits = if told.waits { "; the route has no room, waiting" } else { "" };
    let percent = (told.looked_through * 100).checked_div(told.of);
    let of = percent.map_or_else(String::new, |percent| format!(", {percent}%"));
    format!("{} events so far{of}{waits}", told.events)
}

impl Ended {
    /// An error if it ended before its end, and how to go on.
    pub(super) fn check(&self, go_on: &str) -> anyhow::Result<()> {
        match &self.told.stopped {
            _ if self.interrupted => bail!("interrupted; {go_on}"),
            Some(why) => bail!("{why}; {go_on}"),
            None => Ok(()),
        }
    }
}
