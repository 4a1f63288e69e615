//! Whether the gateway is ready for traffic, and the state of its routes, as JSON.

use std::time::SystemTime;

use http::StatusCode;
use serde_json::{Value, json};

use super::observed::Observed;
use crate::listen::Stage;
use crate::poll::PollStatus;
use crate::routes::RouteStatus;

/// A queue this full is worth a word before it refuses.
const NEARLY_FULL: f64 = 0.95;

/// The status of `/readyz` and its body: `{"ready":…,"reasons":[…],"notices":[…]}`. Reasons make it not ready; notices do
/// not, since another gateway behind the same balancer would have them too.
pub(super) fn report(observed: &Observed) -> (StatusCode, String) {
    let mut reasons = Vec::new();
    if observed.stage.get() != Stage::Running {
        reasons.push("draining: the gateway is stopping".to_owned());
    }
    let used = observed.budget.used() as f64 / observed.budget.limit().max(1) as f64;
    if used >= NEARLY_FULL {
        reasons.push(format!("memory_budget is {:.0} % used: new bodies are about to be refused", used * 100.0));
    }
    if let Some(trouble) = observed.journal.as_ref().and_then(|journal| journal.status().trouble) {
        reasons.push(format!(
            "{}: {}, for {} s; durable sources are refused until it is over",
            trouble.refusal.label(),
            trouble.why,
            trouble.since.elapsed().as_secs()
        ));
    }
    if let Some(thread) = observed.fallen_thread() {
        reasons.push(format!("the thread {thread} has ended by a fault in hookgate, which ends to be started again"));
    }
    let mut notices: Vec<_> = observed.routes.status().iter().flat_map(notices).collect();
    notices.extend(silences(observed));
    notices.extend(observed.polls.iter().filter_map(|poll| troubled(&poll.status(SystemTime::now()))));
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{}\n", json!({ "ready": ready, "reasons": reasons, "notices": notices })))
}

/// The sources that have accepted nothing for longer than is expected of them.
fn silences(observed: &Observed) -> impl Iterator<Item = String> {
    let now = SystemTime::now();
    observed.sources.iter().enumerate().filter_map(move |(at, source)| {
        let silence = observed.silence(at, now)?;
        Some(format!("source {} has accepted nothing for {} s", source.name, silence.as_secs()))
    })
}

/// A poll whose last run stopped before its end.
fn troubled(poll: &PollStatus) -> Option<String> {
    let trouble = poll.trouble.as_ref()?;
    Some(match poll.next_run_seconds {
        Some(next) => format!("poll {} is {}: {trouble}; it asks again in {next:.0} s", poll.poll, poll.state),
        None => format!("poll {} is {}: {trouble}; it is asking again", poll.poll, poll.state),
    })
}

/// The body of `/polls`.
pub(super) fn polls(observed: &Observed) -> String {
    let now = SystemTime::now();
    let polls: Vec<PollStatus> = observed.polls.iter().map(|poll| poll.status(now)).collect();
    format!("{}\n", json!({ "polls": polls }))
}

/// The body of `/routes`.
pub(super) fn routes(observed: &Observed) -> String {
    let routes: Vec<Value> = observed.routes.status().iter().map(describe).collect();
    format!("{}\n", json!({ "routes": routes }))
}

/// What an operator should know of a route, if there is something.
fn notices(route: &RouteStatus) -> Vec<String> {
    let mut notices = Vec::new();
    if route.removed {
        notices.push(format!(
            "route {} is no more configured; the journal keeps {} events, {} parked ones, and {} bytes for it until it is again, or forgotten: \
             hookgate route forget {}",
            route.name, route.lag, route.parked, route.backlog, route.name
        ));
    }
    if route.paused {
        notices.push(format!("route {} is paused with {} events", route.name, route.queued_events));
    }
    if route.breaker_open {
        notices.push(format!("route {}: its processor does not answer; it is probed", route.name));
    }
    if let Some(limit) = route.backlog_limit
        && route.backlog as f64 >= NEARLY_FULL * limit as f64
    {
        notices.push(format!(
            "route {}: its backlog is {} of {limit} bytes; where that is reached its when_full acts",
            route.name, route.backlog
        ));
    }
    notices
}

fn state(route: &RouteStatus) -> &'static str {
    if route.removed {
        return "removed";
    }
    match (route.paused, route.breaker_open) {
        (true, _) => "paused",
        (false, true) => "processor down",
        (false, false) => "running",
    }
}

fn describe(route: &RouteStatus) -> Value {
    let failed: u64 = route.failures.iter().map(|(_, count)| count).sum();
    let failures: serde_json::Map<_, _> = route
        .failures
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| ((*kind).to_owned(), json!(count)))
        .collect();
    json!({
        "route": route.name,
        "pool": route.pool,
        "state": state(route),
        "lag": route.lag,
        "lag_seconds": route.lag_age.map(|age| age.as_secs_f64()),
        "backlog_bytes": route.backlog,
        "backlog_limit_bytes": route.backlog_limit,
        "given_up": route.given_up,
        "queued_events": route.queued_events,
        "queued_bytes": route.queued_bytes,
        "waiting": route.waiting,
        "parked": route.parked,
        "in_flight": route.in_flight,
        "oldest_undelivered_seconds": route.oldest_undelivered.map(|age| age.as_secs_f64()),
        "offered": route.offered,
        "delivered": route.delivered,
        "failed_attempts": failed,
        "failures": failures,
        "dead_letters": route.dead,
        "dropped": route.dropped,
        "refused": route.refused,
    })
}
