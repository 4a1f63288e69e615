//! The page behind `/metrics`.

use std::sync::Arc;
use std::time::SystemTime;

use super::exposition::Exposition;
use super::observed::Observed;
use crate::counters::SourceCounters;
use crate::journal::JournalStatus;
use crate::poll::{ObservedPoll, PollCounts};
use crate::quarantine::Counts;
use crate::refusal::Refusal;
use crate::routes::RouteStatus;

/// Everything that is counted, summed over the threads that count it.
pub(super) fn page(observed: &Observed) -> String {
    let mut page = Exposition::default();
    connections(&mut page, observed);
    sources(&mut page, observed);
    refusals(&mut page, observed);
    if let Some(quarantine) = &observed.quarantine {
        self::quarantine(&mut page, quarantine.counts());
    }
    polls(&mut page, &observed.polls);
    routes(&mut page, &observed.routes.status());
    page.metric("hookgate_attempts_dropped_total", "counter", "Attempts that are missing in their log.");
    page.sample("hookgate_attempts_dropped_total", &[], observed.routes.attempts_dropped());
    if let Some(journal) = &observed.journal {
        self::journal(&mut page, &journal.status());
    }
    page.finish()
}

fn connections(page: &mut Exposition, observed: &Observed) {
    let opened = observed.listen_total(|listen| listen.connections_opened.get());
    let closed = observed.listen_total(|listen| listen.connections_closed.get());
    let mut one = |name: &str, kind: &str, help: &str, value: u64| {
        page.metric(name, kind, help);
        page.sample(name, &[], value);
    };
    one("hookgate_connections_open", "gauge", "Connections of senders.", opened.saturating_sub(closed));
    one("hookgate_connections_total", "counter", "Connections accepted.", opened);
    let refused = observed.listen_total(|listen| listen.connections_refused.get());
    one(
        "hookgate_connections_refused_total",
        "counter",
        "Connections over max_connections, or over what one address may have.",
        refused,
    );
    let malformed = observed.listen_total(|listen| listen.malformed.get());
    one(
        "hookgate_malformed_heads_total",
        "counter",
        "Connections ended because what came is not HTTP/1.1, or its head is too large.",
        malformed,
    );
    let head = observed.listen_total(|listen| listen.head_timeouts.get());
    one("hookgate_head_timeouts_total", "counter", "Connections closed by head_timeout.", head);
    let idle = observed.listen_total(|listen| listen.idle_timeouts.get());
    one("hookgate_idle_timeouts_total", "counter", "Connections closed by idle_timeout.", idle);
    let write = observed.listen_total(|listen| listen.write_timeouts.get());
    one("hookgate_write_timeouts_total", "counter", "Connections closed as the client did not take its answer.", write);
    let failed = observed.listen_total(|listen| listen.handshakes_failed.get());
    one("hookgate_tls_handshakes_failed_total", "counter", "Connections that did not get as far as TLS.", failed);
    let dropped = observed.listen_total(|listen| listen.handshakes_dropped.get());
    one("hookgate_tls_handshakes_dropped_total", "counter", "Handshakes cut off for newer ones.", dropped);
    let proxied = observed.listen_total(|listen| listen.bad_proxy_headers.get());
    one("hookgate_proxy_headers_refused_total", "counter", "Connections without the PROXY header they need.", proxied);
    let floods = observed.listen_total(|listen| listen.floods.get());
    one("hookgate_http2_floods_total", "counter", "HTTP/2 connections closed for much that is no request.", floods);
    let (used, limit) = (observed.budget.used() as u64, observed.budget.limit() as u64);
    one("hookgate_memory_budget_used_bytes", "gauge", "Bytes of bodies in memory.", used);
    one("hookgate_memory_budget_bytes", "gauge", "Bytes of bodies that may be in memory.", limit);
}

