//! Health, metrics, routes: what an operator sees, and may do.

use crate::client::Client;
use crate::gateway::Gateway;
use crate::processor::Processor;

fn config(processor: &Processor) -> String {
    format!(
        "[[source]]\nname = \"s\"\nauth = \"none\"\nack = \"memory\"\n\
         [[route]]\nname = \"r\"\nfrom = {{ source = \"s\" }}\nto = {{ http = \"{}\" }}\n",
        processor.url("/")
    )
}

#[test]
fn metrics_count_what_happened() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config(&processor));
    for _ in 0..3 {
        gateway.post("/hooks/s", &[], b"12345");
    }
    gateway.post("/nowhere", &[], b"");
    gateway.wait_for_metric("hookgate_deliveries_total", &["route=\"r\"", "outcome=\"delivered\""], 3.0);
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &["source=\"s\"", "ack=\"memory\""]), 3.0);
    assert_eq!(gateway.metric("hookgate_body_bytes_total", &["source=\"s\""]), 15.0);
    assert_eq!(gateway.metric("hookgate_ack_deadline_total", &["source=\"s\"", "met=\"true\""]), 3.0);
    assert_eq!(gateway.metric("hookgate_ack_seconds_count", &["source=\"s\""]), 3.0);
    assert_eq!(gateway.metric("hookgate_event_age_seconds_count", &["route=\"r\""]), 3.0);
    assert_eq!(gateway.metric("hookgate_requests_refused_total", &["reason=\"unknown_path\""]), 1.0);
    assert_eq!(gateway.metric("hookgate_route_events", &["route=\"r\""]), 0.0);
    let page = gateway.admin_get("/metrics");
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in page.text().lines().filter(|line| !line.starts_with('#')) {
        assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "not a sample: {line}");
    }
}

#[test]
fn a_paused_route_keeps_its_events_until_it_is_resumed() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config(&processor));
    let command = |verb: &str| {
        std::process::Command::new(env!("CARGO_BIN_EXE_hookgate"))
            .args(["route", verb, "r", "--admin", &gateway.admin.to_string()])
            .output()
            .unwrap()
    };
    assert!(command("pause").status.success());
    for _ in 0..5 {
        assert_eq!(gateway.post("/hooks/s", &[], b"{}").status, 202);
    }
    assert_eq!(gateway.metric("hookgate_route_paused", &["route=\"r\""]), 1.0);
    assert_eq!(gateway.metric("hookgate_route_events", &["route=\"r\""]), 5.0);
    assert!(processor.received().is_empty());
    let readiness = gateway.admin_get("/readyz");
    assert_eq!(readiness.status, 200);
    assert!(readiness.text().contains("paused"), "{}", readiness.text());
    assert!(command("resume").status.success());
    processor.wait_for(5);

    let listed = std::process::Command::new(env!("CARGO_BIN_EXE_hookgate"))
        .args(["route", "list", "--admin", &gateway.admin.to_string()])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.lines().any(|line| line.starts_with("r ")), "{listed}");
}

#[test]
fn a_name_that_dns_could_point_at_the_admin_address_is_denied() {
    let gateway = Gateway::start(&config(&Processor::start()));
    let mut client = Client::connect(gateway.admin);
    client.send(b"POST /routes/r/pause HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 421);
    assert_eq!(gateway.metric("hookgate_route_paused", &["route=\"r\""]), 0.0);
}

#[test]
fn a_web_page_cannot_pause_a_route() {
    let gateway = Gateway::start(&config(&Processor::start()));
    let admin = gateway.admin.to_string();
    let headers = [("host", admin.as_str()), ("origin", "https://page.example"), ("content-type", "text/plain")];
    let request: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut client = Client::connect(gateway.admin);
    client.send(format!("POST /routes/r/pause HTTP/1.1\r\n{request}content-length: 0\r\n\r\n").as_bytes());
    assert_eq!(client.answer().unwrap().status, 403, "a browser sends a form to any address, and says from where");
    assert_eq!(gateway.metric("hookgate_route_paused", &["route=\"r\""]), 0.0);
}

#[test]
fn a_balancer_that_sends_no_host_is_told_whether_the_gateway_is_ready() {
    let gateway = Gateway::start(&config(&Processor::start()));
    let mut client = Client::connect(gateway.admin);
    client.send(b"GET /readyz HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 200);
}

#[test]
fn unknown_pages_and_routes_say_what_there_is() {
    let gateway = Gateway::start(&config(&Processor::start()));
    let unknown = gateway.admin_get("/");
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("/metrics"));
    let answer = Client::connect(gateway.admin).post("/routes/nope/pause", &[], b"");
    assert_eq!(answer.status, 404);
    assert_eq!(gateway.admin_get("/healthz").status, 200);
}
