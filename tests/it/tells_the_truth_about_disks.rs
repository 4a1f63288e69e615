//! A disk that fails, stalls or is full: no event is answered with success that is not safe, the refusal says why, and what
//! passes is got over without help. The faults are injected into the real binary's system calls, or come from real limits.
//!
//! What a machine does not allow is skipped, and said so.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;

use crate::client::{Answer, Client};
use crate::gateway::{Gateway, wait_until};
use crate::keeps_what_it_acknowledged::config;
use crate::processor::Processor;

#[test]
fn every_success_is_written_after_a_sync_of_its_event() {
    if !can_trace() {
        return;
    }
    let (processor, _) = Processor::down();
    let gateway = Gateway::start_under(&traced(CALLS, &[]), "", &config(&processor.url("/"), ""));
    let mut client = gateway.client();
    for event in 0..20 {
        assert_eq!(post(&mut client, &format!("proof-{event}-")).status, 202);
    }
    let trace = trace_of(gateway.kill().path());
    let mut at = 0;
    for event in 0..20 {
        let id = format!("proof-{event}-");
        let read = find(&trace, at, |line| is_read(line) && line.contains(&id));
        let success = find(&trace, read, |line| is_write(line) && line.contains("HTTP/1.1 202"));
        assert!(
            trace[read..success].iter().any(|line| is_synced(line)),
            "{id} was answered without a sync:\n{}",
            trace[read..=success].join("\n")
        );
        at = success + 1;
    }
    let successes: Vec<_> = trace.iter().filter(|line| is_write(line) && line.contains("HTTP/1.1 202")).collect();
    assert_eq!(successes.len(), 20, "and no other success was written: {successes:#?}");
}

#[test]
fn a_failed_sync_is_a_refusal_and_its_file_is_never_synced_again() {
    if !can_trace() {
        return;
    }
    let (processor, up) = Processor::down();
    let fault = format!("inject=fdatasync:error=EIO:when={AFTER_START}");
    let keys = "breaker = { probe_every = \"20ms\" }";
    let config = config(&processor.url("/"), keys);
    let Met { gateway, mut client, mut acknowledged, id: failed, refusal } =
        meet_fault(&traced(CALLS, &["-e", &fault]), &config);
    assert_eq!((refusal.status, refusal.reason().as_str()), (503, "journal_failed"));
    assert!(refusal.header("retry-after").is_some());

    wait_until("it takes events again", || post(&mut client, "after-").status == 202);
    assert_eq!(post(&mut client, &failed).status, 202, "what was refused may come again");
    acknowledged.extend(["after-".to_owned(), failed]);
    wait_until("it is ready", || gateway.admin_get("/readyz").status == 200);

    let remains = gateway.kill();
    let trace = trace_of(remains.path());
    let fault = find(&trace, 0, |line| line.contains("EIO"));
    let file = synced_file(&trace, fault);
    let again = trace[fault + 1..].iter().find(|line| line.contains("fdatasync(") && line.contains(&file));
    assert_eq!(again, None, "{file} was synced again after a sync of it had failed");

    let refused = processor.received().len();
    up.store(true, SeqCst);
    let gateway = remains.start();
    wait_until("all that was acknowledged is delivered", || {
        acknowledged.is_subset(&bodies(&processor).into_iter().skip(refused).collect())
    });
    assert_eq!(gateway.admin_get("/readyz").status, 200);
}

#[test]
fn a_sync_that_outlasts_the_deadline_is_a_refusal_in_time_and_the_event_is_delivered_once() {
    if !can_trace() {
        return;
    }
    let processor = Processor::start();
    let fault = format!("inject=fdatasync:delay_exit=3000000:when={AFTER_START}");
    let config = config(&processor.url("/"), "").replacen("auth =", "deadline = \"500ms\"\nauth =", 1);
    let Met { gateway, mut client, mut acknowledged, id: late, refusal } =
        meet_fault(&traced("trace=fdatasync", &["-e", &fault]), &config);
    assert_eq!((refusal.status, refusal.reason().as_str()), (503, "journal_behind"));
    let safe = gateway.metric("hookgate_journal_events_total", &[]);
    assert_eq!(safe, acknowledged.len() as f64, "the refusal left while the sync was still running");
    gateway.wait_for_metric("hookgate_ack_deadline_total", &["source=\"s\""], safe + 1.0);
    assert_eq!(gateway.metric("hookgate_ack_deadline_total", &["met=\"true\""]), safe + 1.0, "and in time");

    wait_until("the sync has ended", || post(&mut client, &late).status == 202);
    acknowledged.insert(late.clone());
    // Not for the lag alone: an answer leaves before the routes are told.
    wait_until("all are delivered", || acknowledged.is_subset(&bodies(&processor).into_iter().collect()));
    gateway.wait_for_metric("hookgate_route_lag", &["route=\"r\""], 0.0);
    gateway.wait_for_metric("hookgate_route_events", &["route=\"r\""], 0.0);
    let delivered = bodies(&processor);
    assert_eq!(delivered.iter().filter(|body| **body == late).count(), 1, "{late} is delivered once: {delivered:?}");
}

