//! Servers under test: started on cores of their own, each in a directory of its own, and killed when they are done with.

mod cores;

mod memory;

mod process;

mod threads;

mod metrics;

mod hookgate;

pub(crate) use cores::{Cores, Layout};
pub(crate) use hookgate::{ConfigText, find, version};
pub(crate) use memory::{Memory, memory};
pub(crate) use metrics::Metrics;
pub(crate) use process::{Process, free_port, installed};
pub(crate) use threads::{move_thread, thread_times};
