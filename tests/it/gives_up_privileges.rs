//! What the process is not, and does not leave behind.

use std::process::{Command, Stdio};

use crate::commands::{command, dir_with, end};
use crate::gateway::{Gateway, wait_until};

const CONFIG: &str = r#"
[[source]]
name = "s"
auth = "none"
ack = "memory"
"#;

/// Lets a shell raise the limit on core dumps as far as it goes, and become the gateway.
const WITH_DUMPS: [&str; 4] = ["sh", "-c", "ulimit -Sc \"$(ulimit -Hc)\"; exec \"$@\"", "sh"];

/// The soft and the hard limit on core dumps.
fn core_limits(limits: &str) -> [String; 2] {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    [words.next().unwrap(), words.next().unwrap()]
}

#[test]
fn no_thread_can_gain_privileges() {
    let gateway = Gateway::start(CONFIG);
    assert!(gateway.proc("status").contains("NoNewPrivs:\t1"));
    let thread = gateway.thread("io-0");
    assert!(gateway.proc(&format!("task/{thread}/status")).contains("NoNewPrivs:\t1"));
}

#[test]
fn it_needs_no_capability() {
    let without = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"];
    if !Command::new(without[0]).args(&without[1..]).arg("true").status().is_ok_and(|status| status.success()) {
        return eprintln!("skipped: setpriv is not installed, or has none to give up");
    }
    let gateway = Gateway::start_under(&without, "", &CONFIG.replace("ack = \"memory\"", ""));
    assert!(gateway.proc("status").contains("CapEff:\t0000000000000000"));
    assert_eq!(gateway.post("/hooks/s", &[], b"{}").status, 202);
    assert_eq!(gateway.stop().code(), Some(0));
}

#[test]
fn it_leaves_no_core_dump_unless_that_is_wanted() {
    let gateway = Gateway::start_under(&WITH_DUMPS, "", CONFIG);
    assert_eq!(core_limits(&gateway.proc("limits"))[0], "0");
    let gateway = Gateway::start_under(&WITH_DUMPS, "", &format!("{CONFIG}[process]\ncore_dumps = true\n"));
    let [soft, hard] = core_limits(&gateway.proc("limits"));
    assert_eq!(soft, hard, "as far as it was allowed");
}

#[test]
fn no_command_leaves_a_core_dump() {
    let [shell, rest @ ..] = WITH_DUMPS;
    let mut sending = Command::new(shell);
    sending.args(rest).args([env!("CARGO_BIN_EXE_hookgate"), "send", "-", "http://127.0.0.1:1/"]);
    let mut sending = sending.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let of = |file| std::fs::read_to_string(format!("/proc/{}/{file}", sending.id())).unwrap_or_default();
    // It waits for its payload.
    wait_until("the command without dumps", || of("comm").trim() == "hookgate" && core_limits(&of("limits"))[0] == "0");
    drop(sending.stdin.take());
    assert_eq!(sending.wait().unwrap().code(), Some(1), "nobody listens there");
}

#[test]
fn root_has_to_be_allowed() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: only root can start as root");
    }
    let dir = dir_with(&format!("[gateway]\nlisten = \"127.0.0.1:0\"\nadmin = false\n{CONFIG}"));
    for variable in [None, Some("0"), Some("")] {
        let mut run = command(dir.path(), &["run"]);
        run.env_remove("HOOKGATE_ALLOW_ROOT");
        if let Some(value) = variable {
            run.env("HOOKGATE_ALLOW_ROOT", value);
        }
        let refused = end(&mut run);
        assert_eq!(refused.code, Some(1), "{}", refused.err);
        for way in ["--allow-root", "HOOKGATE_ALLOW_ROOT=1", "allow_root = true under [process]"] {
            assert!(refused.err.contains(way), "{way}: {}", refused.err);
        }
    }
    let without = ["env", "-u", "HOOKGATE_ALLOW_ROOT"];
    let allowed = Gateway::start_under(&without, "", &format!("{CONFIG}[process]\nallow_root = true\n"));
    assert_eq!(allowed.stop().code(), Some(0));
}
