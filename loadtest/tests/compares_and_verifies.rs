//! `loadtest compare`, `verify`, `backlog`, `memory` and `idle`, each for a moment.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::available_parallelism;

use serde_json::Value;

/// The client and the server need a core each.
fn has_two_cores() -> bool {
    let has = available_parallelism().is_ok_and(|cores| cores.get() > 1);
    if !has {
        eprintln!("skipped: this machine has one core");
    }
    has
}

/// Tests of the workspace build the gateway too; those of this crate alone do not.
fn has_gateway() -> bool {
    let has = Path::new(env!("CARGO_BIN_EXE_loadtest")).with_file_name("hookgate").is_file();
    if !has {
        eprintln!("skipped: the gateway is not built");
    }
    has
}

/// A command with its data in `dir`.
fn command(dir: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(args.split(' ')).arg("--data").arg(dir).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error} in {text:?}; standard error: {}", String::from_utf8_lossy(&output.stderr))
    })
}

const COMPARE: &str = "compare --only hyper-read,hyper-hmac --sizes small --tolerate 99 --connections 4 --json";

#[test]
fn servers_are_measured_in_turn_and_reported_with_their_conditions() {
    if !has_two_cores() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("report.html");
    let args = format!(
        "{COMPARE} --rounds 2 --duration 600ms --warmup 0s --no-latency --spin=false --html {}",
        page.display()
    );
    let report = json(&command(dir.path(), &args).output().unwrap());
    assert_eq!((&report["partial"], &report["cores"]["server"][0]), (&Value::from(false), &Value::from(0)), "{report}");
    let rows = report["sizes"][0]["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["hyper-read", "hyper-hmac"]);
    for row in rows {
        assert_eq!((&row["saturated"]["samples"], &row["saturated"]["missed"]), (&2.into(), &0.into()), "{row}");
        assert!(row["saturated"]["cpu_us_per_event"]["median"].as_f64() > Some(0.0), "{row}");
    }
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.contains("µs of CPU per accepted event"), "{page}");
    let rest: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(rest, ["report.html"], "servers' directories go with them");
}

#[test]
fn the_client_tells_how_much_of_it_was_idle_whether_it_spins_or_sleeps() {
    if !has_two_cores() {
        return;
    }
    for (flag, spins) in [("--spin", true), ("--spin=false", false)] {
        let dir = tempfile::tempdir().unwrap();
        let args = format!("{COMPARE} --rounds 1 --duration 200ms --warmup 50ms --latency-rate 100 {flag}");
        let report = json(&command(dir.path(), &args).output().unwrap());
        assert_eq!(report["client_spins"], spins);
        let row = &report["sizes"][0]["rows"][0];
        let idle = |part: &str| row[part]["client_idle"]["median"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&idle("saturated")), "{row}");
        // A schedule of ten milliseconds leaves it time, unless the machine gave it no turn at all.
        assert!(row["on_schedule"].is_null() || idle("on_schedule") > 0.0, "{row}");
    }
}

/// The rows of a comparison of gateways, by name.
fn gateways(names: &str, more: &str) -> impl Fn(&str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let args = format!(
        "compare --only {names} --sizes small --tolerate 99 --connections 4 --json --rounds 1 --duration 300ms --warmup 50ms {more}"
    );
    let report = json(&command(dir.path(), &args).output().unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    move |name| {
        let rows = report["sizes"][0]["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}: {report}")).clone();
        assert!(row["saturated"]["rate"]["median"].as_f64() > Some(0.0), "{row}; {}", report["skipped"]);
        row
    }
}

