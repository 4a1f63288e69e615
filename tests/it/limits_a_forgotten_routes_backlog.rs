//! A route that nobody serves: it may keep so much of the journal and no more. Then its own sources are refused, or it goes
//! without its oldest events; nobody else notices.

use std::sync::atomic::Ordering::SeqCst;
use std::time::SystemTime;

use crate::commands::hookgate;
use crate::gateway::{Gateway, wait_until};
use crate::processor::Processor;

const JOURNAL: &str = "max_size = \"16MiB\"\nsegment_size = \"1MiB\"\nretain = { age = \"1s\", size = \"1MiB\" }";

const BODY: [u8; 16 << 10] = [b'a'; 16 << 10];

fn source(name: &str) -> String {
    format!("[[source]]\nname = \"{name}\"\nauth = \"none\"\nevent_type = {{ header = \"X-Type\" }}\n")
}

fn route(name: &str, source: &str, url: &str, keys: &str) -> String {
    format!(
        "[[route]]\nname = \"{name}\"\nfrom = {{ source = \"{source}\" }}\nto = {{ http = \"{url}\", timeout = \"5s\" }}\n\
         retry = {{ attempts = 100000, first = \"1ms\", max = \"20ms\" }}\nbreaker = {{ probe_every = \"20ms\" }}\n{keys}\n"
    )
}

fn start(config: &str) -> Gateway {
    Gateway::start_under(&[], JOURNAL, config)
}

#[test]
fn a_dead_route_refuses_its_own_source_and_no_other_and_heals_by_itself() {
    let ((dead, up), alive) = (Processor::down(), Processor::start());
    let gateway = start(&format!(
        "{}{}{}{}",
        source("s"),
        source("other"),
        route("r", "s", &dead.url("/"), "backlog = { size = \"2MiB\" }"),
        route("o", "other", &alive.url("/"), "")
    ));
    let mut client = gateway.client();
    let mut accepted = 0;
    let refused = loop {
        let answer = client.post("/hooks/s", &[], &BODY);
        if answer.status != 202 {
            break answer;
        }
        accepted += 1;
    };
    assert_eq!((refused.status, refused.reason().as_str()), (503, "backlog_full"));
    assert!(refused.header("retry-after").is_some());
    gateway.log().wait_for("the route's backlog is full (2MiB)");
    let behind = gateway.metric("hookgate_route_backlog_bytes", &["route=\"r\""]);
    assert!(behind >= gateway.metric("hookgate_route_backlog_limit_bytes", &["route=\"r\""]), "{behind}");
    assert!(gateway.metric("hookgate_route_lag_seconds", &["route=\"r\""]) > 0.0);
    let readiness = gateway.admin_get("/readyz");
    assert_eq!(readiness.status, 200, "others are served");
    assert!(readiness.text().contains("route r: its backlog is"), "{}", readiness.text());

    // Not a byte of the body is asked for.
    client.send(b"POST /hooks/s HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 503);

    let mut other = gateway.client();
    for _ in 0..20 {
        assert_eq!(other.post("/hooks/other", &[], &BODY).status, 202);
    }
    alive.wait_for(20);

    up.store(true, SeqCst);
    wait_until("its source is taken again", || gateway.post("/hooks/s", &[], b"after").status == 202);
    wait_until("all that was accepted has arrived", || dead.taken().len() == accepted + 1);
    wait_until("it has caught up", || gateway.metric("hookgate_route_backlog_bytes", &["route=\"r\""]) == 0.0);
    assert!(!gateway.admin_get("/readyz").text().contains("route r: its backlog"));
    assert_eq!(gateway.metric("hookgate_events_given_up_total", &[]), 0.0);
}

#[test]
fn a_dead_route_that_drops_its_oldest_refuses_nobody_and_counts() {
    const EVENTS: usize = 600;
    let (dead, up) = Processor::down();
    let backlog = "backlog = { size = \"2MiB\", when_full = \"drop_oldest\" }";
    let gateway = start(&format!("{}{}", source("s"), route("r", "s", &dead.url("/"), backlog)));
    let mut client = gateway.client();
    for event in 0..EVENTS {
        let body = format!("{event}:{}", "a".repeat(16 << 10));
        assert_eq!(client.post("/hooks/s", &[], body.as_bytes()).status, 202);
    }
    gateway.log().wait_for("it goes without its oldest events");
    let behind = || gateway.metric("hookgate_route_backlog_bytes", &["route=\"r\""]);
    wait_until("it is within its limit", || behind() <= f64::from(2 << 20));
    up.store(true, SeqCst);
    gateway.wait_for_metric("hookgate_route_lag", &["route=\"r\""], 0.0);
    gateway.wait_for_metric("hookgate_route_events", &["route=\"r\""], 0.0);
    let given_up = gateway.metric("hookgate_events_given_up_total", &["route=\"r\""]) as usize;
    let delivered = dead.taken().len();
    assert_eq!(delivered + given_up, EVENTS);
    assert!(delivered >= 90, "about two megabytes of the newest are delivered, {delivered}");
    let newest = format!("{}:", EVENTS - 1);
    assert!(dead.taken().iter().any(|delivery| delivery.body.starts_with(newest.as_bytes())));
}

#[test]
fn a_forgotten_route_gives_its_segments_back() {
    let ((dead, _), alive) = (Processor::down(), Processor::start());
    let kept = format!("{}{}", source("s"), route("kept", "s", &alive.url("/"), ""));
    let gateway = start(&format!("{kept}{}", route("r", "s", &dead.url("/"), "")));
    let mut client = gateway.client();
    for _ in 0..200 {
        assert_eq!(client.post("/hooks/s", &[], &BODY).status, 202);
    }
    alive.wait_for(200);
    let forget = |gateway: &Gateway, name: &str| {
        hookgate(gateway.dir(), &["route", "forget", name, "--admin", &gateway.admin.to_string()])
    };
    let refused = forget(&gateway, "r");
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("route r is configured"), "{}", refused.err);

    let gateway = gateway.end().start_with_config(&kept);
    assert_eq!(gateway.metric("hookgate_journal_oldest_sequence", &[]), 1.0);
    assert!(gateway.metric("hookgate_route_backlog_bytes", &["route=\"r\""]) >= f64::from(200 * (16 << 10)));
    assert!(gateway.admin_get("/readyz").text().contains("hookgate route forget r"));
    let forgotten = forget(&gateway, "r");
    assert_eq!((forgotten.code, forgotten.err.as_str()), (Some(0), ""));
    wait_until("its segments are let go", || gateway.metric("hookgate_journal_oldest_sequence", &[]) > 100.0);
    let again = forget(&gateway, "r");
    assert!(again.err.contains("keeps nothing for a route r"), "{}", again.err);
    // SIGKILL: what was forgotten is not remembered.
    let gateway = gateway.kill().start();
    assert!(!gateway.admin_get("/routes").text().contains("\"r\""), "{}", gateway.admin_get("/routes").text());
}

