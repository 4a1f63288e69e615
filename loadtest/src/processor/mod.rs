//! `loadtest processor`: the end of a route. It answers as slowly and as badly as it is told, and counts what it got.

mod args;

mod counts;

mod serve;

pub(crate) use args::ProcessorArgs;
pub(crate) use serve::run;
