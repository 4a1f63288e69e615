//! `loadtest sweep`, with one setting and for a moment.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use serde_json::Value;

#[test]
fn a_setting_is_measured_and_given_as_toml() {
    let hookgate = Path::new(env!("CARGO_BIN_EXE_loadtest")).with_file_name("hookgate");
    if !hookgate.is_file() || !available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        eprintln!("skipped: the gateway is not built, or this machine has one core");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("report.html");
    std::fs::write(dir.path().join("secret"), "s3cret").unwrap();
    // Nobody listens at the route's address: the stand-in gets its events.
    let config = "[[source]]\nname = \"github\"\npreset = \"github\"\nsecret = { file = \"secret\" }\n\
                  [[route]]\nname = \"all\"\nfrom = { source = \"github\" }\nto = { http = \"http://127.0.0.1:9/\" }\n";
    std::fs::write(dir.path().join("hookgate.toml"), config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args("sweep --p99 10s --io-threads 1 --workers 1 --in-flight 16 --batch 1".split(' '))
        .args("--duration 100ms --warmup 0s --connections 4 --corpus small --tolerate 99 --json --config".split(' '))
        .arg(dir.path().join("hookgate.toml"))
        .arg("--html")
        .arg(&page)
        .arg("--data")
        .arg(dir.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let trial = &report["trials"][0];
    assert_eq!((&trial["setting"]["in_flight"], &report["source"]), (&16.into(), &"github".into()), "{report}");
    assert!(trial["takes"].as_f64() > Some(0.0), "{trial}");
    // On a machine under load the client may have been late with everything; then nothing is recommended.
    if !trial["best"].is_null() {
        let toml = report["toml"].as_str().unwrap();
        assert!(toml.contains("io_threads = 1") && toml.contains("name = \"all\"\nin_flight = 16"), "{toml}");
        assert!(trial["best"]["busy"]["threads"]["io-0"].is_number(), "{trial}");
    }
    assert!(std::fs::read_to_string(page).unwrap().contains("<svg"));
}
