//! What happened to an event, as it is told: JSON on the admin address, and what `hookgate show` prints.

use serde::{Deserialize, Serialize};

use crate::routes::BuriedAttempt;

/// The stories of one id.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stories {
    pub(crate) events: Vec<Story>,
    /// Attempts that the log is missing, since this process began.
    #[serde(default)]
    pub(crate) attempts_dropped: u64,
}

/// One event. What is `null` is not known: an event of `ack = "memory"` leaves only its attempts behind.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Story {
    pub(crate) id: String,
    pub(crate) source: String,
    /// What the source's acknowledgement means: `durable` or `memory`.
    pub(crate) ack: Option<String>,
    /// What a request to the source must prove, as it is configured now.
    pub(crate) verified: Option<String>,
    #[serde(rename = "type")]
    pub(crate) event_type: Option<String>,
    pub(crate) type_signed: Option<bool>,
    pub(crate) received: Option<String>,
    pub(crate) bytes: Option<usize>,
    pub(crate) method: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) sequence: Option<u64>,
    pub(crate) segment: Option<String>,
    pub(crate) offset: Option<u64>,
    pub(crate) routes: Vec<RouteStory>,
}

/// What one route did with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RouteStory {
    pub(crate) route: String,
    /// `queued`, `parked`, `delivered`, `dead`, or `done` where it is not known how.
    pub(crate) state: String,
    pub(crate) note: Option<String>,
    pub(crate) attempts: Vec<AttemptStory>,
}

/// One attempt.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AttemptStory {
    /// 1 for the first.
    pub(crate) attempt: u32,
    pub(crate) started: String,
    pub(crate) took_ms: Option<f64>,
    /// `delivered`, `status 503`, `timed out`, …
    pub(crate) outcome: String,
    /// The first bytes of the answer, or what the system said.
    pub(crate) detail: String,
}

impl AttemptStory {
    /// As a dead letter tells it, which knows only when it ended.
    pub(super) fn buried(attempt: &BuriedAttempt, number: u32) -> Self {
        Self {
            attempt: number,
            started: attempt.at.clone(),
            took_ms: None,
            outcome: attempt.outcome.clone(),
            detail: attempt.detail.clone(),
        }
    }
}
