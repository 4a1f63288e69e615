//! A slow or dead processor costs its own route only. Shown by counts: nothing here looks at a clock.

use crate::gateway::Gateway;
use crate::processor::Processor;

fn config(slow: &Processor, fast: &Processor, slow_keys: &str) -> String {
    format!(
        r#"
        [[source]]
        name = "s"
        auth = "none"
        ack = "memory"
        event_type = {{ header = "X-Type" }}
        [[pool]]
        name = "default"
        workers = 1
        [[route]]
        name = "slow"
        from = {{ source = "s", types = ["*"] }}
        to = {{ http = "{}", timeout = "1m" }}
        in_flight = 4
        {slow_keys}
        [[route]]
        name = "fast"
        from = {{ source = "s", types = ["*"] }}
        to = {{ http = "{}" }}
        "#,
        slow.url("/"),
        fast.url("/")
    )
}

/// One worker serves both routes. While not one delivery of the slow route can end, every event is acknowledged and the
/// other route delivers them all; the slow one holds just the deliveries it may have in flight.
#[test]
fn every_event_is_acknowledged_and_delivered_elsewhere_while_one_processor_hangs() {
    let (slow, gate) = Processor::held();
    let fast = Processor::start();
    let gateway = Gateway::start(&config(&slow, &fast, ""));
    let mut client = gateway.client();
    for event in 0..2000 {
        assert_eq!(client.post("/hooks/s", &[], event.to_string().as_bytes()).status, 202);
    }
    fast.wait_for(2000);
    slow.wait_for(4);
    gateway.wait_for_metric("hookgate_route_in_flight", &["route=\"slow\""], 4.0);
    assert_eq!(slow.received().len(), 4, "no more than in_flight");
    assert_eq!(gateway.metric("hookgate_deliveries_total", &["route=\"slow\"", "outcome=\"delivered\""]), 0.0);

    gate.open();
    slow.wait_for(2000);
    gateway.wait_for_metric("hookgate_deliveries_total", &["route=\"slow\"", "outcome=\"delivered\""], 2000.0);
}

#[test]
fn a_full_route_that_drops_goes_without_and_the_others_get_all() {
    let (slow, gate) = Processor::held();
    let fast = Processor::start();
    let gateway = Gateway::start(&config(&slow, &fast, "queue = { events = 10 }\nwhen_full = \"drop\""));
    let mut client = gateway.client();
    for event in 0..100 {
        assert_eq!(client.post("/hooks/s", &[], event.to_string().as_bytes()).status, 202);
    }
    fast.wait_for(100);
    assert_eq!(gateway.metric("hookgate_route_dropped_total", &["route=\"slow\""]), 90.0);
    gate.open();
    gateway.wait_for_metric("hookgate_deliveries_total", &["route=\"slow\"", "outcome=\"delivered\""], 10.0);
    assert_eq!(gateway.metric("hookgate_route_dropped_total", &["route=\"fast\""]), 0.0);
}

#[test]
fn a_full_route_that_refuses_gets_503_for_the_sender_and_no_route_takes_the_event() {
    let (slow, gate) = Processor::held();
    let fast = Processor::start();
    let gateway = Gateway::start(&config(&slow, &fast, "queue = { events = 10 }\nwhen_full = \"refuse\""));
    let mut client = gateway.client();
    for event in 0..10 {
        assert_eq!(client.post("/hooks/s", &[], event.to_string().as_bytes()).status, 202);
    }
    let refused = client.post("/hooks/s", &[], b"one too many");
    assert_eq!((refused.status, refused.reason().as_str()), (503, "queue_full"));
    assert!(refused.header("retry-after").is_some());
    fast.wait_for(10);
    gate.open();
    gateway.wait_for_metric("hookgate_deliveries_total", &["outcome=\"delivered\""], 20.0);
    assert_eq!(client.post("/hooks/s", &[], b"again").status, 202, "there is room again");
    fast.wait_for(11);
    assert!(fast.received().iter().all(|delivery| delivery.body != b"one too many"));
}
