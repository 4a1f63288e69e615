//! `hookgate journal`: looks at the journal of a stopped gateway; only `repair` changes anything in it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::bail;
use clap::Subcommand;
use humantime::{format_duration, format_rfc3339_millis};
use serde_json::json;

use super::progress::Progress;
use super::table::Table;
use super::{ConfigFile, output};
use crate::config::Config;
use crate::config::units::WrittenSize;
use crate::journal::{Inspection, JournalError, Loss, Repair, inspect, repair};

/// Options of `hookgate journal`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate journal stats
  hookgate journal verify --config /etc/hookgate/hookgate.toml
  hookgate journal repair --dry-run")]
pub(super) struct Journal {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prints what is in it: segments, events, how far each route has come. Reads all of it
    #[command(after_help = "Examples:\n  hookgate journal stats\n  hookgate journal stats --json | jq .routes")]
    Stats {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Reads all of it and checks every checksum. Exits 1 with file and offset where one does not fit
    #[command(after_help = "Example:\n  hookgate journal verify")]
    Verify(ConfigFile),
    /// Takes out what `run` refuses to start on, and says which events are lost with it
    ///
    /// What is taken out, and each header that is written anew, is copied to removed-TIME in the journal's directory first.
    /// All else stays as it is. Refuses while a gateway runs.
    #[command(after_help = "\
Examples:
  hookgate journal repair --dry-run
  hookgate journal repair --config /etc/hookgate/hookgate.toml
  hookgate journal repair /srv/copy-of-data --dry-run")]
    Repair {
        /// The directory, as in `[journal] dir`; without it, that of the configuration. From the directory alone it is not
        /// known which routes there are: give the configuration if you can
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        file: ConfigFile,
    },
}

impl Journal {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::Stats { json, file } => {
                let inspection = read(&file.load()?)?;
                output::print(if json { stats_json(&inspection) } else { stats(&inspection) })?;
            }
            Verb::Repair { dir: Some(dir), dry_run, .. } => {
                let inner = dir.join("journal");
                mend(if inner.exists() { &inner } else { &dir }, &[], dry_run)?;
            }
            Verb::Repair { dir: None, dry_run, file } => {
                let config = file.load()?;
                let routes: Vec<&str> = config.routes.iter().map(|route| route.name.as_str()).collect();
                mend(&config.journal.events_dir(), &routes, dry_run)?;
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
    let mut progress = Progress::of_reading();
    match inspect(&dir, &mut |bytes, of| progress.show(bytes, of)) {
        Err(JournalError::Locked { dir, owner }) => {
            let admin = config.gateway.admin.as_ref();
            let admin = admin.map_or_else(String::new, |admin| format!(" (admin address {})", admin.address));
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

fn stats_json(inspection: &Inspection) -> String {
    let Inspection {
        segments,
        bytes,
        spare_bytes,
        oldest,
        end,
        events,
        parked,
        parked_open,
        batches,
        received,
        progress,
        torn_bytes,
    } = inspection;
    let routes: Vec<_> = progress
        .iter()
        .map(|(route, progress)| {
            let lag = end.0.saturating_sub(progress.position.0);
            json!({ "route": &**route, "position": progress.position.0, "lag": lag })
        })
        .collect();
    let time = |at: SystemTime| format_rfc3339_millis(at).to_string();
    let document = json!({
        "segments": segments,
        "bytes": bytes,
        "spare_bytes": spare_bytes,
        "oldest_sequence": oldest.0,
        "next_sequence": end.0,
        "events": events,
        "parked_records": parked,
        "parked": parked_open,
        "batches": batches,
        "first_received": received.map(|(first, _)| time(first)),
        "last_received": received.map(|(_, last)| time(last)),
        "torn_bytes": torn_bytes,
        "routes": routes,
    });
    format!("{document}\n")
}

fn mend(dir: &Path, routes: &[&str], dry_run: bool) -> anyhow::Result<()> {
    if !dir.join("segments").exists() {
        bail!("there is no journal in {}", dir.display());
    }
    let mut progress = Progress::of_segments();
    let repair = repair(dir, routes, SystemTime::now(), dry_run, &mut |at, of| progress.show(at, of))?;
    drop(progress);
    output::print(report(dir, &repair, dry_run))?;
    if repair.removed_to.is_some() {
        let mut progress = Progress::of_reading();
        let whole = inspect(dir, &mut |bytes, of| progress.show(bytes, of))?;
        drop(progress);
        output::print(format_args!("{} is whole again: {} events are left\n", dir.display(), whole.events))?;
    }
    Ok(())
}

fn report(dir: &Path, repair: &Repair, dry_run: bool) -> String {
    let Repair { losses, headers, restarted, forgotten, removed_to } = repair;
    if losses.is_empty() && headers.is_empty() {
        return format!("{} is whole: there is nothing to repair\n", dir.display());
    }
    let (is, are) = if dry_run { ("would be", "would be") } else { ("is", "are") };
    let mut lines: Vec<String> = losses.iter().map(loss).collect();
    let most: u64 = losses.iter().filter_map(events_at_most).sum();
    lines.push(if losses.iter().any(|loss| events_at_most(loss).is_none()) {
        format!("at most {most} events {are} given up, and those of the last segment, whose number is not known")
    } else {
        format!("at most {most} events {are} given up")
    });
    for header in headers {
        lines.push(format!("the header of {header} {is} written anew"));
    }
    if !restarted.is_empty() {
        let routes = restarted.join(", ");
        lines
            .push(format!("it is lost how far {routes} had come: from the oldest event on they {are} delivered again"));
    }
    if !forgotten.is_empty() {
        let routes = forgotten.join(", ");
        lines.push(format!("it is lost how far {routes} had come: they begin as new routes, see `from_start`"));
    }
    if let Some(removed) = removed_to {
        lines.push(format!("what stood there before is in {}", removed.display()));
    }
    lines.join("\n") + "\n"
}

fn loss(loss: &Loss) -> String {
    let Loss { segment, offset, bytes, sequences: (first, end) } = loss;
    let place = match bytes {
        0 => format!("{segment} is missing"),
        bytes => format!("{segment} from byte {offset} on, {bytes} bytes"),
    };
    match (end, events_at_most(loss)) {
        (Some(_), Some(0)) => format!("{place}: no event"),
        (Some(end), Some(events)) => {
            format!("{place}: sequence {first} to {}, {events} events at most", end.0.saturating_sub(1))
        }
        _ => format!("{place}: all events from sequence {first} on"),
    }
}

fn events_at_most(loss: &Loss) -> Option<u64> {
    loss.sequences.1.map(|end| end.0.saturating_sub(loss.sequences.0.0))
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
