//! `ack = "durable"`: what was answered with success is delivered, whatever happens to the process, the processors or the
//! disk in between.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;

use crate::gateway::Gateway;
use crate::processor::Processor;

/// A durable source and a route that tries again soon and for long.
pub fn config(url: &str, route_keys: &str) -> String {
    format!(
        r#"[[source]]
        name = "s"
        auth = "none"
        event_type = {{ header = "X-Type" }}
        delivery_id = {{ header = "X-Id" }}
        [[route]]
        name = "r"
        from = {{ source = "s" }}
        to = {{ http = "{url}", timeout = "5s" }}
        retry = {{ attempts = 1000, first = "1ms", max = "20ms" }}
        {route_keys}
        "#
    )
}

/// The route's position may pass events that failed: they are parked, and the route is done with them when they are taken.
fn wait_until_taken(processor: &Processor, expected: &BTreeSet<String>) {
    crate::gateway::wait_until("every acknowledged event reaches the processor", || {
        expected.is_subset(&ids(processor))
    });
}

fn numbers(end: usize) -> BTreeSet<String> {
    (0..end).map(|event| event.to_string()).collect()
}

/// The bodies that a processor has taken, each once.
fn ids(processor: &Processor) -> BTreeSet<String> {
    processor.taken().iter().map(|delivery| String::from_utf8(delivery.body.clone()).unwrap()).collect()
}

pub const PROBE_OFTEN: &str = "breaker = { probe_every = \"20ms\" }";

#[test]
fn events_survive_kill_9_while_their_processor_is_down() {
    let (processor, up) = Processor::down();
    let gateway = Gateway::start(&config(&processor.url("/"), PROBE_OFTEN));
    let mut client = gateway.client();
    for event in 0..200 {
        let id = event.to_string();
        assert_eq!(client.post("/hooks/s", &[("X-Id", &id)], id.as_bytes()).status, 202);
    }
    let gateway = gateway.kill().start();
    up.store(true, SeqCst);
    wait_until_taken(&processor, &numbers(200));
    gateway.wait_for_metric("hookgate_route_lag", &["route=\"r\""], 0.0);
}

#[test]
fn what_was_delivered_is_not_delivered_again_after_an_orderly_end() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config(&processor.url("/"), ""));
    for event in 0..50 {
        assert_eq!(gateway.post("/hooks/s", &[], event.to_string().as_bytes()).status, 202);
    }
    processor.wait_for(50);
    let gateway = gateway.end().start();
    assert_eq!(gateway.post("/hooks/s", &[], b"after").status, 202);
    processor.wait_for(51);
    gateway.wait_for_metric("hookgate_route_lag", &["route=\"r\""], 0.0);
    assert_eq!(processor.received().len(), 51);
}

#[test]
fn what_waits_when_it_ends_is_kept_and_the_exit_code_is_0() {
    let (processor, up) = Processor::down();
    let gateway = Gateway::start_with("drain_timeout = \"200ms\"", &config(&processor.url("/"), PROBE_OFTEN));
    for event in 0..50 {
        assert_eq!(gateway.post("/hooks/s", &[], event.to_string().as_bytes()).status, 202);
    }
    let remains = gateway.end();
    up.store(true, SeqCst);
    let gateway = remains.start();
    wait_until_taken(&processor, &numbers(50));
    gateway.wait_for_metric("hookgate_route_lag", &["route=\"r\""], 0.0);
}

#[test]
fn a_dead_processor_holds_no_other_route() {
    let (dead, _) = Processor::down();
    let alive = Processor::start();
    let other =
        format!("[[route]]\nname = \"alive\"\nfrom = {{ source = \"s\" }}\nto = {{ http = \"{}\" }}\n", alive.url("/"));
    let keys = format!("queue = {{ events = 16 }}\n{other}");
    let gateway = Gateway::start(&config(&dead.url("/"), &keys));
    let mut client = gateway.client();
    for event in 0..1000 {
        assert_eq!(client.post("/hooks/s", &[], event.to_string().as_bytes()).status, 202);
    }
    alive.wait_for(1000);
    let lag = gateway.metric("hookgate_route_lag", &["route=\"r\""]);
    assert!(lag > 900.0, "it is only behind, but for the few that were tried before the breaker opened: {lag}");
    assert!(gateway.metric("hookgate_route_events", &["route=\"r\""]) <= 16.0, "and holds no more than its queue");
}

