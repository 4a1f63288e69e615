//! From tables to resolved values: a file for each kind of thing that is written. All of it reports and goes on.

mod address_list;

mod admin;

mod auth;

mod backlog;

mod command;

mod condition;

mod duplicates;

mod format;

mod gateway;

mod handshake;

mod journal;

mod listen;

mod locator;

mod names;

mod poll;

mod pool;

mod preset;

mod process;

mod proof;

mod quarantine;

mod reach;

mod reply;

mod route;

mod scheme;

mod secret;

mod secret_place;

mod senders;

mod signed;

mod sink;

mod source;

mod validity;

mod weakness;

pub(super) use address_list::address_lists;
pub(super) use admin::admin_of;
pub(super) use gateway::gateway;
pub(super) use journal::journal;
pub(super) use poll::polls;
pub(super) use pool::{Pools, pools};
pub(super) use preset::presets;
pub(super) use process::process;
pub(super) use quarantine::quarantine;
pub(super) use route::{Surroundings, routes};
pub(super) use source::{Sources, sources};
