//! The command line of `loadtest disk`.

use std::path::PathBuf;

use clap::Args;

/// Measures what a disk gives a journal: synced writes by size, and ways to write a batch of events.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  loadtest disk --dir /var/lib/hookgate
  loadtest disk --dir /var/lib/hookgate --ways --events 32,256 --rounds 15")]
pub(crate) struct DiskArgs {
    /// A directory on the disk to measure. What is written there is removed.
    #[arg(long, default_value = ".")]
    pub(super) dir: PathBuf,

    /// Compare ways to write batches of real bodies: copied or not, compressed or not, past the page cache or not.
    #[arg(long)]
    pub(super) ways: bool,

    /// Events in a batch, with --ways.
    #[arg(long, value_delimiter = ',', default_values_t = [16, 128])]
    pub(super) events: Vec<usize>,

    /// Rounds; every way or size has its turn in each.
    #[arg(long, default_value_t = 9)]
    pub(super) rounds: usize,

    /// Batches written in one turn.
    #[arg(long, default_value_t = 100)]
    pub(super) batches: usize,

    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}
