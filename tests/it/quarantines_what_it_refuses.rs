//! What was refused and is right by the configuration of now is let in again; and whoever sends what he likes takes nothing
//! from those whose secret was only written down wrong.

use std::fmt::Write;
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;

use crate::client::Client;
use crate::commands::{Ended, hookgate};
use crate::gateway::{Gateway, Remains, SECRET, wait_until};
use crate::processor::Processor;
use crate::signing;

/// What stands where the secret should.
const WRONG: &str = "whsec_bm90IHRoZSBzZWNyZXQgb2YgdGhpcyBzb3VyY2U=";

const BEHIND_PROXY: &str = "trusted_proxies = \"127.0.0.1\"";

/// Two sources whose secret is in the file `pasted`, and a route that takes one event after the other.
fn config(processor: &Processor) -> String {
    let mut sources = String::new();
    for preset in ["github", "stripe"] {
        write!(sources, "[[source]]\nname = {preset:?}\npreset = {preset:?}\nsecret = {{ file = \"pasted\" }}\n")
            .unwrap();
    }
    let to = processor.url("/");
    format!("{sources}[[route]]\nname = \"r\"\nfrom = {{ source = \"*\" }}\nin_flight = 1\nto = {{ http = {to:?} }}\n")
}

fn start(keys: &str, config: &str) -> Gateway {
    Gateway::start_listening(keys, config, |dir| paste(dir, WRONG))
}

fn paste(dir: &Path, secret: &str) {
    std::fs::write(dir.join("pasted"), secret).unwrap();
}

/// A new process that has read the right secret.
fn mended(remains: &Remains) -> Gateway {
    paste(remains.path(), SECRET);
    remains.start()
}

fn ask(gateway: &Gateway, arguments: &[&str]) -> Ended {
    let admin = gateway.admin.to_string();
    hookgate(gateway.dir(), &[&["quarantine"], arguments, &["--admin", &admin]].concat())
}

fn list(gateway: &Gateway) -> Vec<Value> {
    gateway.admin_get("/quarantine").json()["quarantine"].as_array().unwrap().clone()
}

fn wait_for_kept(gateway: &Gateway, source: &str, events: usize) {
    gateway.wait_for_metric("hookgate_quarantine_events", &[&format!("source=\"{source}\"")], events as f64);
}

fn post_github(client: &mut Client, id: &str, from: &str) -> u16 {
    let body = format!("{{\"action\":\"opened\",\"id\":\"{id}\"}}");
    let signature = signing::github(body.as_bytes());
    let headers = [
        ("x-hub-signature-256", signature.as_str()),
        ("x-github-event", "issues"),
        ("x-github-delivery", id),
        ("x-forwarded-for", from),
    ];
    client.post("/hooks/github", &headers, body.as_bytes()).status
}

fn post_stripe(gateway: &Gateway, id: &str, at: u64) -> (u16, String) {
    let body = format!("{{\"id\":\"{id}\",\"type\":\"invoice.paid\"}}");
    let answer =
        gateway.post("/hooks/stripe", &[("stripe-signature", &signing::stripe(body.as_bytes(), at))], body.as_bytes());
    (answer.status, answer.reason())
}

fn ids(processor: &Processor) -> Vec<String> {
    processor.taken().iter().map(|delivery| delivery.header("webhook-id").unwrap().to_owned()).collect()
}

#[test]
fn a_wrong_secret_costs_nothing() {
    let processor = Processor::start();
    let gateway = start("", &config(&processor));
    let mut client = gateway.client();
    for event in 0..20 {
        assert_eq!(post_github(&mut client, &format!("d-{event}"), ""), 401);
    }
    wait_for_kept(&gateway, "github", 20);
    let listed = ask(&gateway, &["list", "--source", "github"]);
    assert_eq!((listed.code, listed.out.lines().count()), (Some(0), 21), "{}{}", listed.out, listed.err);
    assert!(listed.out.lines().skip(1).all(|line| line.contains("wrong_signature") && line.contains("127.0.0.1")));
    let refused = ask(&gateway, &["retry", "--source", "github"]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.out.contains("wrong_signature") && refused.out.ends_with("0 accepted, 20 not\n"),
        "{}",
        refused.out
    );
    assert!(processor.received().is_empty());

    let gateway = mended(&gateway.end());
    wait_for_kept(&gateway, "github", 20);
    let dry = ask(&gateway, &["retry", "--source", "github", "--dry-run"]);
    assert_eq!((dry.code, dry.err.as_str()), (Some(0), ""));
    assert!(dry.out.ends_with("20 would be accepted, 0 not\n"), "{}", dry.out);
    let retried = ask(&gateway, &["retry", "--source", "github"]);
    assert_eq!((retried.code, retried.err.as_str()), (Some(0), ""));
    assert!(
        retried.out.contains("accepted as d-0") && retried.out.ends_with("20 accepted, 0 not\n"),
        "{}",
        retried.out
    );
    processor.wait_for(20);
    let again = ask(&gateway, &["retry", "--all"]);
    assert_eq!((again.code, again.out.as_str()), (Some(0), "0 accepted, 0 not\n"));
    assert_eq!(ids(&processor), (0..20).map(|event| format!("github:d-{event}")).collect::<Vec<_>>(), "in order, once");
    wait_for_kept(&gateway, "github", 0);
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &["source=\"github\""]), 20.0);
    let story = hookgate(gateway.dir(), &["show", "d-3", "--admin", &gateway.admin.to_string()]);
    assert!(
        story.out.contains("from quarantine") && story.out.contains("wrong_signature"),
        "{}{}",
        story.out,
        story.err
    );
}

