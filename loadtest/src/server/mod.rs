//! Servers under test: started on cores of their own, each in a directory of its own, and killed when they are done with.

mod cores;

mod memory;

mod process;

mod hookgate;

pub(crate) use cores::{Cores, Layout};
pub(crate) use hookgate::{ConfigText, find, version};
pub(crate) use memory::{Memory, memory};
pub(crate) use process::{Process, free_port, installed};
