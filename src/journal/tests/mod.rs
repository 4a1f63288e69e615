//! The journal as a whole: on a disk that fails, on a real one, and through its handles.

#![allow(clippy::unwrap_used)]

mod driven;

mod duplicates;

mod faults;

mod format;

mod handles;

mod index_pages;

mod parked;

mod power;

mod reading;

mod repair;

mod room;

mod rot;

mod saturated;

mod sim_disk;

use std::path::Path;
use std::time::Duration;

use super::{IdWindow, Settings};
use crate::event::Event;

/// Small enough that a test fills many segments.
const SEGMENT: u64 = 64 << 10;

fn settings(dir: &Path) -> Settings {
    let window = IdWindow { source: "github".into(), ids: 10_000, age: Duration::from_secs(3600) };
    Settings {
        max_size: 64 * SEGMENT,
        retain_age: None,
        retain_size: Some(3 * SEGMENT),
        segment_size: SEGMENT,
        ring_bytes: 64 << 10,
        queue_events: 1000,
        queue_bytes: 10 << 20,
        id_windows: vec![window],
        ..Settings::new(dir)
    }
}

/// So little room that segments must be recycled.
fn tight() -> Settings {
    Settings { max_size: 8 * SEGMENT, ..settings(Path::new("unused")) }
}

/// The event with this number, always the same.
fn event(number: u64) -> Event {
    let mut rng = fastrand::Rng::with_seed(number);
    let length = if rng.u8(..40) == 0 { rng.usize(..40_000) } else { rng.usize(..5_000) };
    let mut body = vec![0; length];
    rng.fill(&mut body);
    Event::for_test("github", Some("push"), &format!("id-{number}"), &[("content-type", b"text/plain")], &body)
}

/// The number of an event that [`event`] made, if it is whole.
fn number_of(read: &Event) -> Option<u64> {
    let number = read.id().strip_prefix("id-")?.parse().ok()?;
    let written = event(number);
    let same = read.type_signed() == written.type_signed()
        && read.event_type() == written.event_type()
        && read.parts() == written.parts();
    same.then_some(number)
}
