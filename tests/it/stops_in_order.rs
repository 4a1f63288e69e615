//! Signals, the drain, and exit codes.

use crate::gateway::{Gateway, wait_until};
use crate::processor::Processor;

fn config(url: &str) -> String {
    format!(
        "[[source]]\nname = \"s\"\nauth = \"none\"\nack = \"memory\"\n\
         [[route]]\nname = \"r\"\nfrom = {{ source = \"s\" }}\nto = {{ http = \"{url}\", timeout = \"1m\" }}\n"
    )
}

#[test]
fn with_nothing_in_flight_it_ends_at_once_with_0() {
    for signal in ["TERM", "INT"] {
        let processor = Processor::start();
        let gateway = Gateway::start(&config(&processor.url("/")));
        gateway.post("/hooks/s", &[], b"{}");
        processor.wait_for(1);
        gateway.signal(signal);
        assert_eq!(gateway.wait().code(), Some(0));
    }
}

#[test]
fn deliveries_in_flight_are_finished_and_no_connection_is_taken_any_more() {
    let (processor, gate) = Processor::held();
    let gateway = Gateway::start(&config(&processor.url("/")));
    let mut idle = gateway.client();
    assert_eq!(idle.post("/hooks/s", &[], b"1").status, 202);
    processor.wait_for(1);
    gateway.signal("TERM");
    assert!(idle.is_closed(), "a waiting connection is closed");
    wait_until("connections are refused", || std::net::TcpStream::connect(gateway.address).is_err());
    gate.open();
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(processor.received().len(), 1);
}

#[test]
fn while_it_says_that_it_is_not_ready_it_still_answers_and_closes() {
    let processor = Processor::start();
    let gateway = Gateway::start_with("drain_delay = \"2s\"", &config(&processor.url("/")));
    assert_eq!(gateway.client().request("GET", "/healthz", &[], b"").status, 200);
    assert_eq!(gateway.admin_get("/readyz").status, 200);
    gateway.signal("TERM");
    wait_until("it is not ready", || gateway.admin_get("/readyz").status == 503);
    assert_eq!(gateway.client().request("GET", "/healthz", &[], b"").status, 503);
    let mut client = gateway.client();
    let late = client.post("/hooks/s", &[], b"late");
    assert_eq!((late.status, late.header("connection")), (202, Some("close")));
    assert!(client.is_closed());
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(processor.received().len(), 1, "what was accepted while draining is delivered");
}

#[test]
fn a_request_in_flight_is_finished_and_told_that_the_connection_closes() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config(&processor.url("/")));
    let mut client = gateway.client();
    client.send(b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 100);
    gateway.signal("TERM");
    wait_until("connections are refused", || std::net::TcpStream::connect(gateway.address).is_err());
    client.send(b"{}");
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (202, Some("close")));
    assert!(client.is_closed());
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(processor.received().len(), 1);
}

#[test]
fn events_that_cannot_be_delivered_in_time_are_counted_and_the_exit_code_says_so() {
    let (processor, _gate) = Processor::held();
    let gateway = Gateway::start_with("drain_timeout = \"100ms\"", &config(&processor.url("/")));
    for _ in 0..3 {
        gateway.post("/hooks/s", &[], b"{}");
    }
    processor.wait_for(3);
    let log = gateway.log().clone();
    assert_eq!(gateway.stop().code(), Some(3));
    assert!(log.wait_for("lost").contains("events=3"), "{}", log.text());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (processor, _gate) = Processor::held();
    let gateway = Gateway::start_with("drain_timeout = \"1h\"", &config(&processor.url("/")));
    gateway.post("/hooks/s", &[], b"{}");
    processor.wait_for(1);
    gateway.signal("TERM");
    gateway.log().wait_for("stopping");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(3));
}