#[test]
fn the_disk_is_measured_beside_a_durable_gateway_at_the_size_of_its_batches() {
    if !has_two_cores() || !has_gateway() {
        return;
    }
    let row = gateways("hookgate-memory,hookgate-durable,hookgate-durable-apart", "--latency-rate 50");
    assert!(row("hookgate-memory")["saturated"]["disk"].is_null());
    for name in ["hookgate-durable", "hookgate-durable-apart"] {
        let row = row(name);
        let disk = &row["saturated"]["disk"];
        for figure in ["batch_bytes", "batch_events", "p50_us", "p99_us", "megabytes_per_second"] {
            assert!(disk[figure]["median"].as_f64() > Some(0.0), "{figure}: {row}");
        }
        for figure in [
            "answer_p50_over",
            "answer_p99_over",
            "answer_p99_over_arrival",
            "disk_limit",
            "cpu_limit",
            "rate_over_limit",
        ] {
            assert!(disk[figure].as_f64() > Some(0.0), "{figure}: {row}");
        }
        assert!(row["on_schedule"].is_null() || row["on_schedule"]["disk"].is_object(), "{row}");
    }
    assert!(row("hookgate-durable-apart")["this_over_plain"]["rate"].as_f64() > Some(0.0));
}

#[test]
fn what_counts_of_a_gateway_that_delivers_is_what_arrives() {
    if !has_two_cores() || !has_gateway() {
        return;
    }
    let names = "hookgate-memory,hookgate-memory-http,hookgate-memory-http-batch,hookgate-durable,hookgate-durable-http,\
                 hookgate-durable-http-batch";
    let row = gateways(names, "--no-latency");
    for name in
        ["hookgate-memory-http", "hookgate-memory-http-batch", "hookgate-durable-http", "hookgate-durable-http-batch"]
    {
        let row = row(name);
        // Of samples in which something that was acknowledged did not arrive there are none.
        assert_eq!((&row["saturated"]["samples"], &row["saturated"]["missed"]), (&1.into(), &0.into()), "{row}");
        assert!(row["this_over_plain"]["rate"].as_f64() > Some(0.0), "{row}");
    }
}

#[test]
fn a_gateway_whose_routes_take_no_batches_is_left_out_of_a_comparison_of_batches() {
    if !has_two_cores() || !has_gateway() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let args = "compare --only hookgate-memory,hookgate-memory-http --batch 64 --sizes small --tolerate 99 --connections 4 \
                --json --rounds 1 --duration 200ms --warmup 0s --no-latency";
    let report = json(&command(dir.path(), args).output().unwrap());
    let rows = report["sizes"][0]["rows"].as_array().unwrap();
    // Measured by a gateway that knows them, and else told why not.
    let measured = rows.iter().any(|row| row["name"] == "hookgate-memory-http" && row["saturated"].is_object());
    assert!(measured || report["skipped"]["hookgate-memory-http"].as_str().unwrap().contains("batch"), "{report}");
    assert!(rows.iter().any(|row| row["name"] == "hookgate-memory" && row["saturated"].is_object()), "{report}");
}

#[test]
fn a_gateway_is_measured_through_tls_and_anew_for_each_request_if_that_is_asked_for() {
    if !has_two_cores() || !has_gateway() {
        return;
    }
    let names =
        "hookgate-memory,hookgate-memory-tls,hookgate-memory-anew,hookgate-memory-tls-anew,hookgate-memory-tls-resumed";
    let row = gateways(names, "--no-latency");
    for name in names.split(',').skip(1) {
        let row = row(name);
        assert_eq!((&row["saturated"]["samples"], &row["saturated"]["missed"]), (&1.into(), &0.into()), "{row}");
        assert!(row["this_over_plain"]["cpu"].is_number(), "{row}");
    }
}