#[test]
fn what_is_too_old_by_its_timestamp_needs_a_word_for_it() {
    let processor = Processor::start();
    let gateway = start("", &config(&processor));
    let now = signing::now();
    assert_eq!(post_stripe(&gateway, "old", now - 4000), (401, "stale_timestamp".to_owned()));
    assert_eq!(post_stripe(&gateway, "new", now), (401, "wrong_signature".to_owned()));
    wait_for_kept(&gateway, "stripe", 2);
    let gateway = mended(&gateway.end());
    wait_for_kept(&gateway, "stripe", 2);
    let retried = ask(&gateway, &["retry", "--source", "stripe"]);
    assert_eq!(retried.code, Some(1));
    assert!(retried.out.contains("stale_timestamp") && retried.out.contains("--ignore-age"), "{}", retried.out);
    assert!(retried.out.ends_with("1 accepted, 1 not\n"), "{}", retried.out);
    let retried = ask(&gateway, &["retry", "--all", "--ignore-age"]);
    assert_eq!((retried.code, retried.err.as_str()), (Some(0), ""), "{}", retried.out);
    processor.wait_for(2);
    assert_eq!(ids(&processor), ["stripe:new", "stripe:old"]);
    // A forgery is one, however old it may be.
    let forged = [("stripe-signature", format!("t={},v1={}", now - 4000, "0".repeat(64)))];
    gateway.post("/hooks/stripe", &[(forged[0].0, &forged[0].1)], b"{\"id\":\"forged\"}");
    wait_for_kept(&gateway, "stripe", 1);
    let retried = ask(&gateway, &["retry", "--source", "stripe", "--ignore-age", "--trust"]);
    assert!(retried.code == Some(1) && retried.out.contains("wrong_signature"), "{}", retried.out);
}

#[test]
fn a_flood_takes_nothing_from_another_source_nor_from_another_address() {
    let limits = "[quarantine]\nmax_size = \"1MiB\"\nmax_events = 40\n";
    let gateway = start(BEHIND_PROXY, &format!("{limits}{}", config(&Processor::start())));
    assert_eq!(post_stripe(&gateway, "honest", signing::now()).0, 401);
    let mut client = gateway.client();
    assert_eq!(post_github(&mut client, "honest", "192.0.2.7"), 401);
    wait_for_kept(&gateway, "stripe", 1);
    wait_for_kept(&gateway, "github", 1);
    for event in 0..500 {
        let strangers = ["203.0.113.1", "203.0.113.2", "203.0.113.3"];
        post_github(&mut client, &format!("forged-{event}"), strangers[event % 3]);
    }
    let done = || {
        let kept = gateway.metric("hookgate_quarantine_events", &["source=\"github\""]);
        kept + gateway.metric("hookgate_quarantine_dropped_total", &["source=\"github\""]) >= 501.0
    };
    wait_until("all of the flood is kept or dropped", done);
    let kept = list(&gateway);
    let from = |address: &str| kept.iter().filter(|entry| entry["address"] == address).count();
    assert_eq!(kept.iter().filter(|entry| entry["source"] == "stripe").count(), 1);
    assert_eq!(from("192.0.2.7"), 1, "{kept:?}");
    assert_eq!(kept.len(), 21);
    assert!(from("203.0.113.1") <= 10);
    assert!(gateway.metric("hookgate_quarantine_bytes", &[]) <= f64::from(1 << 20));
    assert!(gateway.metric("hookgate_quarantine_dropped_total", &["reason=\"displaced\""]) > 0.0);
}

