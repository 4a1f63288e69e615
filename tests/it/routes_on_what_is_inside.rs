//! A route's `where`: it gets the events whose bodies say what it wants; the others are done, and counted.

use std::io::Write;

use crate::gateway::Gateway;
use crate::processor::{Processor, Received};

fn bodies(received: &[Received]) -> Vec<String> {
    let mut bodies: Vec<_> =
        received.iter().map(|delivery| String::from_utf8_lossy(&delivery.body).into_owned()).collect();
    bodies.sort();
    bodies
}

#[test]
fn only_what_a_route_wants_is_delivered_to_it() {
    for ack in ["memory", "durable"] {
        let (large, rest) = (Processor::start(), Processor::start());
        let gateway = Gateway::start(&format!(
            r#"
            [[source]]
            name = "s"
            auth = "none"
            ack = "{ack}"
            [[route]]
            name = "large"
            from = {{ source = "s" }}
            where = [{{ json = "/data/amount", gt = 10000 }}, {{ json = "/data/currency", one_of = ["eur", "usd"] }}]
            to = {{ http = "{}" }}
            [[route]]
            name = "rest"
            from = {{ source = "s" }}
            where = [{{ json = "/data/amount", exists = false }}]
            to = {{ http = "{}" }}
            "#,
            large.url("/"),
            rest.url("/")
        ));
        let event =
            |amount: &str, currency: &str| format!(r#"{{"data":{{"amount":{amount},"currency":"{currency}"}}}}"#);
        for body in [
            event("10000", "eur"),
            event("10001", "eur"),
            event("1e9", "usd"),
            event("99999", "gbp"),
            event("\"99999\"", "eur"),
            "{}".to_owned(),
            "not JSON".to_owned(),
        ] {
            assert_eq!(gateway.post("/hooks/s", &[], body.as_bytes()).status, 202);
        }
        gateway.wait_for_metric("hookgate_route_filtered_total", &["route=\"large\""], 5.0);
        gateway.wait_for_metric("hookgate_route_filtered_total", &["route=\"rest\""], 5.0);
        gateway.wait_for_metric("hookgate_deliveries_total", &["outcome=\"delivered\""], 4.0);
        assert_eq!(bodies(&large.received()), [event("10001", "eur"), event("1e9", "usd")]);
        assert_eq!(bodies(&rest.received()), ["not JSON", "{}"]);
        gateway.wait_for_metric("hookgate_route_events", &[], 0.0);
        gateway.wait_for_metric("hookgate_route_lag", &[], 0.0);
    }
}

#[test]
fn each_test_of_a_member_takes_what_it_says() {
    let cases = [
        ("exists = true", r#"{"m":null}"#, "{}"),
        ("eq = \"a\"", r#"{"m":"\u0061"}"#, r#"{"m":"A"}"#),
        ("one_of = [1, \"x\"]", r#"{"m":1.0}"#, r#"{"m":"1"}"#),
        ("prefix = \"ab\"", r#"{"m":"abc"}"#, r#"{"m":"bab"}"#),
        ("gt = 5", r#"{"m":5.1}"#, r#"{"m":5}"#),
        ("ge = 5", r#"{"m":5}"#, r#"{"m":4.9}"#),
        ("lt = 5", r#"{"m":-6}"#, r#"{"m":5}"#),
        ("le = 5", r#"{"m":5}"#, r#"{"m":5.1}"#),
    ];
    for (test, taken, passed_over) in cases {
        let processor = Processor::start();
        let gateway = Gateway::start(&format!(
            "[[source]]\nname = \"s\"\nauth = \"none\"\nack = \"memory\"\n[[route]]\nname = \"r\"\n\
             from = {{ source = \"s\" }}\nwhere = {{ json = \"/m\", {test} }}\nto = {{ http = \"{}\" }}\n",
            processor.url("/")
        ));
        for body in [passed_over, taken] {
            assert_eq!(gateway.post("/hooks/s", &[], body.as_bytes()).status, 202);
        }
        gateway.wait_for_metric("hookgate_route_filtered_total", &[], 1.0);
        assert_eq!(bodies(&processor.wait_for(1)), [taken], "{test}");
    }
}

#[test]
fn what_was_passed_over_does_not_come_again_and_holds_no_place() {
    let processor = Processor::start();
    let gateway = Gateway::start(&format!(
        r#"
        [[source]]
        name = "s"
        auth = "none"
        [[route]]
        name = "few"
        from = {{ source = "s" }}
        where = {{ json = "/n", eq = 200 }}
        queue = {{ events = 2 }}
        to = {{ http = "{}" }}
        "#,
        processor.url("/")
    ));
    let mut client = gateway.client();
    for number in 0..=200 {
        assert_eq!(client.post("/hooks/s", &[], format!(r#"{{"n":{number}}}"#).as_bytes()).status, 202);
    }
    assert_eq!(processor.wait_for(1)[0].body, br#"{"n":200}"#);
    gateway.wait_for_metric("hookgate_route_filtered_total", &["route=\"few\""], 200.0);
    gateway.wait_for_metric("hookgate_route_lag", &["route=\"few\""], 0.0);
    let gateway = gateway.end().start();
    gateway.post("/hooks/s", &[], br#"{"n":200}"#);
    processor.wait_for(2);
    assert_eq!(gateway.metric("hookgate_route_filtered_total", &["route=\"few\""]), 0.0);
}

#[test]
fn a_compressed_body_is_looked_into() {
    let processor = Processor::start();
    let gateway = Gateway::start(&format!(
        r#"
        [[source]]
        name = "s"
        auth = "none"
        ack = "memory"
        [[route]]
        name = "paid"
        from = {{ source = "s" }}
        where = {{ json = "/paid", eq = true }}
        to = {{ http = "{}" }}
        "#,
        processor.url("/")
    ));
    let gzip = |body: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    for body in [r#"{"paid":true}"#, r#"{"paid":false}"#] {
        assert_eq!(gateway.post("/hooks/s", &[("content-encoding", "gzip")], &gzip(body)).status, 202);
    }
    gateway.wait_for_metric("hookgate_route_filtered_total", &[], 1.0);
    assert_eq!(processor.wait_for(1)[0].body, gzip(r#"{"paid":true}"#));
}