#[test]
fn a_limit_on_file_sizes_is_a_full_journal_until_it_is_raised() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config(&processor.url("/"), ""));
    let mut client = gateway.client();
    assert_eq!(post(&mut client, "before").status, 202);
    gateway.limit_file_size(Some(4096));
    let refusal = full(&gateway, &mut client);
    assert!(refusal.header("retry-after").is_some());
    stays_idle(&gateway);

    gateway.limit_file_size(None);
    wait_until("it takes events again", || post(&mut client, "after").status == 202);
    wait_until("it is ready", || gateway.admin_get("/readyz").status == 200);
    wait_until("all is delivered", || bodies(&processor).contains(&"after".to_owned()));
}

#[test]
fn a_full_disk_refuses_idles_and_recovers_when_its_routes_have_caught_up() {
    let mount = "mkdir data && mount -t tmpfs -o size=8m hookgate data && exec \"$0\" \"$@\"";
    let namespaces = if rustix::process::getuid().is_root() { "-m" } else { "-Urm" };
    let try_out = "mount -t tmpfs -o size=8m hookgate /mnt";
    if !succeeds(Command::new("unshare").args([namespaces, "sh", "-c", try_out])) {
        return eprintln!("skipped: no file system can be mounted here");
    }
    let (processor, up) = Processor::down();
    let keys = "breaker = { probe_every = \"20ms\" }";
    let under = ["unshare", namespaces, "sh", "-c", mount];
    let gateway = Gateway::start_under(&under, "segment_size = \"1MiB\"", &config(&processor.url("/"), keys));
    let mut client = gateway.client();
    full(&gateway, &mut client);
    stays_idle(&gateway);

    up.store(true, SeqCst);
    wait_until("there is room again", || post(&mut client, "after").status == 202);
    wait_until("it is ready", || gateway.admin_get("/readyz").status == 200);
    wait_until("all is delivered", || bodies(&processor).contains(&"after".to_owned()));
}

#[test]
fn a_file_in_the_place_of_a_directory_ends_the_start_with_what_to_do() {
    for name in ["data", "data/dead", "data/journal"] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "not a directory").unwrap();
        refuses_to_start(dir.path(), name, |_| {});
    }
}

#[test]
fn a_directory_that_is_not_writable_ends_the_start_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o555)).unwrap();
    let nobody = |command: &mut Command| {
        // Nothing is unwritable for root.
        if rustix::process::getuid().is_root() {
            command.uid(65534).gid(65534);
        }
    };
    let mut version = Command::new(env!("CARGO_BIN_EXE_hookgate"));
    nobody(&mut version);
    if !succeeds(version.arg("--version")) {
        return eprintln!("skipped: another user cannot run {}", env!("CARGO_BIN_EXE_hookgate"));
    }
    refuses_to_start(dir.path(), "data/", nobody);
}