#[test]
fn requests_go_through_tls_to_a_gateway_whose_certificate_is_trusted() {
    if !has_gateway() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "[gateway]\nlisten = \"{listen}\"\nadmin = \"off\"\ntls = {{ cert = \"cert.pem\", key = \"key.pem\" }}\n[[source]]\n\
         name = \"github\"\npreset = \"github\"\nsecret = {{ file = \"secret\" }}\nack = \"memory\"\n[[route]]\nname = \"all\"\n\
         from = {{ source = \"github\" }}\nto = \"discard\"\n"
    );
    for (name, text) in [
        ("cert.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
        ("secret", "s3cret".to_owned()),
        ("hookgate.toml", config),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let mut gateway = Command::new(Path::new(env!("CARGO_BIN_EXE_loadtest")).with_file_name("hookgate"))
        .args(["run", "--allow-root", "--config"])
        .arg(dir.path().join("hookgate.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while std::net::TcpStream::connect(listen).is_err() {
        assert!(gateway.try_wait().unwrap().is_none(), "it runs");
    }
    let run = |more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .args(["run", &format!("https://{listen}/hooks/github"), "--preset", "github", "--secret-file"])
            .arg(dir.path().join("secret"))
            .args("--corpus small --rate max --connections 2 --duration 300ms --warmup 0s --json".split(' '))
            .args(more)
            .output()
            .unwrap()
    };
    let ca = dir.path().join("cert.pem");
    let trusting = run(&["--ca", ca.to_str().unwrap(), "--fresh"]);
    let mistrusting = run(&[]);
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    let report = json(&trusting);
    assert!(report["accepted"].as_u64() > Some(0) && report["failed"] == 0, "{report}");
    assert_eq!(mistrusting.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&mistrusting.stderr).contains("--ca"), "{mistrusting:?}");
}

#[test]
fn memory_is_looked_at_while_a_gateway_takes_what_it_can() {
    if !has_two_cores() || !has_gateway() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let args = "memory --for 1s --every 300ms --connections 4 --corpus small --json";
    let report = json(&command(dir.path(), args).output().unwrap());
    let rows = report["rows"].as_array().unwrap();
    assert!(!rows.is_empty() && report["accepted"].as_u64() > Some(0), "{report}");
    for row in rows {
        assert!(row["resident_bytes"].as_u64() > row["anonymous_bytes"].as_u64(), "{row}");
        assert!(row["resident_bytes"].as_u64() <= report["peak_bytes"].as_u64(), "{report}");
    }
}

#[test]
fn a_comparison_that_is_interrupted_tells_what_it_has() {
    if !has_two_cores() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut client =
        command(dir.path(), &format!("{COMPARE} --rounds 1000 --duration 100ms --warmup 0s")).spawn().unwrap();
    // Two servers have come and gone once there was a third directory.
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 3 {
        seen.extend(std::fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.file_name()));
        assert!(client.try_wait().unwrap().is_none(), "it has a thousand rounds");
    }
    assert!(Command::new("kill").args(["-INT", &client.id().to_string()]).status().unwrap().success());
    let output = client.wait_with_output().unwrap();
    let report = json(&output);
    assert_eq!((output.status.code(), &report["partial"]), (Some(130), &Value::from(true)));
    assert!(report["sizes"][0]["rows"][0]["saturated"]["samples"].as_u64() > Some(0), "{report}");
}

#[test]
fn everything_that_was_acknowledged_arrives_at_every_processor() {
    if !has_gateway() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let args = "verify --rate 300 --duration 1s --connections 4 --corpus small --settle 30s --json";
    let output = command(dir.path(), args).output().unwrap();
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(report["acknowledged"].as_u64() > Some(0), "{report}");
    let processors = report["processors"].as_array().unwrap();
    assert_eq!(processors.len(), 2);
    for processor in processors {
        assert_eq!((&processor["lost"], &processor["arrived"]), (&0.into(), &report["acknowledged"]), "{report}");
    }
}

#[test]
fn every_event_of_a_batch_counts_as_one_that_has_arrived() {
    if !has_gateway() {
        return;
    }
    for ack in ["memory", "durable"] {
        let dir = tempfile::tempdir().unwrap();
        let args = format!(
            "verify --ack {ack} --batch 16 --rate max --duration 1s --connections 32 --corpus small --settle 30s --json"
        );
        let output = command(dir.path(), &args).output().unwrap();
        let report = json(&output);
        assert_eq!(output.status.code(), Some(0), "{report}");
        for processor in report["processors"].as_array().unwrap() {
            assert_eq!((&processor["lost"], &processor["duplicated"]), (&0.into(), &0.into()), "{report}");
            assert_eq!(processor["arrived"], report["acknowledged"], "{report}");
            assert!(processor["requests"].as_u64() < processor["arrived"].as_u64(), "in batches: {report}");
        }
    }
}

