//! What the process is not, and does not leave behind.

use crate::commands::{command, dir_with, end};
use crate::gateway::Gateway;

const CONFIG: &str = r#"
[[source]]
name = "s"
auth = "none"
ack = "memory"
"#;

/// Lets a shell raise the limit on core dumps as far as it goes, and become the gateway.
const WITH_DUMPS: [&str; 4] = ["sh", "-c", "ulimit -Sc \"$(ulimit -Hc)\"; exec \"$@\"", "sh"];

/// The soft and the hard limit on core dumps.
fn core_limits(gateway: &Gateway) -> [String; 2] {
    let limits = gateway.proc("limits");
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
fn it_leaves_no_core_dump_unless_that_is_wanted() {
    let gateway = Gateway::start_under(&WITH_DUMPS, "", CONFIG);
    assert_eq!(core_limits(&gateway)[0], "0");
    let gateway = Gateway::start_under(&WITH_DUMPS, "", &format!("{CONFIG}[process]\ncore_dumps = true\n"));
    let [soft, hard] = core_limits(&gateway);
    assert_eq!(soft, hard, "as far as it was allowed");
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