fn sources(page: &mut Exposition, observed: &Observed) {
    type Count = fn(&SourceCounters) -> u64;
    let counts: [(&str, &str, Count); 5] = [
        ("hookgate_events_unrouted_total", "Accepted events that no route matched.", |source| source.unrouted.get()),
        ("hookgate_duplicates_total", "Deliveries of an id that was safe already, not delivered again.", |source| {
            source.duplicates.get()
        }),
        ("hookgate_batches_total", "Requests accepted and taken apart into their events.", |source| {
            source.batches.get()
        }),
        ("hookgate_handshakes_total", "Handshakes answered.", |source| source.handshakes.get()),
        ("hookgate_body_bytes_total", "Bytes of accepted bodies.", |source| source.body_bytes.get()),
    ];
    page.metric("hookgate_events_accepted_total", "counter", "Events acknowledged.");
    for (at, source) in observed.sources.iter().enumerate() {
        let labels = [("source", source.name.as_str()), ("ack", source.ack.as_str())];
        page.sample(
            "hookgate_events_accepted_total",
            &labels,
            observed.source_total(at, |source| source.accepted.get()),
        );
    }
    for (name, help, count) in counts {
        page.metric(name, "counter", help);
        for (at, source) in observed.sources.iter().enumerate() {
            page.sample(name, &[("source", &source.name)], observed.source_total(at, count));
        }
    }
    silences(page, observed);
    page.metric(
        "hookgate_ack_deadline_total",
        "counter",
        "Answers, by whether they left within the source's deadline.",
    );
    for (at, source) in observed.sources.iter().enumerate() {
        let met = observed.source_total(at, |source| source.deadline_met.get());
        let missed = observed.source_total(at, |source| source.deadline_missed.get());
        page.sample("hookgate_ack_deadline_total", &[("source", &source.name), ("met", "true")], met);
        page.sample("hookgate_ack_deadline_total", &[("source", &source.name), ("met", "false")], missed);
    }
    page.metric(
        "hookgate_ack_seconds",
        "histogram",
        "From the first byte of the head to the answer, of accepted events.",
    );
    for (at, source) in observed.sources.iter().enumerate() {
        let parts = observed.io.iter().map(|thread| thread.source(at).ack.read());
        page.histogram("hookgate_ack_seconds", &[("source", &source.name)], parts);
    }
}

/// When each source accepted its last event, and which have been silent for too long.
fn silences(page: &mut Exposition, observed: &Observed) {
    const LAST: &str = "hookgate_source_last_event_timestamp_seconds";
    const SILENT: &str = "hookgate_source_silent";
    page.metric(LAST, "gauge", "When the last event was accepted.");
    for (at, source) in observed.sources.iter().enumerate() {
        if let Some(seconds) = observed.last_accepted(at) {
            page.sample(LAST, &[("source", &source.name)], seconds);
        }
    }
    page.metric(SILENT, "gauge", "1 where nothing was accepted for longer than expect_every.");
    let now = SystemTime::now();
    for (at, source) in observed.sources.iter().enumerate().filter(|(_, source)| source.expect_every.is_some()) {
        page.sample(SILENT, &[("source", &source.name)], u64::from(observed.silence(at, now).is_some()));
    }
}

/// Reasons that have occurred; a reason that has not is left out, as 20 of them for each source would hide the rest.
fn refusals(page: &mut Exposition, observed: &Observed) {
    const NAME: &str = "hookgate_requests_refused_total";
    page.metric(NAME, "counter", "Requests refused, by reason; without a source those that none was found for.");
    for refusal in Refusal::ALL {
        let mut sample = |source: &str, count: u64| {
            if count > 0 {
                page.sample(NAME, &[("source", source), ("reason", refusal.label())], count);
            }
        };
        sample("", observed.listen_total(|listen| listen.refused.get(refusal)));
        for (at, source) in observed.sources.iter().enumerate() {
            sample(&source.name, observed.source_total(at, |source| source.refused.get(refusal)));
        }
    }
}

fn quarantine(page: &mut Exposition, counts: &Counts) {
    const EVENTS: &str = "hookgate_quarantine_events";
    const BYTES: &str = "hookgate_quarantine_bytes";
    const DROPPED: &str = "hookgate_quarantine_dropped_total";
    page.metric(EVENTS, "gauge", "Refused requests that are kept.");
    counts.kept().for_each(|(source, events, _)| page.sample(EVENTS, &[("source", source)], events));
    page.metric(BYTES, "gauge", "Bytes of them on the disk.");
    counts.kept().for_each(|(source, _, bytes)| page.sample(BYTES, &[("source", source)], bytes));
    page.metric(DROPPED, "counter", "Refused requests that are not kept, or no longer, by reason.");
    for (source, reason, count) in counts.losses().filter(|(.., count)| *count > 0) {
        page.sample(DROPPED, &[("source", source), ("reason", reason)], count);
    }
}

