//! `hookgate show`: what happened to one event, while the gateway runs, after it was killed, and after it was stopped.

use std::sync::atomic::Ordering::SeqCst;

use serde_json::Value;

use crate::commands::{Ended, hookgate};
use crate::gateway::{Gateway, wait_until};
use crate::processor::{Processor, answer};

fn config(url: &str, ack: &str) -> String {
    format!(
        r#"[[source]]
        name = "s"
        auth = "none"
        ack = "{ack}"
        event_type = {{ header = "X-Type" }}
        delivery_id = {{ header = "X-Id" }}
        [[route]]
        name = "r"
        from = {{ source = "s" }}
        to = {{ http = "{url}", timeout = "5s" }}
        retry = {{ attempts = 1000, first = "1ms", max = "20ms" }}
        breaker = {{ failures = 100000 }}
        [[route]]
        name = "other"
        from = {{ source = "s", types = ["never"] }}
        to = "discard"
        "#
    )
}

fn show(gateway: &Gateway, id: &str, more: &[&str]) -> Ended {
    let admin = gateway.admin.to_string();
    hookgate(gateway.dir(), &[&["show", id, "--admin", &admin], more].concat())
}

fn story(ended: &Ended) -> Value {
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(document["events"].as_array().unwrap().len(), 1, "{document}");
    document["events"][0].clone()
}

/// The routes' names and states.
fn states(story: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    story["routes"].as_array().unwrap().iter().map(|route| (text(&route["route"]), text(&route["state"]))).collect()
}

fn outcomes(story: &Value) -> Vec<String> {
    let attempts = story["routes"][0]["attempts"].as_array().unwrap();
    let numbers: Vec<_> = attempts.iter().map(|attempt| attempt["attempt"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_attempt_is_told_while_the_gateway_runs_and_after_it_has_stopped() {
    let busy = || b"HTTP/1.1 503 X\r\ncontent-length: 4\r\n\r\nbusy".to_vec();
    let processor = Processor::behaving(move |_, count| if count < 2 { busy() } else { answer(200, &[]) });
    let gateway = Gateway::start(&config(&processor.url("/"), "durable"));
    assert_eq!(gateway.post("/hooks/s?q=1", &[("X-Id", "evt-1"), ("X-Type", "a.b")], b"{\"n\":1}").status, 202);
    gateway.wait_for_metric("hookgate_deliveries_total", &["route=\"r\"", "outcome=\"delivered\""], 1.0);

    let running = story(&show(&gateway, "evt-1", &["--json", "--source", "s"]));
    assert_eq!(states(&running), [("r".to_owned(), "delivered".to_owned())]);
    assert_eq!(outcomes(&running), ["status 503", "status 503", "delivered"]);
    assert_eq!(running["routes"][0]["attempts"][0]["detail"], "busy");
    assert_eq!((&running["type"], &running["type_signed"]), (&"a.b".into(), &false.into()));
    assert_eq!((&running["bytes"], &running["sequence"]), (&7.into(), &1.into()));
    assert_eq!((&running["target"], &running["verified"]), (&"/hooks/s?q=1".into(), &"NONE: anybody may send".into()));

    let text = show(&gateway, "evt-1", &[]);
    for part in [
        "evt-1 of s (ack = durable), type a.b (not signed)",
        "7 bytes",
        "sequence 1",
        "route r: delivered",
        "attempt 2: status 503",
        ": busy",
    ] {
        assert!(text.out.contains(part), "{part} is missing in:\n{}", text.out);
    }
    let remains = gateway.end();
    let stopped = story(&hookgate(remains.path(), &["show", "evt-1", "--json"]));
    assert_eq!(running, stopped);
}

#[test]
fn an_event_that_keeps_failing_is_parked_and_a_crash_is_told() {
    let (processor, is_up) = Processor::down();
    let gateway = Gateway::start(&config(&processor.url("/"), "durable"));
    assert_eq!(gateway.post("/hooks/s", &[("X-Id", "evt-1")], b"{}").status, 202);
    processor.wait_for(3);
    let parked = story(&show(&gateway, "evt-1", &["--json"]));
    assert_eq!(states(&parked), [("r".to_owned(), "parked".to_owned())]);
    assert!(
        outcomes(&parked).len() >= 2 && outcomes(&parked).iter().all(|outcome| outcome == "status 503"),
        "{parked}"
    );

    let remains = gateway.kill();
    let killed = hookgate(remains.path(), &["show", "evt-1"]);
    assert_eq!((killed.code, killed.err.as_str()), (Some(0), ""));
    assert!(killed.out.contains("cut off") && killed.out.contains("attempt 2: status 503"), "{}", killed.out);

    is_up.store(true, SeqCst);
    let gateway = remains.start();
    wait_until("it is told that the event is delivered", || {
        let shown = show(&gateway, "evt-1", &["--json"]);
        states(&story(&shown)) == [("r".to_owned(), "delivered".to_owned())]
    });
}

#[test]
fn dead_letters_and_ids_that_hookgate_made_are_told() {
    let processor = Processor::behaving(|_, _| answer(422, &[]));
    let gateway = Gateway::start(&config(&processor.url("/"), "durable"));
    let made = gateway.post("/hooks/s", &[], b"{}").json()["id"].as_str().unwrap().to_owned();
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 1.0);
    let dead = story(&show(&gateway, &made, &["--json"]));
    assert_eq!(states(&dead), [("r".to_owned(), "dead".to_owned())]);
    assert_eq!(outcomes(&dead), ["status 422"]);
    assert!(dead["routes"][0]["note"].as_str().unwrap().contains("final_status"), "{dead}");
}

#[test]
fn of_an_event_in_memory_its_attempts_are_told() {
    let processor = Processor::behaving(|_, count| answer(if count < 1 { 500 } else { 200 }, &[]));
    let gateway = Gateway::start(&config(&processor.url("/"), "memory"));
    assert_eq!(gateway.post("/hooks/s", &[("X-Id", "evt-1")], b"{}").status, 202);
    gateway.wait_for_metric("hookgate_deliveries_total", &["route=\"r\"", "outcome=\"delivered\""], 1.0);
    let told = story(&show(&gateway, "evt-1", &["--json"]));
    assert_eq!(
        (outcomes(&told), &told["sequence"]),
        (vec!["status 500".to_owned(), "delivered".to_owned()], &Value::Null)
    );
}

#[test]
fn what_is_not_known_is_said_so() {
    let gateway = Gateway::start(&config("http://127.0.0.1:9/", "durable"));
    let nobody = show(&gateway, "evt&9", &[]);
    assert_eq!((nobody.code, nobody.out.as_str()), (Some(1), ""));
    assert!(nobody.err.contains("evt&9"), "{}", nobody.err);
    let unknown = show(&gateway, "evt-9", &["--source", "nobody"]);
    assert!(unknown.err.contains("nobody") && unknown.err.contains("there are s"), "{}", unknown.err);
    let elsewhere = hookgate(gateway.dir(), &["show", "evt-9", "--admin", "127.0.0.1:1"]);
    assert_eq!(elsewhere.code, Some(1));
    assert!(elsewhere.err.contains("--admin"), "{}", elsewhere.err);
    let remains = gateway.end();
    let nobody = hookgate(remains.path(), &["show", "evt-9"]);
    assert_eq!((nobody.code, nobody.out.as_str()), (Some(1), ""));
}