#[test]
fn a_new_route_begins_with_the_first_event_of_its_time() {
    let (first, since) = (Processor::start(), Processor::start());
    let kept = format!("{}{}", source("s"), route("kept", "s", &first.url("/"), ""));
    let gateway = start(&kept);
    let mut client = gateway.client();
    for body in ["1", "2"] {
        assert_eq!(client.post("/hooks/s", &[], body.as_bytes()).status, 202);
    }
    let time = humantime::format_rfc3339_nanos(SystemTime::now());
    for body in ["3", "4"] {
        assert_eq!(client.post("/hooks/s", &[], body.as_bytes()).status, 202);
    }
    let from_start = format!("from_start = \"{time}\"");
    let gateway = gateway.end().start_with_config(&format!("{kept}{}", route("r", "s", &since.url("/"), &from_start)));
    let mut bodies: Vec<_> = since.wait_for(2).into_iter().map(|delivery| delivery.body).collect();
    gateway.wait_for_metric("hookgate_route_lag", &["route=\"r\""], 0.0);
    bodies.sort();
    assert_eq!(bodies, [b"3", b"4"]);
}

/// What a route has not passed meets the rule of the process that hands it out, and a crash does not change which that is.
#[test]
fn a_changed_rule_meets_what_its_route_has_not_passed_also_after_a_crash() {
    // It answers nothing: what is handed out is neither done nor parked.
    let ((held, _gate), processor) = (Processor::held(), Processor::start());
    let rule = |types: &str, to: &Processor| {
        let of_type = format!("source = \"s\", types = [\"{types}\"] }}");
        let route = route("r", "s", &to.url("/"), "").replacen("timeout = \"5s\"", "timeout = \"10m\"", 1);
        format!("{}{}", source("s"), route.replacen("source = \"s\" }", &of_type, 1))
    };
    let gateway = start(&rule("a.*", &held));
    let post = |gateway: &Gateway, kind: &str| {
        assert_eq!(gateway.post("/hooks/s", &[("X-Type", kind)], kind.as_bytes()).status, 202);
    };
    ["a.1", "b.1", "a.2"].into_iter().for_each(|kind| post(&gateway, kind));
    held.wait_for(2);
    let gateway = gateway.kill().start_with_config(&rule("b.*", &held));
    ["a.3", "b.2"].into_iter().for_each(|kind| post(&gateway, kind));
    held.wait_for(4);
    let gateway = gateway.kill().start_with_config(&rule("b.*", &processor));
    gateway.wait_for_metric("hookgate_route_lag", &["route=\"r\""], 0.0);
    let mut taken: Vec<_> =
        processor.taken().into_iter().map(|delivery| String::from_utf8(delivery.body).unwrap()).collect();
    taken.sort();
    assert_eq!(taken, ["b.1", "b.2"]);
}
