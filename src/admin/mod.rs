//! Health, metrics and control, on a listener of their own and the `control` thread.
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200 as long as the process lives |
//! | `GET /readyz` | 200, or 503 with the reasons |
//! | `GET /metrics` | Prometheus' text format |
//! | `GET /routes` | every route's state, as JSON |
//! | `GET /events?id=…` (`&source=…`) | all that happened to an event, as JSON |
//! | `GET /tail` (`?source=…&type=…&route=…&since=SECONDS`) | events as they become safe, a line of JSON each |
//! | `GET /polls` | every poll's state, as JSON |
//! | `POST /polls/NAME/run` | runs it now; at the end of the run, what it found |
//! | `POST /polls/NAME/reset` (`?to=CURSOR`) | has it begin anew, or go on from there |
//! | `POST /routes/NAME/pause`, `…/resume` | stops and starts its deliveries |
//! | `POST /routes/NAME/forget` | gives up what the journal keeps for a route that is no more configured |
//! | `POST /routes/NAME/replay?from=TIME` (`&to=…&from_sequence=…&source=…&type=…&any&rate=…&dry_run`) | gives it events of the journal again; lines of progress |
//! | `POST /routes/NAME/dead/retry`, `…/drop` (`?all`, `?id=…` or `?type=…`, `&dry_run`) | its dead letters, likewise |
//! | `GET /quarantine` (`?source=…`), `GET /quarantine/ID` | what was refused and is kept; all of one |
//! | `POST /quarantine/retry`, `…/drop` (`?all`, `?source=…` or `?id=…,…`, `&ignore_age&trust&dry_run`) | lets it in where it is right now, a line for each; or forgets it |
//!
//! Nothing here shows a secret. Scraping sums what the io threads count; they do nothing for it.

mod access;

mod archive;

mod door;

mod exposition;

mod follow;

mod jobs;

mod metrics;

mod observed;

mod polls;

mod quarantine;

mod readiness;

mod replay;

mod server;

mod story;

mod undertaking;

pub(crate) use archive::{Archive, Wanted};
pub(crate) use jobs::JobLine;
pub(crate) use observed::{Observed, ObservedSource};
pub(crate) use server::Admin;
pub(crate) use story::{AttemptStory, Stories, Story};