#[test]
fn a_delivery_that_comes_again_is_answered_and_not_delivered_again_also_after_a_restart() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config(&processor.url("/"), ""));
    for _ in 0..3 {
        assert_eq!(gateway.post("/hooks/s", &[("X-Id", "evt-1")], b"one").status, 202);
    }
    let gateway = gateway.kill().start();
    assert_eq!(gateway.post("/hooks/s", &[("X-Id", "evt-1")], b"one").status, 202);
    assert_eq!(gateway.post("/hooks/s", &[("X-Id", "evt-2")], b"two").status, 202);
    gateway.wait_for_metric("hookgate_route_lag", &["route=\"r\""], 0.0);
    assert_eq!(gateway.metric("hookgate_duplicates_total", &["source=\"s\""]), 1.0);
    assert_eq!(ids(&processor).into_iter().collect::<Vec<_>>(), ["one", "two"]);
    let gateway = gateway.end().start_with_config(&config(&processor.url("/"), "").replacen(
        "auth = \"none\"",
        "auth = \"none\"\nduplicates = \"off\"",
        1,
    ));
    assert_eq!(gateway.post("/hooks/s", &[("X-Id", "evt-2")], b"again").status, 202);
    // Not for the lag: the answer leaves before the routes are told.
    crate::gateway::wait_until("a source may say that every delivery is an event", || {
        ids(&processor).contains("again")
    });
}

#[test]
fn a_new_route_begins_now_or_with_the_oldest_event_that_is_kept() {
    let first = Processor::start();
    let gateway = Gateway::start(&config(&first.url("/"), ""));
    for event in 0..10 {
        assert_eq!(gateway.post("/hooks/s", &[], event.to_string().as_bytes()).status, 202);
    }
    first.wait_for(10);
    let (now, oldest) = (Processor::start(), Processor::start());
    let more = format!(
        "[[route]]\nname = \"now\"\nfrom = {{ source = \"s\" }}\nto = {{ http = \"{}\" }}\n\
         [[route]]\nname = \"oldest\"\nfrom_start = \"oldest\"\nfrom = {{ source = \"s\" }}\nto = {{ http = \"{}\" }}\n",
        now.url("/"),
        oldest.url("/")
    );
    let gateway = gateway.end().start_with_config(&config(&first.url("/"), &more));
    oldest.wait_for(10);
    assert_eq!(gateway.post("/hooks/s", &[], b"new").status, 202);
    oldest.wait_for(11);
    assert_eq!(now.wait_for(1)[0].body, b"new");
    first.wait_for(11);
}

#[test]
fn a_second_process_on_the_directory_is_told_who_has_it() {
    let gateway = Gateway::start(&config("http://127.0.0.1:9", ""));
    let second = Command::new(env!("CARGO_BIN_EXE_hookgate"))
        .args(["run", "--allow-root"])
        .current_dir(gateway.dir())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("belongs to"), "{said}");
}

#[test]
fn a_full_journal_refuses_says_so_and_recovers_when_its_routes_have_caught_up() {
    let (processor, up) = Processor::down();
    let keys = "max_size = \"8MiB\"\nsegment_size = \"1MiB\"\nretain = { age = \"1s\", size = \"1MiB\" }\n";
    // Its own limit would otherwise be reached first.
    let route_keys = format!("{PROBE_OFTEN}\nbacklog = {{ size = \"8191KiB\" }}");
    let gateway = Gateway::start_prepared(&config(&processor.url("/"), &route_keys), |dir| {
        let file = dir.join("hookgate.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("dir = \"data\"\n", &format!("dir = \"data\"\n{keys}"))).unwrap();
    });
    let mut client = gateway.client();
    let body = vec![b'a'; 64 << 10];
    let refused = (0..1000).map(|_| client.post("/hooks/s", &[], &body)).find(|answer| answer.status != 202).unwrap();
    assert_eq!((refused.status, refused.reason().as_str()), (503, "journal_full"));
    assert!(refused.header("retry-after").is_some());
    let readiness = gateway.admin_get("/readyz");
    assert_eq!(readiness.status, 503);
    assert!(readiness.text().contains("journal_full"), "{}", readiness.text());

    up.store(true, SeqCst);
    crate::gateway::wait_until("there is room again", || client.post("/hooks/s", &[], &body).status == 202);
    crate::gateway::wait_until("it is ready", || gateway.admin_get("/readyz").status == 200);
}
