//! Deliveries as lines of JSON, appended to a file or written to standard output.
//!
//! ```text
//! batch ─▶ line, line, line ─▶ one write, on a thread that may block ─▶ file, rotated by size
//!          on the worker        one at a time for each output      └──▶ standard output
//! ```
//!
//! An event counts as delivered when the write has returned: the operating system has it, which outlives this process but
//! not a loss of power. A line is written whole or its rest is cut away or ended, so that what a full disk or a crash leaves
//! behind costs one line at most and never the next.

mod file;

mod line;

mod sink;

mod stdout;

mod whole;

pub(super) use file::file;
pub(super) use sink::LineSink;
pub(super) use stdout::stdout;
