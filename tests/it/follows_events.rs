//! `hookgate tail`: events as they come, filtered, until it is interrupted.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::client::Client;
use crate::gateway::{Gateway, wait_until};

const CONFIG: &str = r#"[[source]]
name = "s"
auth = "none"
event_type = { header = "X-Type" }
delivery_id = { header = "X-Id" }
[[source]]
name = "t"
auth = "none"
[[route]]
name = "r"
from = { source = "s", types = ["invoice.*"] }
to = "discard"
"#;

struct Tail {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Tail {
    fn start(gateway: &Gateway, options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hookgate"))
            .args(["tail", "--admin", &gateway.admin.to_string()])
            .args(options)
            .current_dir(gateway.dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    /// Interrupts it as Ctrl-C does.
    fn end(mut self) -> (Option<i32>, String) {
        let sent = Command::new("kill").args(["-s", "INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let code = self.child.wait().unwrap().code();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code, said)
    }
}

fn post(gateway: &Gateway, id: &str, event_type: &str) {
    assert_eq!(gateway.post("/hooks/s", &[("X-Id", id), ("X-Type", event_type)], b"{}").status, 202);
}

#[test]
fn events_are_told_as_they_come_until_ctrl_c() {
    let gateway = Gateway::start(CONFIG);
    post(&gateway, "before", "invoice.paid");
    let mut tail = Tail::start(&gateway, &["--since", "5m"]);
    let line = tail.next();
    assert!(line.contains("  s  invoice.paid  before  2 B  r"), "{line}");
    post(&gateway, "after", "charge.made");
    let line = tail.next();
    assert!(line.contains("  s  charge.made  after  2 B  no route"), "{line}");
    assert_eq!(tail.end(), (Some(0), String::new()));
}

#[test]
fn only_what_is_asked_for_is_told() {
    let gateway = Gateway::start(CONFIG);
    assert_eq!(gateway.post("/hooks/t", &[], b"{}").status, 202);
    for (id, event_type) in [("1", "charge.made"), ("2", "invoice.paid"), ("3", "invoice.void"), ("4", "other")] {
        post(&gateway, id, event_type);
    }
    for options in [["--type", "invoice.*"], ["--route", "r"]] {
        let mut tail =
            Tail::start(&gateway, &[["--json", "--since", "5m", "--source", "s"].as_slice(), &options].concat());
        for id in ["2", "3"] {
            let event: Value = serde_json::from_str(&tail.next()).unwrap();
            assert_eq!((&event["id"], &event["routes"][0]), (&id.into(), &"r".into()));
        }
        assert_eq!(tail.end().0, Some(0));
    }
}

#[test]
fn a_wrong_question_and_a_gateway_that_is_not_there_are_said_so() {
    let gateway = Gateway::start(CONFIG);
    let mut tail = Tail::start(&gateway, &["--route", "nobody"]);
    assert_eq!(tail.next(), "");
    assert_eq!(tail.child.wait().unwrap().code(), Some(1));
    let mut said = String::new();
    tail.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("nobody") && said.contains("there are r"), "{said}");
}

#[test]
fn a_client_that_does_not_read_is_left_behind_with_a_notice_and_slows_nobody() {
    let gateway = Gateway::start(CONFIG);
    let mut slow = Client::connect(gateway.admin);
    slow.send(b"GET /tail HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut client = gateway.client();
    // More lines than sockets hold, then more events than hookgate has in memory.
    let long = "\"".repeat(8000);
    for id in 0..1500 {
        let id = id.to_string();
        assert_eq!(client.post("/hooks/s", &[("X-Id", &id), ("X-Type", &long)], b"{}").status, 202);
    }
    for _ in 0..80 {
        assert_eq!(client.post("/hooks/t", &[], &[b'x'; 500_000]).status, 202);
    }
    let mut read = Vec::new();
    wait_until("it is told that it was left behind", || {
        read.extend(slow.read_until_pause());
        String::from_utf8_lossy(&read).contains("were left out: they came faster")
    });
    post(&gateway, "last", "invoice.paid");
    wait_until("it goes on with what comes", || {
        read.extend(slow.read_until_pause());
        String::from_utf8_lossy(&read).contains("\"last\"")
    });
}
