//! `loadtest run` against `loadtest processor`, as two processes.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

#[test]
fn both_sides_count_the_same_and_every_id_is_distinct() {
    let processor = Processor::start(&["--threads", "2"]);
    let report = report(&run(&processor.url(), &["--rate", "400", "--connections", "8", "--threads", "2"]));
    assert_eq!(report["mode"], "open_loop");
    assert_eq!(report["scheduled"], 400);
    assert_eq!((&report["accepted"], &report["failed"]), (&report["sent"], &Value::from(0)));

    let stats = processor.stats();
    assert_eq!(stats["requests"], report["sent"]);
    assert_eq!(stats["distinct"], report["sent"]);
    assert_eq!((&stats["duplicates"], &stats["without_id"]), (&Value::from(0), &Value::from(0)));
}

#[test]
fn what_the_warm_up_sent_is_not_reported() {
    let processor = Processor::start(&[]);
    let report = report(&run(&processor.url(), &["--rate", "200", "--connections", "4", "--warmup", "500ms"]));
    assert_eq!(report["scheduled"], 200);
    assert!(processor.stats()["requests"].as_u64() > report["sent"].as_u64());
}

#[test]
fn a_closed_loop_is_called_one() {
    let processor = Processor::start(&[]);
    let report = report(&run(&processor.url(), &["--rate", "max", "--connections", "4"]));
    assert_eq!((&report["mode"], &report["rate_scheduled"]), (&Value::from("closed_loop"), &Value::Null));
    assert!(report["accepted"].as_u64() > Some(0), "{report}");
    assert_eq!(processor.stats()["distinct"], report["accepted"]);
}

/// One connection that takes 50 ms per request cannot send 100/s. A client that waits for it before it starts the next
/// stopwatch would report 50 ms throughout.
#[test]
fn a_server_slower_than_the_schedule_is_not_flattered() {
    let processor = Processor::start(&["--latency", "50ms"]);
    let report = report(&run(&processor.url(), &["--rate", "100", "--connections", "1"]));
    let quantile = |name: &str| report["latency_accepted_us"][name].as_f64().unwrap();
    assert!(quantile("p50") > 100_000.0, "{report}");
    assert!(quantile("p99") > 300_000.0 && quantile("p99") > quantile("p50"), "{report}");
    assert!(report["unsent"].as_u64() > Some(0), "{report}");
    assert!(report["waited_us"]["p50"].as_f64() > report["slip_us"]["p50"].as_f64(), "the server's doing: {report}");
}

#[test]
fn errors_of_the_processor_are_refusals() {
    let processor = Processor::start(&["--error-rate", "1.0", "--error-status", "503"]);
    let report = report(&run(&processor.url(), &["--rate", "100", "--connections", "2"]));
    assert_eq!((&report["accepted"], &report["refused"]), (&Value::from(0), &report["sent"]));
    assert_eq!(report["statuses"]["503"], report["sent"]);
    assert_eq!(report["latency_accepted_us"], Value::Null);
    assert_eq!(processor.stats()["failed"], report["sent"]);
}

/// A batch of these events, as hookgate sends it; its answer.
fn send_batch(processor: &Processor, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&processor.address).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nwebhook-id: batch_0123\r\n\
         content-type: application/cloudevents-batch+json; charset=utf-8\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn batch(ids: impl IntoIterator<Item = usize>) -> String {
    let event = |id| serde_json::json!({"specversion": "1.0", "id": format!("s:{id}"), "data": {"id": "s:x"}});
    serde_json::to_string(&ids.into_iter().map(event).collect::<Vec<_>>()).unwrap()
}

