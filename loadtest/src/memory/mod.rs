//! `loadtest memory`: whether a gateway's memory stays what it is while it takes all it can.

mod args;

mod conduct;

mod told;

pub(crate) use args::MemoryArgs;
pub(crate) use conduct::run;
