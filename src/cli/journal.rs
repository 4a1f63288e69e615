//! `hookgate journal`: looks at the journal of a stopped gateway, and changes nothing in it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Subcommand;
use humantime::{format_duration, format_rfc3339_millis};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table::Table;
use super::{ConfigFile, output};
use crate::config::Config;
use crate::config::units::WrittenSize;
use crate::journal::{Inspection, JournalError, inspect};

/// Options of `hookgate journal`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate journal stats
  hookgate journal verify --config /etc/hookgate/hookgate.toml")]
pub(super) struct Journal {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prints what is in it: segments, events, how far each route has come. Reads all of it
    #[command(after_help = "Example:\n  hookgate journal stats")]
    Stats(ConfigFile),
    /// Reads all of it and checks every checksum. Exits 1 with file and offset where one does not fit
    #[command(after_help = "Example:\n  hookgate journal verify")]
    Verify(ConfigFile),
}

impl Journal {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::Stats(file) => {
                let inspection = read(&file.load()?)?;
                output::print(stats(&inspection))?;
            }
            Verb::Verify(file) => {
                let config = file.load()?;
                let Inspection { segments, batches, events, parked, torn_bytes, .. } = read(&config)?;
                let dir = config.journal.events_dir();
                output::print(format_args!(
                    "{} is whole: {segments} segments, {batches} batches, {events} events, {parked} parked\n{}",
                    dir.display(),
                    torn(torn_bytes)
                ))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(config: &Config) -> anyhow::Result<Inspection> {
    let dir = config.journal.events_dir();
    if !dir.exists() {
        bail!("there is no journal in {}: no durable source has run with this configuration", dir.display());
    }
    let mut progress = Progress { started: Instant::now(), bar: None };
    let read = inspect(&dir, &mut |bytes, of| progress.show(bytes, of));
    if let Some(bar) = progress.bar {
        bar.finish_and_clear();
    }
    match read {
        Err(JournalError::Locked { dir, owner }) => {
            let admin = config.gateway.admin.map_or_else(String::new, |admin| format!(" (http://{admin}/metrics)"));
            bail!(
                "{} belongs to {owner}: while that runs, its /metrics{admin} tell of the journal; stop it to read the files",
                dir.display()
            )
        }
        read => Ok(read?),
    }
}

fn stats(inspection: &Inspection) -> String {
    let Inspection { segments, bytes, spare_bytes, oldest, end, events, received, progress, torn_bytes, .. } =
        inspection;
    let mut lines =
        vec![format!("{segments} segments, {} and {} spare", WrittenSize(*bytes), WrittenSize(*spare_bytes))];
    lines.push(match received {
        Some((first, last)) => {
            let span = Duration::from_secs(last.duration_since(*first).unwrap_or_default().as_secs());
            format!(
                "{events} events, sequence {oldest} to {}, received {} to {}, within {}",
                end.0.saturating_sub(1),
                format_rfc3339_millis(*first),
                format_rfc3339_millis(*last),
                format_duration(span)
            )
        }
        None => format!("no events; the next one has the sequence {end}"),
    });
    if inspection.parked > 0 {
        lines.push(format!(
            "{} records of parked events, of which {} wait for another attempt",
            inspection.parked, inspection.parked_open
        ));
    }
    let mut table = Table::new(["route", "position", "lag"]);
    for (route, progress) in progress {
        let lag = end.0.saturating_sub(progress.position.0);
        table.row([route.to_string(), progress.position.to_string(), lag.to_string()]);
    }
    format!("{}\n{}\n{table}", lines.join("\n"), torn(*torn_bytes))
}

fn torn(bytes: u64) -> String {
    match bytes {
        0 => String::new(),
        bytes => format!(
            "{bytes} bytes at the end are of a write that had not ended; nothing in it was acknowledged, and the next start \
             cuts it off\n"
        ),
    }
}

/// A bar on standard error for what takes long. indicatif draws nothing where that is no terminal; it uses no colours,
/// whatever `NO_COLOR` says.
struct Progress {
    started: Instant,
    bar: Option<ProgressBar>,
}

/// What is over sooner needs no bar.
const LONG: Duration = Duration::from_secs(2);

impl Progress {
    fn show(&mut self, bytes: u64, of: u64) {
        if self.bar.is_none() && self.started.elapsed() >= LONG {
            let bar = ProgressBar::with_draw_target(Some(of), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("reading [{bar:30}] {bytes} of {total_bytes}") {
                bar.set_style(style.progress_chars("=> "));
            }
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }
}