#[test]
fn each_event_of_a_batch_is_counted() {
    let processor = Processor::start(&[]);
    assert_eq!(send_batch(&processor, &batch(0..5)), (200, String::new()));
    assert_eq!(send_batch(&processor, &batch([4, 5, 5])).0, 200);
    assert_eq!(send_batch(&processor, r#"[{"specversion":"1.0"}]"#).0, 200);
    assert_eq!(send_batch(&processor, r#"[{"id":"s:9"}"#).0, 400, "it has no end");
    let stats = processor.stats();
    let expected = [
        ("requests", 4),
        ("events", 10),
        ("succeeded", 9),
        ("failed", 1),
        ("distinct", 6),
        ("duplicates", 2),
        ("without_id", 1),
    ];
    for (name, count) in expected {
        assert_eq!(stats[name], count, "{name}: {stats}");
    }
}

#[test]
fn events_of_a_batch_fail_on_their_own_and_are_named_in_the_answer() {
    let processor = Processor::start(&["--error-rate", "0.5", "--error-status", "503"]);
    let (status, answer) = send_batch(&processor, &batch(0..200));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let failed = answer["failed"].as_array().unwrap();
    assert!(status == 200 && !failed.is_empty() && failed.len() < 200, "{answer}");
    assert!(failed.iter().all(|one| one["status"] == 503 && one["id"].as_str().unwrap().starts_with("s:")), "{answer}");
    let counted = processor.stats();
    assert_eq!((&counted["failed"], &counted["events"]), (&failed.len().into(), &200.into()), "{counted}");
    assert_eq!((&counted["distinct"], &counted["duplicates"]), (&(200 - failed.len()).into(), &0.into()), "{counted}");
}

#[test]
fn a_batch_of_which_all_fail_is_answered_with_the_error() {
    let processor = Processor::start(&["--error-rate", "1", "--error-status", "503"]);
    assert_eq!(send_batch(&processor, &batch(0..3)), (503, String::new()));
    let stats = processor.stats();
    assert_eq!((&stats["failed"], &stats["succeeded"]), (&3.into(), &0.into()), "{stats}");
}

#[test]
fn a_port_where_nobody_listens_is_told_with_advice() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = run(&format!("http://{free}/hooks/github"), &["--rate", "10"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&free.to_string()) && text.contains("is the gateway running there?"), "{text}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_server_that_hangs_up_is_counted_as_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Reads some of a request, then closes. Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.read(&mut [0; 4_096]));
        }
    });
    let report = report(&run(&format!("http://{address}/"), &["--rate", "50", "--connections", "2"]));
    assert_eq!((&report["accepted"], &report["failed"]), (&Value::from(0), &report["sent"]));
}

#[test]
fn the_processor_ends_when_all_events_are_there() {
    let mut processor = Processor::start(&["--events", "50", "--json"]);
    // The rest of the requests finds nobody: of no interest here.
    let _ = run(&processor.url(), &["--rate", "100", "--connections", "2"]);
    let mut text = String::new();
    processor.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(processor.child.wait().unwrap().success());
    let stats: Value = serde_json::from_str(&text).unwrap();
    assert!(stats["distinct"].as_u64() >= Some(50), "{stats}");
}

#[test]
fn an_early_end_gives_what_there_is_marked_as_partial() {
    let processor = Processor::start(&[]);
    let mut client = command(&processor.url(), &["--rate", "100", "--connections", "2", "--duration", "1h"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while processor.stats()["requests"].as_u64() < Some(20) {
        assert!(client.try_wait().unwrap().is_none(), "it runs for an hour");
    }
    let kill = Command::new("kill").args(["-INT", &client.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = client.wait_with_output().unwrap();
    let report = report(&output);
    assert_eq!(report["partial"], true);
    assert!(report["accepted"].as_u64() > Some(0), "{report}");
}

/// A running `loadtest processor`, killed when dropped.
struct Processor {
    child: Child,
    address: String,
}

impl Processor {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .args(["processor", "--listen", "127.0.0.1:0", "--id-header", "x-github-delivery"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect(&line).to_owned();
        Self { child, address }
    }

    fn url(&self) -> String {
        format!("http://{}/github", self.address)
    }

    fn stats(&self) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(b"GET /stats HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `loadtest run` for a second without warm-up, unless `args` say otherwise.
fn command(url: &str, args: &[&str]) -> Command {
    let payloads = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/github");
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(["run", url, "--preset", "github", "--secret-env", "LOADTEST_SECRET", "--json", "--payloads"]);
    command.arg(payloads).args(args).env("LOADTEST_SECRET", "s3cret");
    for (option, value) in [("--duration", "1s"), ("--warmup", "0s")] {
        if !args.contains(&option) {
            command.args([option, value]);
        }
    }
    command
}

fn run(url: &str, args: &[&str]) -> Output {
    command(url, args).output().unwrap()
}

/// The report of a run. On a loaded machine the client may have been saturated; the counts must be right even so.
fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error} in {text:?}; standard error: {}", String::from_utf8_lossy(&output.stderr))
    })
}
