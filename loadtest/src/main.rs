//! The `loadtest` binary: load for hookgate, and a processor that it can deliver to.

mod stop;

mod accept;

mod delivery;

mod figures;

mod bar;

mod plot;

mod machine;

mod sign;

mod load;

mod quiet;

mod corpus;

mod server;

mod run;

mod processor;

mod alternative;

mod compare;

mod verify;

mod backlog;

mod memory;

mod disk;

mod slow_read;

mod sweep;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Load for hookgate, and a processor that it can deliver to.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, after_help = "`loadtest help COMMAND` has examples.")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Processor(processor::ProcessorArgs),
    Compare(Box<compare::CompareArgs>),
    Verify(verify::VerifyArgs),
    Backlog(backlog::BacklogArgs),
    Memory(memory::MemoryArgs),
    Idle(compare::IdleArgs),
    Disk(disk::DiskArgs),
    SlowRead(slow_read::SlowReadArgs),
    Sweep(Box<sweep::SweepArgs>),
    Alternative(alternative::AlternativeArgs),
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Run(args) => run::run(&args).and_then(|report| {
            report.print(args.json)?;
            Ok(match report {
                run::Report { saturated: true, .. } => ExitCode::from(SATURATED),
                run::Report { partial: true, .. } => ExitCode::from(INTERRUPTED),
                _ => ExitCode::SUCCESS,
            })
        }),
        Command::Processor(args) => processor::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Compare(args) => compare::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Backlog(args) => backlog::run(&args),
        Command::Memory(args) => memory::run(&args),
        Command::Idle(args) => compare::idle(&args),
        Command::Disk(args) => disk::run(&args).map(|()| ExitCode::SUCCESS),
        Command::SlowRead(args) => slow_read::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Alternative(args) => alternative::run(&args).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("loadtest: {error:#}");
        ExitCode::FAILURE
    })
}

/// A secret for servers that live as long as a command.
fn secret() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(32).collect()
}

/// The figures are the client's, not the server's.
const SATURATED: u8 = 4;

/// Ended by a signal, as shells say it.
const INTERRUPTED: u8 = 130;