#[test]
fn what_the_disk_does_not_take_is_counted_and_the_next_is_kept() {
    let gateway = start("", &config(&Processor::start()));
    let folder = gateway.dir().join("data/quarantine/github");
    gateway.limit_file_size(Some(100));
    let mut client = gateway.client();
    assert_eq!(post_github(&mut client, "too-much", ""), 401);
    gateway.wait_for_metric("hookgate_quarantine_dropped_total", &["source=\"github\"", "reason=\"disk\""], 1.0);
    let left = std::fs::read_dir(&folder).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing half-written stays");
    gateway.limit_file_size(None);
    wait_until("the journal is well, which may have met the limit too", || gateway.admin_get("/readyz").status == 200);
    assert_eq!(post_github(&mut client, "d-1", ""), 401);
    wait_for_kept(&gateway, "github", 1);
}

#[test]
fn age_ends_what_is_kept() {
    let limits = "[quarantine]\nmax_age = \"1s\"\n";
    let gateway = start("", &format!("{limits}{}", config(&Processor::start())));
    assert_eq!(post_stripe(&gateway, "a", signing::now()).0, 401);
    gateway.wait_for_metric("hookgate_quarantine_dropped_total", &["source=\"stripe\"", "reason=\"expired\""], 1.0);
    assert!(list(&gateway).is_empty());
}

#[test]
fn what_was_kept_survives_kill_9_and_a_torn_file_is_none() {
    let processor = Processor::start();
    let gateway = start("", &config(&processor));
    let mut client = gateway.client();
    for event in 0..5 {
        post_github(&mut client, &format!("d-{event}"), "");
    }
    wait_for_kept(&gateway, "github", 5);
    let torn = list(&gateway)[2]["id"].as_str().unwrap().to_owned();
    let remains = gateway.kill();
    let file = remains.path().join("data/quarantine/github").join(torn);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let gateway = mended(&remains);
    wait_for_kept(&gateway, "github", 4);
    let retried = ask(&gateway, &["retry", "--all"]);
    assert!(retried.out.ends_with("4 accepted, 0 not\n"), "{}{}", retried.out, retried.err);
    processor.wait_for(4);
    assert_eq!(ids(&processor), ["github:d-0", "github:d-1", "github:d-3", "github:d-4"]);
}

const CREDENTIALS: &str = r#"
[[source]]
name = "erp"
basic = { user = "boomi", password = { file = "pasted" } }
url_credential = "boomi_auth"
event_type = { json = "/type" }
[[source]]
name = "app"
bearer = { file = "pasted" }
[[source]]
name = "ci"
preset = "gitlab"
secret = { file = "pasted" }
"#;

#[test]
fn no_credential_is_kept_and_what_had_one_is_let_in_by_hand() {
    let processor = Processor::start();
    let to = processor.url("/");
    let route = format!("[[route]]\nname = \"r\"\nfrom = {{ source = \"*\" }}\nto = {{ http = {to:?} }}\n");
    let gateway = start("", &format!("{CREDENTIALS}{route}"));
    let basic = BASE64.encode(format!("boomi:{SECRET}").as_bytes());
    let body = br#"{"type":"order.created"}"#;
    let in_url = format!("/hooks/erp?boomi_auth={basic}&a=b");
    for (path, headers) in [
        ("/hooks/erp", vec![("authorization", format!("Basic {basic}"))]),
        (in_url.as_str(), vec![("cookie", SECRET.to_owned())]),
        ("/hooks/app", vec![("authorization", format!("Bearer {SECRET}")), ("x-api-key", SECRET.to_owned())]),
        ("/hooks/ci", vec![("x-gitlab-token", SECRET.to_owned()), ("proxy-authorization", SECRET.to_owned())]),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = gateway.post(path, &headers, body);
        assert_eq!((answer.status, answer.reason().as_str()), (401, "wrong_credentials"), "{path}");
    }
    gateway.post("/hooks/app", &[], body);
    wait_for_kept(&gateway, "erp", 2);
    wait_for_kept(&gateway, "app", 1);
    wait_for_kept(&gateway, "ci", 1);
    let shown = [SECRET.to_owned(), BASE64.encode(SECRET.as_bytes()), HEXLOWER.encode(SECRET.as_bytes()), basic];
    let mut files = 0;
    for folder in std::fs::read_dir(gateway.dir().join("data/quarantine")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(shown.iter().all(|secret| !text.contains(secret.trim_end_matches('='))), "{text}");
            files += 1;
        }
    }
    assert_eq!(files, 4);

    let gateway = mended(&gateway.end());
    wait_for_kept(&gateway, "erp", 2);
    let retried = ask(&gateway, &["retry", "--all"]);
    assert!(retried.code == Some(1) && retried.out.ends_with("0 accepted, 4 not\n"), "{}", retried.out);
    assert!(retried.out.contains("--trust"), "{}", retried.out);
    assert_eq!(ask(&gateway, &["retry", "--all", "--trust"]).code, Some(2), "each source is to be looked at");
    for source in ["erp", "app", "ci"] {
        let retried = ask(&gateway, &["retry", "--source", source, "--trust"]);
        assert_eq!((retried.code, retried.err.as_str()), (Some(0), ""), "{}", retried.out);
        assert!(retried.out.contains("by hand"), "{}", retried.out);
    }
    let received = processor.wait_for(4);
    assert!(received.iter().all(|delivery| delivery.body == body && delivery.header("hookgate-admitted").is_none()));
    let id = received[0].header("webhook-id").unwrap().split_once(':').unwrap().1.to_owned();
    let story = hookgate(gateway.dir(), &["show", &id, "--admin", &gateway.admin.to_string()]);
    assert!(story.out.contains("by hand without its credentials"), "{}{}", story.out, story.err);
}