fn refuses_to_start(dir: &Path, named: &str, change: impl FnOnce(&mut Command)) {
    let text =
        format!("[gateway]\nlisten = \"127.0.0.1:0\"\n[journal]\ndir = \"data\"\n{}", config("http://127.0.0.1:9", ""));
    std::fs::write(dir.join("hookgate.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
    command.args(["run", "--allow-root"]).current_dir(dir);
    change(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(named), "it names the directory: {said}");
    assert!(
        said.contains("writable for hookgate") && said.contains("choose another `[journal] dir`"),
        "it says what to do: {said}"
    );
}

/// Fills it up, and sees that it says so.
fn full(gateway: &Gateway, client: &mut Client) -> Answer {
    let body = "a".repeat(64 << 10);
    let refusal = (0..1000).map(|_| client.post("/hooks/s", &[], body.as_bytes())).find(|answer| answer.status != 202);
    let refusal = refusal.expect("64 MB do not fit");
    assert_eq!((refusal.status, refusal.reason().as_str()), (503, "journal_full"));
    let readiness = gateway.admin_get("/readyz");
    assert_eq!(readiness.status, 503);
    assert!(readiness.text().contains("journal_full"), "{}", readiness.text());
    refusal
}

/// While it is full it does not spin, and does not say so again and again: only if what failed deliveries wrote again has
/// taken up the last bit of room.
fn stays_idle(gateway: &Gateway) {
    let waited = |seconds: &str| wait_until("time passes", || gateway.admin_get("/readyz").text().contains(seconds));
    waited("for 1 s");
    let before = gateway.ticks();
    waited("for 3 s");
    let used = gateway.ticks() - before;
    assert!(used < 100, "it used {used} ticks of about 200 while it waited for room");
    let log = gateway.log().text();
    let said = |text| log.matches(text).count();
    assert_eq!(said("the journal takes no events"), said("the journal takes events again") + 1, "once each time");
    assert!(said("the journal takes no events") <= 3);
}

/// An event whose id is its body.
fn post(client: &mut Client, id: &str) -> Answer {
    client.post("/hooks/s", &[("X-Id", id)], id.as_bytes())
}

/// A gateway whose fault has met an event.
struct Met {
    gateway: Gateway,
    client: Client,
    acknowledged: BTreeSet<String>,
    /// The event that was refused.
    id: String,
    refusal: Answer,
}

/// Posts events to a gateway until one is refused. The fault may meet a batch without an event, for the journal syncs what
/// routes are done with too: then it begins again, with another gateway and other ids.
fn meet_fault(under: &[&str], config: &str) -> Met {
    for start in 0..10 {
        let gateway = Gateway::start_under(under, "segment_size = \"1MiB\"", config);
        let mut client = gateway.client();
        let mut acknowledged = BTreeSet::new();
        for event in 0..100 {
            let id = format!("event-{start}-{event}-");
            let refusal = post(&mut client, &id);
            if refusal.status != 202 {
                return Met { gateway, client, acknowledged, id, refusal };
            }
            acknowledged.insert(id);
        }
    }
    panic!("the fault met no event");
}

fn bodies(processor: &Processor) -> Vec<String> {
    processor.received().iter().map(|delivery| String::from_utf8(delivery.body.clone()).unwrap()).collect()
}

/// Which sync of a thread fails. They are counted for each thread: the start makes fewer in the main one, with segments as
/// small as these, and none in the one that writes events.
pub const AFTER_START: usize = 20;

const CALLS: &str = "trace=fdatasync,read,recvfrom,write,writev,sendto,sendmsg";

/// The tracer stands aside: the process that is started is hookgate itself.
pub fn traced<'a>(calls: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["strace", "-D", "-f", "-y", "-s", "200", "-o", "trace", "-e", calls], more].concat()
}

pub fn can_trace() -> bool {
    let can = succeeds(Command::new("strace").args(["-f", "-o", "/dev/null", "true"]));
    if !can {
        eprintln!("skipped: strace is not installed, or may not trace");
    }
    can
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The lines of a trace whose process was killed.
fn trace_of(dir: &Path) -> Vec<String> {
    let read = || std::fs::read(dir.join("trace")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap();
    wait_until("the trace is whole", || read().trim_end().ends_with("+++ killed by SIGKILL +++"));
    read().lines().map(str::to_owned).collect()
}

fn find(trace: &[String], from: usize, is_it: impl Fn(&str) -> bool) -> usize {
    let found = trace[from..].iter().position(|line| is_it(line));
    from + found.unwrap_or_else(|| panic!("not found in:\n{}", trace[from..].join("\n")))
}

fn is_read(line: &str) -> bool {
    line.contains("POST /hooks/s") && ["recvfrom", "read"].iter().any(|call| call_of(line) == *call)
}

fn is_write(line: &str) -> bool {
    ["write", "writev", "sendto", "sendmsg"].iter().any(|call| call_of(line) == *call) && !line.contains("resumed>")
}

fn is_synced(line: &str) -> bool {
    call_of(line) == "fdatasync" && line.ends_with("= 0")
}

/// `123 recvfrom(…` and `123 <... recvfrom resumed>…` are of `recvfrom`.
fn call_of(line: &str) -> &str {
    let call = line.split_once(' ').map_or("", |(_, rest)| rest.trim_start());
    let call = call.strip_prefix("<... ").unwrap_or(call);
    call.split(['(', ' ']).next().unwrap_or_default()
}

/// The file, as `<path>`, of the sync that ends at this line: it may have begun at an earlier one.
fn synced_file(trace: &[String], end: usize) -> String {
    let thread = trace[end].split(' ').next().unwrap();
    let begun = trace[..=end].iter().rfind(|line| line.starts_with(thread) && line.contains("fdatasync("));
    let (_, rest) = begun.and_then(|line| line.split_once("fdatasync(")).unwrap();
    let (from, to) = (rest.find('<').unwrap(), rest.find('>').unwrap());
    rest[from..=to].to_owned()
}