#[test]
fn a_backlog_survives_a_kill_and_a_stop_and_arrives_when_its_processor_is_back() {
    if !has_gateway() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let args = "backlog --events 500 --rate 100 --connections 4 --settle 60s --json";
    let output = command(dir.path(), args).output().unwrap();
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(report["acknowledged"].as_u64() >= Some(500), "{report}");
    assert_eq!((&report["present"]["lost"], &report["away"]["lost"]), (&0.into(), &0.into()), "{report}");
    assert_eq!(report["starts"].as_array().unwrap().len(), 2, "{report}");
    assert!(report["anonymous_bytes_max"].as_u64() > Some(0), "{report}");
}

#[test]
fn idle_connections_are_kept_by_all_servers_and_weighed() {
    if !has_two_cores() || !has_gateway() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path(), "idle --connections 300 --json").output().unwrap();
    let servers = json(&output)["servers"].as_array().unwrap().clone();
    assert_eq!(servers.len(), 3);
    for server in servers {
        assert!(server["per_connection_bytes"].as_u64() > Some(0), "{server}");
    }
}

#[test]
fn what_never_arrives_is_called_lost_in_the_clear_and_through_tls() {
    if !has_gateway() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // A gateway whose route discards, and a processor that therefore waits for nothing.
    let free = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [clear, tls] = free.map(|listener| listener.local_addr().unwrap());
    std::fs::write(dir.path().join("secret"), "s3cret").unwrap();
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(dir.path().join("cert.pem"), certificate.cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
    let config = format!(
        "[gateway]\nlisten = [\"{clear}\", {{ address = \"{tls}\", tls = {{ cert = \"cert.pem\", key = \"key.pem\" }} }}]\n\
         admin = \"off\"\n[[source]]\nname = \"github\"\npreset = \"github\"\n\
         secret = {{ file = \"secret\" }}\nack = \"memory\"\n[[route]]\nname = \"all\"\nfrom = {{ source = \"github\" }}\n\
         to = \"discard\"\n"
    );
    std::fs::write(dir.path().join("hookgate.toml"), config).unwrap();
    let gateway = Path::new(env!("CARGO_BIN_EXE_loadtest")).with_file_name("hookgate");
    let mut gateway = Command::new(gateway)
        .args(["run", "--allow-root", "--config"])
        .arg(dir.path().join("hookgate.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for address in [clear, tls] {
        while std::net::TcpStream::connect(address).is_err() {
            assert!(gateway.try_wait().unwrap().is_none(), "it runs");
        }
    }
    let verify = |url: &str, trusted: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .current_dir(dir.path())
            .args(["verify", "--secret-file", "secret", "--processor", "127.0.0.1:0", "--rate", "50"])
            .args(["--duration", "200ms", "--settle", "100ms", "--json", "--url", url])
            .args(trusted)
            .output()
            .unwrap()
    };
    let (clear, tls) = (format!("http://{clear}/hooks/github"), format!("https://{tls}/hooks/github"));
    let untrusted = verify(&tls, &[]);
    let outputs = [verify(&clear, &[]), verify(&tls, &["--ca", "cert.pem"])];
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    assert!(String::from_utf8_lossy(&untrusted.stderr).contains("whom to trust? Give --ca"), "{untrusted:?}");
    for output in &outputs {
        let report = json(output);
        assert_eq!((output.status.code(), &report["processors"][0]["arrived"]), (Some(1), &0.into()), "{report}");
        assert_eq!(report["processors"][0]["lost"], report["acknowledged"]);
        assert!(!report["processors"][0]["lost_ids"].as_array().unwrap().is_empty());
    }
}