#[test]
fn a_changed_source_lets_nothing_in_that_proves_nothing() {
    let processor = Processor::start();
    let gateway = start("", &config(&processor));
    post_github(&mut gateway.client(), "d-1", "");
    wait_for_kept(&gateway, "github", 1);
    let gateway = gateway.end().start_with_config(
        "[[source]]\nname = \"github\"\nbearer = { file = \"secret\" }\n[[route]]\nname = \"r\"\nfrom = { source = \"github\" }\nto = \"discard\"\n",
    );
    wait_for_kept(&gateway, "github", 1);
    let retried = ask(&gateway, &["retry", "--all"]);
    assert!(retried.code == Some(1) && retried.out.contains("missing_credentials"), "{}", retried.out);
}

#[test]
fn what_is_dropped_or_unknown_is_said() {
    let gateway = start("", &config(&Processor::start()));
    let mut client = gateway.client();
    for event in 0..3 {
        post_github(&mut client, &format!("d-{event}"), "");
    }
    wait_for_kept(&gateway, "github", 3);
    let kept = list(&gateway);
    let id = kept[1]["id"].as_str().unwrap();
    let shown = ask(&gateway, &["show", id]);
    assert!(shown.out.contains("POST /hooks/github") && shown.out.contains("\"d-1\""), "{}{}", shown.out, shown.err);
    assert_eq!(ask(&gateway, &["drop", id]).code, Some(1), "it asks, and nobody answers");
    let counted = ask(&gateway, &["drop", "--all", "--dry-run"]);
    assert_eq!((counted.code, counted.out.as_str()), (Some(0), "3 refused requests would be dropped\n"));
    let dropped = ask(&gateway, &["drop", id, "--yes"]);
    assert_eq!((dropped.code, dropped.out.as_str()), (Some(0), "1 refused requests dropped\n"), "{}", dropped.err);
    for arguments in [&["show", id][..], &["drop", id, "--yes"], &["retry", id]] {
        let ended = ask(&gateway, arguments);
        assert_eq!(ended.code, Some(1));
        let said = format!("{}{}", ended.out, ended.err);
        assert!(said.contains("hookgate quarantine list"), "{arguments:?}: {said}");
    }
    assert_eq!(list(&gateway).len(), 2);
    let unknown = ask(&gateway, &["list", "--source", "nobody"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("there are github, stripe"), "{}", unknown.err);
    assert_eq!(ask(&gateway, &["retry"]).code, Some(2));
}

#[test]
fn nothing_is_kept_where_that_is_off_nor_of_what_shows_nothing() {
    let off = start("", &format!("[quarantine]\nmax_size = \"off\"\n{}", config(&Processor::start())));
    post_github(&mut off.client(), "d-1", "");
    assert_eq!(off.admin_get("/quarantine").status, 404);
    assert!(!off.dir().join("data/quarantine").exists());

    let gateway = start("", &config(&Processor::start()));
    let forged = format!("sha256={}", "0".repeat(64));
    let unkept = [("x-other", "1")];
    assert_eq!(gateway.post("/hooks/github", &unkept, b"{}").reason(), "missing_signature");
    assert_eq!(
        gateway.post("/hooks/github", &[("x-hub-signature-256", "sha1=00")], b"{}").reason(),
        "malformed_signature"
    );
    assert_eq!(gateway.post("/hooks/github", &[("x-hub-signature-256", &forged)], b"{}").reason(), "wrong_signature");
    wait_for_kept(&gateway, "github", 1);
    let reasons: Vec<_> = list(&gateway).iter().map(|kept| kept["reason"].as_str().unwrap().to_owned()).collect();
    assert_eq!(reasons, ["wrong_signature"]);
    // Who asks whether to send a body is told why not.
    let mut client = gateway.client();
    client.send(b"POST /hooks/github HTTP/1.1\r\nhost: a\r\nx-hub-signature-256: sha1=00\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 401);
}