fn polls(page: &mut Exposition, polls: &[Arc<ObservedPoll>]) {
    const ERRORS: &str = "hookgate_poll_errors_total";
    type Column = (&'static str, &'static str, &'static str, fn(&PollCounts) -> u64);
    let columns: [Column; 5] = [
        (
            "hookgate_poll_last_success_timestamp_seconds",
            "gauge",
            "When a run was last complete; 0: never yet.",
            |poll| poll.last_success.get(),
        ),
        ("hookgate_poll_pages_total", "counter", "Pages answered.", |poll| poll.pages.get()),
        ("hookgate_poll_unchanged_total", "counter", "Of them, 304: nothing new.", |poll| poll.unchanged.get()),
        ("hookgate_poll_records_total", "counter", "Records that became events.", |poll| poll.records.get()),
        ("hookgate_poll_duplicates_total", "counter", "Records whose id was known.", |poll| poll.duplicates.get()),
    ];
    if polls.is_empty() {
        return;
    }
    for (name, kind, help, value) in columns {
        page.metric(name, kind, help);
        for poll in polls {
            page.sample(name, &[("poll", &poll.name)], value(&poll.counts));
        }
    }
    page.metric("hookgate_poll_failing", "gauge", "1 from a failure to the next complete run.");
    for poll in polls {
        page.sample("hookgate_poll_failing", &[("poll", &poll.name)], u64::from(poll.is_failing()));
    }
    page.metric(
        "hookgate_poll_lag_seconds",
        "gauge",
        "Since the last complete run began, or hookgate if there was none: what the server had by then is safe.",
    );
    let now = SystemTime::now();
    for poll in polls {
        page.sample("hookgate_poll_lag_seconds", &[("poll", &poll.name)], poll.lag(now).as_secs_f64());
    }
    page.metric(ERRORS, "counter", "Failures of a poll, by reason.");
    for poll in polls {
        for (reason, count) in poll.counts.errors().filter(|(_, count)| *count > 0) {
            page.sample(ERRORS, &[("poll", &poll.name), ("reason", reason)], count);
        }
    }
}

fn routes(page: &mut Exposition, routes: &[RouteStatus]) {
    type Column = (&'static str, &'static str, &'static str, fn(&RouteStatus) -> f64);
    let columns: [Column; 17] = [
        ("hookgate_route_offered_total", "counter", "Events that the route matches.", |route| route.offered as f64),
        ("hookgate_route_dropped_total", "counter", "Events it went without: its queue was full.", |route| {
            route.dropped as f64
        }),
        ("hookgate_route_refused_total", "counter", "Events refused because its queue was full.", |route| {
            route.refused as f64
        }),
        ("hookgate_route_filtered_total", "counter", "Events that its `where` does not take.", |route| {
            route.filtered as f64
        }),
        ("hookgate_dead_letters_total", "counter", "Events given up and written as dead letters.", |route| {
            route.dead as f64
        }),
        ("hookgate_route_events", "gauge", "Events in memory, not done with.", |route| route.queued_events as f64),
        ("hookgate_route_bytes", "gauge", "Bytes of their bodies.", |route| route.queued_bytes as f64),
        ("hookgate_route_waiting", "gauge", "Of them, events that were never tried.", |route| route.waiting as f64),
        ("hookgate_route_parked", "gauge", "Events that wait for another attempt, most in the journal.", |route| {
            route.parked as f64
        }),
        ("hookgate_route_in_flight", "gauge", "Deliveries in flight.", |route| route.in_flight as f64),
        ("hookgate_route_lag", "gauge", "Sequences between its position and the end of the journal.", |route| {
            route.lag as f64
        }),
        (
            "hookgate_route_lag_seconds",
            "gauge",
            "Age of the oldest event in the journal that it has come to, is not done with and has not parked.",
            |route| route.lag_age.unwrap_or_default().as_secs_f64(),
        ),
        (
            "hookgate_route_backlog_bytes",
            "gauge",
            "Bytes of the journal from the first that it needs to the end.",
            |route| route.backlog as f64,
        ),
        (
            "hookgate_events_given_up_total",
            "counter",
            "Events it went without: its backlog was full, and says drop_oldest.",
            |route| route.given_up as f64,
        ),
        ("hookgate_route_oldest_seconds", "gauge", "Age of the oldest of these events in memory.", |route| {
            route.oldest_undelivered.unwrap_or_default().as_secs_f64()
        }),
        ("hookgate_route_paused", "gauge", "1 if the route is paused.", |route| f64::from(u8::from(route.paused))),
        ("hookgate_route_breaker_open", "gauge", "1 if its processor is taken for down.", |route| {
            f64::from(u8::from(route.breaker_open))
        }),
    ];
    for (name, kind, help, value) in columns {
        page.metric(name, kind, help);
        for route in routes {
            page.sample(name, &[("route", &route.name)], value(route));
        }
    }
    page.metric("hookgate_route_backlog_limit_bytes", "gauge", "Bytes from which on its backlog is full.");
    for (route, limit) in routes.iter().filter_map(|route| Some((route, route.backlog_limit?))) {
        page.sample("hookgate_route_backlog_limit_bytes", &[("route", &route.name)], limit);
    }
    page.metric("hookgate_deliveries_total", "counter", "Attempts to deliver, by outcome.");
    for route in routes {
        let outcomes = std::iter::once(("delivered", route.delivered)).chain(route.failures);
        for (outcome, count) in outcomes {
            page.sample("hookgate_deliveries_total", &[("route", &route.name), ("outcome", outcome)], count);
        }
    }
    page.metric("hookgate_event_age_seconds", "histogram", "From the receipt of an event to its delivery.");
    for route in routes {
        page.histogram("hookgate_event_age_seconds", &[("route", &route.name)], std::iter::once(route.age));
    }
}

fn journal(page: &mut Exposition, journal: &JournalStatus) {
    let mut one = |name: &str, kind: &str, help: &str, value: u64| {
        page.metric(name, kind, help);
        page.sample(name, &[], value);
    };
    one("hookgate_journal_bytes", "gauge", "Bytes of the journal's segments.", journal.bytes);
    one("hookgate_journal_max_bytes", "gauge", "Bytes they may have: max_size.", journal.max_size);
    one("hookgate_journal_segments", "gauge", "Segments.", journal.segments as u64);
    one("hookgate_journal_queue_events", "gauge", "Events that wait to be written.", journal.queue_events as u64);
    one("hookgate_journal_queue_bytes", "gauge", "Bytes of them.", journal.queue_bytes as u64);
    one(
        "hookgate_journal_receipts",
        "gauge",
        "Events not yet known to be safe or refused.",
        journal.open_receipts as u64,
    );
    one("hookgate_journal_oldest_sequence", "gauge", "The first event that is kept.", journal.oldest.0);
    one("hookgate_journal_next_sequence", "gauge", "The next event that is not safe yet.", journal.synced_end.0);
    one("hookgate_journal_batches_total", "counter", "Batches written and synced.", journal.batches);
    one("hookgate_journal_events_total", "counter", "Events in them.", journal.events);
    one("hookgate_journal_batch_bytes_total", "counter", "Bytes of them.", journal.batch_bytes);
    one("hookgate_journal_failures_total", "counter", "Batches that could not be written or synced.", journal.failures);
    one("hookgate_journal_refusing", "gauge", "1 if it takes no event.", u64::from(journal.trouble.is_some()));
    page.metric("hookgate_journal_sync_seconds", "histogram", "Write and sync of a batch.");
    page.histogram("hookgate_journal_sync_seconds", &[], std::iter::once(journal.sync));
    page.metric("hookgate_duplicates_window_seconds", "gauge", "How far back delivery ids are really remembered.");
    for window in &journal.windows {
        let reach = window.reach.as_secs_f64();
        page.sample("hookgate_duplicates_window_seconds", &[("source", &window.source)], reach);
    }
    page.metric("hookgate_duplicates_window_ids", "gauge", "Delivery ids that are remembered.");
    for window in &journal.windows {
        page.sample("hookgate_duplicates_window_ids", &[("source", &window.source)], window.ids);
    }
}
