//! `loadtest disk`: what a disk gives a journal, and which way of writing a batch costs least.
//!
//! Every size and way has its turn in each round, so that all meet the same moods of a shared disk; what is reported are
//! medians over rounds. The decision that this holds up: the journal copies the events of a batch into one buffer, writes it
//! through the page cache, and syncs it with one `fdatasync`.

mod args;

mod file;

mod ways;

mod sizes;

mod compare;

mod median;

mod device;

pub(crate) use args::DiskArgs;
pub(crate) use device::{Device, Synced};

/// Measures as the arguments ask, and prints it.
pub(crate) fn run(args: &DiskArgs) -> anyhow::Result<()> {
    if args.ways { compare::run(args) } else { sizes::run(args) }
}
