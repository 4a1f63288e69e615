//! Secrets: where they come from, and that nothing shows them.

use super::{assert_mistake, problems, read, read_in, source, text_file};

fn bearer(reference: &str) -> String {
    source(&format!("bearer = {reference}"))
}

#[test]
fn a_secret_comes_from_a_variable() {
    let config = read(&bearer("{ env = \"KEY\" }")).unwrap();
    assert_eq!(config.sources[0].auth.bearer[0].expose(), b"hush-hush");
}

#[test]
fn a_secret_comes_from_a_file_without_its_last_newline() {
    let directory = tempfile::tempdir().unwrap();
    for (text, secret) in [("hush", "hush"), ("hush\n", "hush"), ("hush\r\n", "hush"), (" hush ", " hush ")] {
        text_file(directory.path(), "secrets/key", text);
        let config = read_in(directory.path(), &bearer("{ file = \"secrets/key\" }")).unwrap();
        assert_eq!(config.sources[0].auth.bearer[0].expose(), secret.as_bytes());
    }
}

#[test]
fn while_rotating_there_are_several() {
    let config = read(&bearer("[{ env = \"KEY\" }, { env = \"OTHER\" }]")).unwrap();
    assert_eq!(config.sources[0].auth.bearer.len(), 2);
}

#[test]
fn a_secret_in_the_file_itself_is_refused_unseen() {
    let text = bearer("\"hunter2\"");
    assert_mistake(&text, 4, "may not stand in the file", "{ env = \"NAME\" } or { file = \"path\" }");
    assert!(!format!("{:?}", problems(&text)).contains("hunter2"));
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    assert_mistake(&bearer("{ env = \"ABSENT\" }"), 4, "ABSENT is not set", "set ABSENT");
    assert_mistake(&bearer("{ env = \"EMPTY\" }"), 4, "EMPTY is empty", "set EMPTY");
}

#[test]
fn a_secret_in_place_of_a_variable_is_refused_unseen() {
    let text = bearer("{ env = \"hunter-2\" }");
    assert_mistake(&text, 4, "not the name of a variable", "GITHUB_SECRET");
    assert!(!format!("{:?}", problems(&text)).contains("hunter"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    assert_mistake(&bearer("{ file = \"/absent/key\" }"), 4, "/absent/key cannot be read", "may read");
}

#[test]
fn an_empty_file_is_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    text_file(directory.path(), "key", "\n");
    let problems = read_in(directory.path(), &bearer("{ file = \"key\" }")).unwrap_err();
    assert!(problems.to_string().contains("key is empty"), "{problems}");
}

#[test]
fn a_reference_names_one_place() {
    assert_mistake(&bearer("{ env = \"KEY\", file = \"key\" }"), 4, "`file` stands beside `env`", "only one");
    assert_mistake(&bearer("{}"), 4, "not said where", "{ env");
    assert_mistake(&bearer("5"), 4, "must be a reference to a secret", "{ env");
    assert_mistake(&bearer("{ evn = \"KEY\", env = \"KEY\" }"), 4, "unknown key `evn`", "`env`");
}

#[test]
fn no_secret_at_all_is_refused() {
    assert_mistake(&bearer("[]"), 4, "the list is empty", "at least one");
}

#[test]
fn a_secret_that_is_sent_in_a_header_fits_there() {
    assert_mistake(&bearer("{ env = \"TWO_LINES\" }"), 4, "cannot stand in a header", "line breaks");
}

#[test]
fn a_key_must_be_of_its_form() {
    let standard = |name: &str| source(&format!("preset = \"standard-webhooks\"\nsecret = {{ env = \"{name}\" }}"));
    assert!(read(&standard("WHSEC")).is_ok());
    assert_mistake(&standard("KEY"), 5, "not base64", "with its prefix");
    let hex =
        |name: &str| source(&format!("hmac = {{ header = \"X-S\", key = \"hex\" }}\nsecret = {{ env = \"{name}\" }}"));
    assert!(read(&hex("HEX")).is_ok());
    assert_mistake(&hex("KEY"), 5, "not hexadecimal", "copy");
}

#[cfg(unix)]
#[test]
fn a_file_that_everybody_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = text_file(directory.path(), "key", "hush");
    for (mode, expected) in [(0o644, 1), (0o640, 0)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let config = read_in(directory.path(), &bearer("{ file = \"key\" }")).unwrap();
        let warnings = config.warnings.iter().filter(|warning| warning.what.contains("may read"));
        assert_eq!(warnings.count(), expected, "{mode:o}");
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let text = source(
        r#"
preset = "github"
secret = { env = "KEY" }
basic = { user = "u", password = { env = "KEY" } }
api_key = { header = "X-Key", key = { env = "KEY" } }
[[route]]
name = "r"
from = { source = "a" }
to = { http = "https://example.com/", headers = { X-Key = { env = "KEY" } }, bearer = { env = "KEY" }, sign = { env = "WHSEC" } }
"#,
    );
    let shown = format!("{:?}", read(&text).unwrap());
    assert!(shown.contains("Secret(…)") && !shown.contains("hush"), "{shown}");
    assert!(!shown.contains("c2VjcmV0"), "{shown}");
}

#[test]
fn no_problem_shows_what_was_written_where_a_secret_may_stand() {
    let text = source(
        r#"
preset = "github"
secret = "hunter2"
basic = { user = "u", password = "hunter2" }
hmac = { header = "X-S", key = "hunter2" }
bearer = ["hunter2"]
auth = "hunter2"
[[route]]
name = "r"
from = { source = "a" }
to = { http = "http://u:hunter2@example.com/", bearer = "hunter2", sign = "hunter2" }
[[route]]
name = "s"
from = { source = "a" }
to = "hunter2"
"#,
    );
    let problems = read(&text).unwrap_err();
    assert!(!format!("{problems} {problems:?}").contains("hunter2"), "{problems}");
    assert!(problems.iter().count() >= 9, "{problems}");
}
