//! Secrets from wherever they are kept, each for its time.

use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_millis;

use crate::commands::{dir_with, hookgate};
use crate::gateway::{Gateway, SECRET, wait_until};

/// A source for each reference to a secret, named by its number.
fn sources(references: &[&str]) -> String {
    let source = |(nth, reference): (usize, &&str)| {
        format!("[[source]]\nname = \"s{nth}\"\nack = \"memory\"\nbearer = {reference}\n")
    };
    references.iter().enumerate().map(source).collect()
}

fn status(gateway: &Gateway, source: usize, token: &str) -> u16 {
    let authorization = format!("Bearer {token}");
    gateway.post(&format!("/hooks/s{source}"), &[("Authorization", &authorization)], b"{}").status
}

#[test]
fn a_secret_comes_from_a_variable_a_file_a_credential_or_a_command() {
    let config = sources(&[
        "{ env = \"HOOK_TOKEN\" }",
        "{ file = \"secret\" }",
        "{ credential = \"secret\" }",
        "{ command = [\"sed\", \"s/^whsec_/by-command-/\", \"secret\"] }",
    ]);
    let gateway = Gateway::start_under(&["env", "HOOK_TOKEN=by-variable", "CREDENTIALS_DIRECTORY=."], "", &config);
    let by_command = SECRET.replace("whsec_", "by-command-");
    for (source, token) in ["by-variable", SECRET, SECRET, &by_command].into_iter().enumerate() {
        assert_eq!(status(&gateway, source, token), 202, "{source}");
        assert_eq!(status(&gateway, source, "another"), 401, "{source}");
    }
}

#[test]
fn a_secret_counts_in_its_time_and_the_gateway_goes_on_when_it_ends() {
    let soon = format_rfc3339_millis(SystemTime::now() + Duration::from_secs(1));
    let config = sources(&[
        &format!("[{{ file = \"secret\", valid_until = \"{soon}\" }}, {{ command = [\"echo\", \"the-next-one\"] }}]"),
        &format!("{{ file = \"secret\", valid_from = \"{soon}\" }}"),
        "{ file = \"secret\", valid_until = \"2026-01-01T00:00:00Z\" }",
        "{ file = \"secret\", valid_from = \"2099-01-01T00:00:00+02:00\" }",
    ]);
    let gateway = Gateway::start(&config);
    gateway.log().wait_for("this secret has ended at 2026-01-01T00:00:00Z");
    assert_eq!(status(&gateway, 2, SECRET), 401);
    assert_eq!(status(&gateway, 3, SECRET), 401);
    wait_until("the old secret counts no more", || status(&gateway, 0, SECRET) == 401);
    assert_eq!(status(&gateway, 0, "the-next-one"), 202);
    wait_until("the new secret counts", || status(&gateway, 1, SECRET) == 202);
}

#[test]
fn check_warns_of_weak_secrets_and_shows_none() {
    let config = sources(&[
        "{ env = \"SHORT\" }",
        "[{ file = \"secret\", valid_until = \"2026-01-01T00:00:00Z\" }, { command = [\"echo\", \"tell-nobody-of-this-one\"] }]",
        "{ file = \"secret\" }",
        "{ file = \"open\" }",
    ]);
    let dir = dir_with(&config);
    std::fs::write(dir.path().join("open"), "everybody-may-change-this").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(dir.path().join("open"), mode).unwrap();
    let unset = hookgate(dir.path(), &["check"]);
    assert_eq!(unset.code, Some(2));
    assert!(unset.err.contains("SHORT is not set"), "{}", unset.err);
    std::fs::write(dir.path().join("hookgate.toml"), config.replace("{ env = \"SHORT\" }", "{ file = \"short\" }"))
        .unwrap();
    std::fs::write(dir.path().join("short"), "psst").unwrap();
    let ended = hookgate(dir.path(), &["check"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for words in [
        "only 4 bytes",
        "has ended at 2026-01-01T00:00:00Z",
        "[[source]] \"s1\" too",
        "every user of this machine may read",
        "others may write to",
    ] {
        assert!(ended.err.contains(words), "{words}: {}", ended.err);
    }
    for secret in ["psst", SECRET, "tell-nobody", "everybody-may-change"] {
        assert!(!format!("{}{}", ended.out, ended.err).contains(secret), "{secret}");
    }
}
