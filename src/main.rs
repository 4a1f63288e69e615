//! The `hookgate` binary: arguments go to [`hookgate::cli`].

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages. They save no CPU time that could be measured here, and an idle gateway has 17 MB with them
    // instead of 5, one with 512 busy connections some 50 instead of some 30 (`loadtest/RESULTS.md`). Where the system does not know the
    // call there are none to turn off.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    hookgate::cli::main()
}
