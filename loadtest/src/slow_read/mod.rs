//! `loadtest slow-read`: clients that send requests and read no answer, until the server closes them.

mod args;

mod conduct;

mod reader;

mod told;

pub(crate) use args::SlowReadArgs;
pub(crate) use conduct::run;
