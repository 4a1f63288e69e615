//! Processors that are down, slow, rude or wrong: retries, final statuses, dead letters, the breaker.

use crate::gateway::Gateway;
use crate::processor::{Processor, answer};

fn config(url: &str, route_keys: &str) -> String {
    format!(
        r#"
        [[source]]
        name = "s"
        auth = "none"
        ack = "memory"
        delivery_id = {{ header = "X-Id" }}
        keep_headers = ["X-Kept"]
        [[route]]
        name = "r"
        from = {{ source = "s" }}
        to = {{ http = "{url}", timeout = "300ms" }}
        {route_keys}
        "#
    )
}

const FAST_RETRY: &str = "retry = { attempts = 3, first = \"1ms\", max = \"5ms\" }";

#[test]
fn a_failed_delivery_comes_again_with_the_same_id_and_the_next_attempt_number() {
    let processor = Processor::behaving(|_, count| answer(if count < 2 { 503 } else { 200 }, &[]));
    let gateway = Gateway::start(&config(&processor.url("/"), FAST_RETRY));
    gateway.post("/hooks/s", &[("X-Id", "evt-1")], b"{}");
    let received = processor.wait_for(3);
    let attempts: Vec<_> = received.iter().map(|delivery| delivery.header("hookgate-attempt").unwrap()).collect();
    assert_eq!(attempts, ["1", "2", "3"]);
    assert!(received.iter().all(|delivery| delivery.header("webhook-id") == received[0].header("webhook-id")));
    gateway.wait_for_metric("hookgate_deliveries_total", &["outcome=\"delivered\""], 1.0);
    assert_eq!(gateway.metric("hookgate_dead_letters_total", &[]), 0.0);
}

#[test]
fn an_event_that_fails_every_attempt_becomes_a_dead_letter_that_tells_all_of_them() {
    let processor = Processor::behaving(|_, _| b"HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\nno thanks".to_vec());
    let gateway = Gateway::start(&config(&processor.url("/"), FAST_RETRY));
    gateway.post("/hooks/s?q=1", &[("X-Id", "evt-1"), ("X-Kept", "kept"), ("X-Other", "not")], br#"{"a":1}"#);
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 1.0);
    let letters = gateway.dead_letters("r");
    assert_eq!(letters.len(), 1);
    let text = letters[0].to_string();
    assert_eq!((letters[0]["id"].as_str(), letters[0]["source"].as_str()), (Some("evt-1"), Some("s")));
    assert_eq!(letters[0]["body"].as_str(), Some(r#"{"a":1}"#));
    assert_eq!(letters[0]["attempts"].as_array().unwrap().len(), 3);
    assert!(text.contains("no thanks") && text.contains("500") && text.contains("/hooks/s?q=1"), "{text}");
    assert!(text.contains("kept") && !text.contains("X-Other") && !text.contains("x-other"), "{text}");
}

#[test]
fn a_final_status_is_not_tried_again() {
    let processor = Processor::behaving(|_, _| answer(422, &[]));
    let gateway = Gateway::start(&config(&processor.url("/"), FAST_RETRY));
    gateway.post("/hooks/s", &[], b"{}");
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 1.0);
    assert_eq!(processor.received().len(), 1);
}

#[test]
fn processors_that_hang_up_answer_garbage_redirect_or_never_answer_are_failures() {
    let elsewhere = Processor::start();
    let location = elsewhere.url("/");
    let processor = Processor::behaving(move |_, count| match count {
        0 => Vec::new(),
        1 => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this".to_vec(),
        2 => b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(),
        3 => answer(302, &[("location", &location)]),
        4 => {
            std::thread::sleep(std::time::Duration::from_millis(600));
            Vec::new()
        }
        _ => answer(200, &[]),
    });
    let retry =
        "retry = { attempts = 20, first = \"1ms\", max = \"5ms\" }\nin_flight = 1\nbreaker = { failures = 100 }";
    let gateway = Gateway::start(&config(&processor.url("/"), retry));
    gateway.post("/hooks/s", &[], b"{}");
    gateway.wait_for_metric("hookgate_deliveries_total", &["outcome=\"delivered\""], 1.0);
    assert!(elsewhere.received().is_empty(), "a redirect is not followed");
    assert_eq!(gateway.metric("hookgate_dead_letters_total", &[]), 0.0);
}

#[test]
fn a_processor_that_is_down_opens_the_breaker_and_costs_no_attempts_until_it_is_back() {
    // A port that nobody listens on, until a processor does.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let keys =
        "retry = { attempts = 4, first = \"1ms\", max = \"2ms\" }\nbreaker = { failures = 2, probe_every = \"20ms\" }";
    let gateway = Gateway::start(&config(&format!("http://{address}/"), keys));
    for _ in 0..20 {
        assert_eq!(gateway.post("/hooks/s", &[], b"{}").status, 202);
    }
    gateway.wait_for_metric("hookgate_route_breaker_open", &["route=\"r\""], 1.0);
    let processor = Processor::start_at(address);
    processor.wait_for(20);
    gateway.wait_for_metric("hookgate_deliveries_total", &["outcome=\"delivered\""], 20.0);
    assert_eq!(gateway.metric("hookgate_dead_letters_total", &[]), 0.0);
    gateway.wait_for_metric("hookgate_route_breaker_open", &["route=\"r\""], 0.0);
}

#[test]
fn a_wrong_deployment_costs_a_pause_and_not_the_backlog() {
    let processor = Processor::behaving(|_, _| answer(400, &[]));
    let gateway = Gateway::start(&config(&processor.url("/"), "breaker = { pause_after_dead = 5 }\nin_flight = 1"));
    for _ in 0..50 {
        gateway.post("/hooks/s", &[], b"{}");
    }
    gateway.wait_for_metric("hookgate_route_paused", &["route=\"r\""], 1.0);
    gateway.log().wait_for("paused");
    gateway.wait_for_metric("hookgate_dead_letters_total", &["route=\"r\""], 5.0);
    assert_eq!(gateway.dead_letters("r").len(), 5);
    gateway.wait_for_metric("hookgate_route_events", &["route=\"r\""], 45.0);
}
