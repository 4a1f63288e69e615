//! `hookgate tail`: events as they come, filtered, until it is interrupted.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::gateway::Gateway;

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
