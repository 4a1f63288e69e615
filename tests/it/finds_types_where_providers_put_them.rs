//! Types from a header, a path segment, a query parameter and a JSON member, and routes that match on them.

use crate::gateway::Gateway;
use crate::processor::Processor;

fn types(received: &[crate::processor::Received]) -> Vec<Option<&str>> {
    let mut types: Vec<_> = received.iter().map(|delivery| delivery.header("hookgate-type")).collect();
    types.sort_unstable();
    types
}

#[test]
fn in_header_path_query_and_json() {
    let processor = Processor::start();
    let gateway = Gateway::start(&format!(
        r#"
        [[source]]
        name = "header"
        auth = "none"
        ack = "memory"
        event_type = {{ header = "X-Type" }}
        [[source]]
        name = "path"
        path = "/in/{{kind}}/events"
        auth = "none"
        ack = "memory"
        event_type = {{ path = "kind" }}
        [[source]]
        name = "query"
        auth = "none"
        ack = "memory"
        event_type = {{ query = "type" }}
        [[source]]
        name = "json"
        auth = "none"
        ack = "memory"
        event_type = [{{ json = "/event/type" }}, {{ json = "/type" }}]
        delivery_id = {{ json = "/id" }}
        [[route]]
        name = "all"
        from = {{ source = "*" }}
        to = {{ http = "{}" }}
        "#,
        processor.url("/")
    ));
    gateway.post("/hooks/header", &[("X-Type", "a.header")], b"x");
    gateway.post("/in/path-type/events", &[], b"x");
    gateway.post("/hooks/query?x=1&type=a%20query", &[], b"x");
    gateway.post(
        "/hooks/json",
        &[],
        br#"{"id":7,"x":"\"type\":\"no\"","event":{"type":"json.nested"},"type":"outer"}"#,
    );
    gateway.post("/hooks/json", &[], br#"{"type":"json.\u006futer","id":"i-1"}"#);
    gateway.post("/hooks/json", &[], b"not json at all");
    let received = processor.wait_for(6);
    let expected =
        [None, Some("a%20query"), Some("a.header"), Some("json.nested"), Some("json.outer"), Some("path-type")];
    assert_eq!(types(&received), expected);
}

#[test]
fn an_event_goes_to_every_route_that_matches_and_to_no_other() {
    let (billing, all, created) = (Processor::start(), Processor::start(), Processor::start());
    let gateway = Gateway::start(&format!(
        r#"
        [[source]]
        name = "s"
        auth = "none"
        ack = "memory"
        event_type = {{ header = "X-Type" }}
        [[source]]
        name = "unrouted"
        auth = "none"
        ack = "memory"
        [[route]]
        name = "billing"
        from = {{ source = "s", types = ["invoice.*", "charge.refunded"] }}
        to = {{ http = "{}" }}
        [[route]]
        name = "all"
        from = {{ source = "s", types = ["*", "invoice.*"] }}
        to = {{ http = "{}" }}
        [[route]]
        name = "created"
        from = {{ source = "s", types = ["*.created"] }}
        to = {{ http = "{}" }}
        "#,
        billing.url("/"),
        all.url("/"),
        created.url("/"),
    ));
    for kind in ["invoice.paid", "invoice.created", "invoice", "charge.refunded", "charge.failed", "customer.created"] {
        assert_eq!(gateway.post("/hooks/s", &[("X-Type", kind)], kind.as_bytes()).status, 202);
    }
    assert_eq!(gateway.post("/hooks/s", &[], b"no type").status, 202);
    assert_eq!(gateway.post("/hooks/unrouted", &[], b"nobody's").status, 202, "an event without a route is accepted");
    gateway.wait_for_metric("hookgate_deliveries_total", &["outcome=\"delivered\""], 12.0);
    let bodies = |processor: &Processor| {
        let mut bodies: Vec<_> =
            processor.received().into_iter().map(|delivery| String::from_utf8(delivery.body).unwrap()).collect();
        bodies.sort();
        bodies
    };
    assert_eq!(bodies(&billing), ["charge.refunded", "invoice.created", "invoice.paid"]);
    assert_eq!(bodies(&created), ["customer.created", "invoice.created"]);
    assert_eq!(all.received().len(), 7, "once each, though two patterns fit");
    assert_eq!(gateway.metric("hookgate_events_unrouted_total", &["source=\"unrouted\""]), 1.0);
    assert_eq!(gateway.metric("hookgate_events_unrouted_total", &["source=\"s\""]), 0.0);
}

#[test]
fn a_route_can_demand_a_type_that_is_signed() {
    let processor = Processor::start();
    let gateway = Gateway::start(&format!(
        r#"
        [[source]]
        name = "github"
        preset = "github"
        secret = {{ file = "secret" }}
        ack = "memory"
        [[source]]
        name = "stripe"
        preset = "stripe"
        secret = {{ file = "secret" }}
        ack = "memory"
        [[route]]
        name = "proven"
        from = {{ source = "*" }}
        signed_type = true
        to = {{ http = "{}" }}
        "#,
        processor.url("/")
    ));
    let body = br#"{"type":"invoice.paid","id":"evt_1"}"#;
    let headers = [("X-GitHub-Event", "push"), ("X-Hub-Signature-256", &crate::signing::github(body))];
    assert_eq!(gateway.post("/hooks/github", &headers, body).status, 202);
    let signature = crate::signing::stripe(body, crate::signing::now());
    assert_eq!(gateway.post("/hooks/stripe", &[("Stripe-Signature", &signature)], body).status, 202);
    let received = processor.wait_for(1);
    gateway.wait_for_metric("hookgate_events_unrouted_total", &["source=\"github\""], 1.0);
    assert_eq!(types(&received), [Some("invoice.paid")], "GitHub's type is in a header that nothing signs");
}
