//! What a request costs in instructions of user space: a figure that does not depend on how busy the machine is.
//!
//! Callgrind counts them, in a gateway that is optimised but not linked as long as a release. They are of x86-64 with AVX2 as
//! Valgrind shows it: there are no SHA and no AVX-512 instructions then, so that SHA-256, which is computed by others and
//! depends on the body alone, is left out of the count; and a copy of some kilobytes or more (`rep movsb`) counts as an
//! instruction a byte, which makes each copy of a body seen. Another compiler or C library may move the figures by some hundredths.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::client::request;
use crate::gateway::Gateway;
use crate::signing;
use crate::spends_few_system_calls::read_by_nobody;

/// About how many bytes a body has, and how many requests are counted.
const SIZES: [(usize, usize); 3] = [(250, 600), (7_300, 600), (105_000, 100)];

/// Instructions a request at each of [`SIZES`], in all threads, but for SHA-256's own. One request at a time, so that nothing is shared among
/// them and figures repeat; nothing reads the events, so that it is the answering path and the journal alone. One that is exceeded
/// is a regression, or a decision to be taken and written down here; one that has become smaller is to be lowered.
/// Runs differ by a few thousandths, durable ones on a busy machine by a hundredth; three and five are allowed.
const BUDGETS: [(&str, [f64; 3]); 2] =
    [("memory", [31_400.0, 46_600.0, 361_500.0]), ("durable", [50_200.0, 65_700.0, 548_000.0])];

#[test]
#[ignore = "needs valgrind, and builds an optimised gateway: cargo test --workspace --test it -- --ignored instructions"]
fn a_request_takes_no_more_instructions_than_its_budget() {
    if !has_avx2() {
        return eprintln!("skipped: the budgets are of x86-64 with AVX2");
    }
    let has_valgrind = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(has_valgrind, "valgrind is not installed, which counts the instructions: apt-get install valgrind");
    let binary = build();
    let mut over = Vec::new();
    for (ack, budgets) in BUDGETS {
        let counted = Counted::start(&binary, ack);
        for ((size, requests), budget) in SIZES.into_iter().zip(budgets) {
            let cost = counted.instructions_of_a_request(size, requests);
            println!("{ack}, {size} B: {cost:.0} instructions a request, {budget} allowed");
            if cost > budget {
                over.push(format!("{ack}, {size} B: {cost:.0} instructions a request, {budget} allowed"));
            }
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

/// The gateway of the sources as they are, in the profile for this.
fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_hookgate")).ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--profile", "budget", "--bin", "hookgate", "--target-dir"]).arg(target);
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
    assert!(built.success(), "the gateway was not built");
    target.join("budget/hookgate")
}

/// A gateway whose instructions are counted.
struct Counted(Gateway);

impl Counted {
    fn start(binary: &Path, ack: &str) -> Self {
        let valgrind = [
            "valgrind",
            "--log-file=valgrind.log",
            "--tool=callgrind",
            "--instr-atstart=no",
            "--callgrind-out-file=counts",
            "--compress-strings=no",
            "--compress-pos=no",
        ];
        Self(Gateway::start_build_under(&valgrind, binary, &read_by_nobody(ack)))
    }

    fn instructions_of_a_request(&self, size: usize, requests: usize) -> f64 {
        let body = body(size);
        let headers = [
            ("user-agent", "GitHub-Hookshot/044aadd"),
            ("content-type", "application/json"),
            ("x-github-event", "issues"),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("x-hub-signature-256", &signing::github(body.as_bytes())),
        ];
        let bytes = request("POST", "/hooks/s", &headers, body.as_bytes());
        let mut client = self.0.client();
        let mut send = |times| {
            for _ in 0..times {
                client.send(&bytes);
                assert_eq!(client.answer().unwrap().status, 202);
            }
        };
        send(50);
        self.control(&["--instr=on"]);
        send(10);
        self.control(&["--zero"]);
        send(requests);
        self.control(&["--dump"]);
        self.control(&["--instr=off"]);
        self.counted() as f64 / requests as f64
    }

    /// Returns when it is done.
    fn control(&self, arguments: &[&str]) {
        let mut control = Command::new("callgrind_control");
        let output = control.args(arguments).arg(self.0.id().to_string()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What was dumped last: the instructions of all functions but those that compress a block of SHA-256.
    fn counted(&self) -> u64 {
        let is_dump = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("counts.");
        let mut dumps = std::fs::read_dir(self.0.dir()).unwrap().map(|entry| entry.unwrap().path()).filter(is_dump);
        let dump = dumps.next().expect("there is a dump");
        assert!(dumps.next().is_none(), "there is one dump at a time");
        let text = std::fs::read_to_string(&dump).unwrap();
        std::fs::remove_file(dump).unwrap();
        let (mut all, mut hashing) = (0, 0);
        let (mut hashes, mut is_call) = (false, false);
        for line in text.lines() {
            if let Some(function) = line.strip_prefix("fn=") {
                hashes = function.contains("sha256") && function.contains("compress");
            } else if line.starts_with("calls=") {
                // The next line is what the function called has cost.
                is_call = true;
            } else if line.starts_with(|first: char| first.is_ascii_digit()) && !std::mem::take(&mut is_call) {
                let cost: u64 = line.split(' ').nth(1).unwrap().parse().unwrap();
                all += cost;
                hashing += if hashes { cost } else { 0 };
            }
        }
        assert!(hashing > 0, "there is no function that computes SHA-256");
        all - hashing
    }
}

/// A JSON body with the type's second half at its end.
fn body(size: usize) -> String {
    let (opening, closing) = (r#"{"issue":{"title":""#, r#""},"action":"opened"}"#);
    let filling = "Spelling error in the README file. ".repeat(size / 35 + 1);
    format!("{opening}{}{closing}", &filling[..size - opening.len() - closing.len()])
}
