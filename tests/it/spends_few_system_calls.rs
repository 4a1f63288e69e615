//! What a request costs in system calls: a figure that does not depend on how busy the machine is.

use std::process::{Command, Stdio};

use crate::client::{Client, request};
use crate::gateway::Gateway;
use crate::signing;

/// Requests at once: what a wake or a sync costs is shared by those that come together.
const CONNECTIONS: usize = 32;

/// Enough that a moment in which the machine is busy with something else, and batches are small, does not decide.
const TURNS: usize = 200;

/// System calls a request: those of the io thread, and of all threads together. Of the io thread's, one reads, one writes, and
/// looking for what is ready is shared; a batch of the journal costs a dozen, however many events it has. One that is exceeded is a regression, or a decision to be taken and written down here.
const BUDGETS: [(&str, f64, f64); 2] = [("memory", 2.2, 2.3), ("durable", 2.6, 4.0)];

/// A source whose events no route takes: what a request then costs is the answering path and the journal alone.
pub fn read_by_nobody(ack: &str) -> String {
    format!(
        r#"
        [[source]]
        name = "s"
        path = "/hooks/s"
        preset = "github"
        secret = {{ file = "secret" }}
        ack = "{ack}"
        [[route]]
        name = "nobody"
        from = {{ source = "s", types = ["none.of.them"] }}
        to = "discard"
        "#
    )
}

#[test]
fn a_request_makes_no_more_system_calls_than_its_budget() {
    if !can_trace() {
        return;
    }
    for (ack, io_budget, budget) in BUDGETS {
        let (io, all) = calls_of_a_request(ack);
        println!("{ack}: {io:.2} system calls a request on the io thread, {all:.2} in all");
        assert!(io <= io_budget, "{ack}: {io:.2} system calls a request on the io thread, {io_budget} allowed");
        assert!(all <= budget, "{ack}: {all:.2} system calls a request, {budget} allowed");
    }
}

/// Of the io thread, and of all.
fn calls_of_a_request(ack: &str) -> (f64, f64) {
    // The tracer stands aside: the process that is started is hookgate itself.
    let strace = ["strace", "-D", "-f", "-o", "trace"];
    let gateway = Gateway::start_under(&strace, "", &read_by_nobody(ack));
    let io = gateway.thread("io-0");
    let path = gateway.dir().join("trace");
    let count = || {
        let trace = std::fs::read_to_string(&path).unwrap_or_default();
        // A call that another thread interrupts in the trace has a second line.
        let calls = trace.lines().filter(|line| !line.contains(" resumed>"));
        let (mut of_io, mut of_all) = (0, 0);
        for line in calls {
            of_all += 1;
            of_io += usize::from(line.split(' ').next() == Some(io.as_str()));
        }
        (of_io, of_all)
    };

    let body = br#"{"action":"opened","issue":{"number":1}}"#;
    let headers = [("x-github-event", "issues"), ("x-hub-signature-256", &signing::github(body))];
    let bytes = request("POST", "/hooks/s", &headers, body);
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| gateway.client()).collect();
    let mut turn = || {
        for client in &mut clients {
            client.send(&bytes);
        }
        for client in &mut clients {
            assert_eq!(client.answer().unwrap().status, 202);
        }
    };
    turn();
    let before = count();
    for _ in 0..TURNS {
        turn();
    }
    let after = count();
    let requests = (CONNECTIONS * TURNS) as f64;
    ((after.0 - before.0) as f64 / requests, f64::from(after.1 - before.1) / requests)
}

fn can_trace() -> bool {
    let mut trace = Command::new("strace");
    let can = trace.args(["-f", "-o", "/dev/null", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let can = can.is_ok_and(|status| status.success());
    if !can {
        eprintln!("skipped: strace is not installed, or may not trace");
    }
    can
}
