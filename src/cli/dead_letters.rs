//! `hookgate dead retry` and `drop`: through the running gateway, which alone writes the files of dead letters.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use anyhow::bail;

use super::admin::Admin;
use super::client::encoded;
use super::progress::Progress;
use super::{job, output};

/// Options of `hookgate dead retry`.
#[derive(Debug, clap::Args)]
pub(super) struct Retry {
    #[command(flatten)]
    letters: Letters,
}

/// Options of `hookgate dead drop`.
#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    #[command(flatten)]
    letters: Letters,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Which letters.
#[derive(Debug, clap::Args)]
struct Letters {
    /// The route
    route: String,
    #[command(flatten)]
    which: Which,
    /// Only count them
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    admin: Admin,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Those of the event with this id
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// All of the route
    #[arg(long)]
    all: bool,
    /// Those of events of this type; `*` stands for any text
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    event_type: Option<String>,
}

impl Retry {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let Letters { route, dry_run, .. } = &self.letters;
        let ended = self.letters.ask("retry", *dry_run)?;
        let what = if *dry_run { "would be handed" } else { "handed" };
        output::print(format_args!("{} dead letters {what} to {route} again\n", ended.told.events))?;
        ended.check("the letters that were not handed over are still there: do it again")?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Remove {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let Letters { route, dry_run, .. } = &self.letters;
        if !*dry_run && !self.yes && !self.is_confirmed()? {
            bail!("nothing was dropped");
        }
        let ended = self.letters.ask("drop", *dry_run)?;
        let what = if *dry_run { "would be dropped" } else { "dropped" };
        output::print(format_args!("{} dead letters of {route} {what}\n", ended.told.events))?;
        ended.check("`hookgate dead list` prints those that are left")?;
        Ok(ExitCode::SUCCESS)
    }

    fn is_confirmed(&self) -> anyhow::Result<bool> {
        if !std::io::stdin().is_terminal() {
            bail!("dropped letters are gone; say --yes if that is wanted");
        }
        let count = self.letters.ask("drop", true)?.told.events;
        output::say(format_args!("Drop {count} dead letters of {}? They are gone then. [y/N]", self.letters.route));
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}

impl Letters {
    fn ask(&self, verb: &str, dry_run: bool) -> anyhow::Result<job::Ended> {
        let mut query = match &self.which {
            Which { id: Some(id), .. } => format!("id={}", encoded(id)),
            Which { event_type: Some(event_type), .. } => format!("type={}", encoded(event_type)),
            Which { .. } => "all=".to_owned(),
        };
        if dry_run {
            query.push_str("&dry_run=");
        }
        let target = format!("/routes/{}/dead/{verb}?{query}", encoded(&self.route));
        job::follow(&self.admin, &target, Progress::of_letters(), false)
    }
}
