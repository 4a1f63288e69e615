//! Secrets: where they come from, and that nothing shows them.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{assert_mistake, config, now, problems, read, read_files, read_in, source, text_file, variable};
use crate::config::{Config, Problems};

fn bearer(reference: &str) -> String {
    source(&format!("bearer = {reference}"))
}

fn with_credentials(directory: &Path, text: &str) -> Result<Config, Problems> {
    let known = |name: &str| match name {
        "CREDENTIALS_DIRECTORY" => Some(OsString::from(directory)),
        name => variable(name),
    };
    read_files(&[(PathBuf::from("hookgate.toml"), text.to_owned())], Vec::new(), &known, now())
}

/// What is warned of that has these words in it, as line, what and help.
fn warnings(text: &str, words: &str) -> Vec<(usize, String, String)> {
    let all = config(text).warnings.into_iter().filter(|warning| warning.what.contains(words));
    all.map(|warning| (warning.line, warning.what, warning.help)).collect()
}

#[test]
fn a_secret_comes_from_a_variable() {
    let config = read(&bearer("{ env = \"KEY\" }")).unwrap();
    assert_eq!(config.sources[0].auth.bearer[0].expose(), b"hush-hush-hush-hush");
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
fn a_secret_comes_from_a_credential_of_systemd() {
    let directory = tempfile::tempdir().unwrap();
    text_file(directory.path(), "hook-key", "hush\n");
    let config = with_credentials(directory.path(), &bearer("{ credential = \"hook-key\" }")).unwrap();
    assert_eq!(config.sources[0].auth.bearer[0].expose(), b"hush");
    let absent = with_credentials(directory.path(), &bearer("{ credential = \"other\" }")).unwrap_err().to_string();
    assert!(absent.contains("other cannot be read") && absent.contains("LoadCredential=other:"), "{absent}");
}

#[test]
fn a_credential_that_systemd_has_not_given_says_what_to_write() {
    assert_mistake(&bearer("{ credential = \"key\" }"), 4, "CREDENTIALS_DIRECTORY is not set", "LoadCredential=key:");
    for name in ["", "../key", "/etc/key", "my key", ".key"] {
        let text = bearer(&format!("{{ credential = \"{name}\" }}"));
        assert_mistake(&text, 4, "not the name of a credential", "LoadCredential=");
    }
}

#[test]
fn a_secret_comes_from_a_command_that_no_shell_reads() {
    let config = read(&bearer("{ command = [\"printf\", \"%s\\n\", \"$HOME hush; hush\"] }")).unwrap();
    assert_eq!(config.sources[0].auth.bearer[0].expose(), b"$HOME hush; hush");
}

#[test]
fn a_command_that_fails_tells_what_it_said_and_not_what_it_printed() {
    let text = bearer("{ command = [\"sh\", \"-c\", \"echo hunter2; echo locked >&2; exit 1\"] }");
    assert_mistake(&text, 4, "sh ended with exit status: 1: locked", "as the user");
    assert!(!format!("{:?}", problems(&text)).contains("hunter2"));
    assert_mistake(&bearer("{ command = [\"true\"] }"), 4, "printed nothing", "must print");
    assert_mistake(&bearer("{ command = \"pass show key\" }"), 4, "must be a list", "no shell");
    assert_mistake(&bearer("{ command = [] }"), 4, "the list is empty", "at least one");
}

#[test]
fn a_secret_has_a_first_and_a_last_moment() {
    let text = bearer(
        "[{ env = \"KEY\", valid_until = \"2027-01-01T00:00:00Z\" }, { env = \"OTHER\", valid_from = 2026-12-31T22:00:00-01:00 }]",
    );
    let bearer = &read(&text).unwrap().sources[0].auth.bearer;
    let at = |text: &str| humantime::parse_rfc3339(text).unwrap();
    let counting = |time: &str| [0, 1].map(|nth: usize| bearer[nth].validity().holds(at(time)));
    assert_eq!(counting("2026-12-31T22:59:59Z"), [true, false]);
    assert_eq!(counting("2026-12-31T23:00:00Z"), [true, true]);
    assert_eq!(counting("2027-01-01T00:00:00Z"), [false, true]);
}

#[test]
fn a_time_needs_its_offset_and_an_end_comes_after_its_beginning() {
    let until = |written: &str| bearer(&format!("{{ env = \"KEY\", valid_until = {written} }}"));
    for written in ["\"2027-01-01\"", "2027-01-01", "2027-01-01T00:00:00", "\"soon\"", "\"1969-01-01T00:00:00Z\""] {
        assert_mistake(&until(written), 4, "not a date and time with its offset", "2027-01-31T12:00:00Z");
    }
    assert_mistake(&until("5"), 4, "must be a time", "2027-01-31T12:00:00Z");
    let both = "{ env = \"KEY\", valid_from = \"2027-01-01T00:00:00Z\", valid_until = \"2027-01-01T00:00:00Z\" }";
    assert_mistake(&bearer(both), 4, "never counts", "later");
}

#[test]
fn a_secret_that_stands_alone_has_no_end() {
    let text = "[gateway]\nadmin_token = { env = \"KEY\", valid_until = \"2027-01-01T00:00:00Z\" }";
    assert_mistake(text, 2, "stands alone", "leave valid_from");
    let signed = super::route(
        "to = { http = \"https://a.example/\", sign = { env = \"WHSEC\", valid_until = \"2027-01-01T00:00:00Z\" } }",
    );
    assert_mistake(&signed, 8, "every delivery is signed", "leave valid_from");
}

#[test]
fn a_secret_that_has_ended_or_soon_will_is_warned_of() {
    let with = |until: &str, rest: &str| {
        let text = bearer(&format!("[{{ env = \"KEY\", valid_until = \"{until}\" }}{rest}]"));
        warnings(&text, "this secret ")
    };
    let other = ", { env = \"OTHER\" }";
    // It is noon of the first of December 2026.
    assert_eq!(with("2026-12-08T12:00:01Z", ""), []);
    let soon = with("2026-12-08T12:00:00Z", "");
    assert!(soon[0].1.contains("ends at 2026-12-08T12:00:00Z") && soon[0].2.contains("write the next one"), "{soon:?}");
    let followed = with("2026-12-02T00:00:00Z", other);
    assert!(followed[0].1.contains("ends at") && followed[0].2.contains("take it out then"), "{followed:?}");
    let ended = with("2026-12-01T12:00:00Z", other);
    assert!(ended[0].1.contains("has ended at") && ended[0].2 == "take it out", "{ended:?}");
    let last = with("2026-12-01T12:00:00Z", ", { env = \"OTHER\", valid_from = \"2026-12-02T00:00:00Z\" }");
    assert!(last[0].2.contains("nobody can prove anything"), "{last:?}");
}

#[test]
fn a_short_secret_is_warned_of_by_the_bytes_of_its_key() {
    let short = warnings(&bearer("{ env = \"SHORT\" }"), "bytes");
    assert_eq!(short[0].0, 4);
    assert!(short[0].1.contains("only 9 bytes") && !short[0].1.contains("hush"), "{short:?}");
    assert_eq!(warnings(&bearer("{ env = \"KEY\" }"), "bytes"), []);
    let hex = source("hmac = { header = \"X-S\", key = \"hex\" }\nsecret = { env = \"HEX\" }");
    assert!(warnings(&hex, "bytes")[0].1.contains("only 3 bytes"));
}

#[test]
fn a_secret_of_two_sources_is_warned_of_where_it_comes_again() {
    let two = |second: &str| format!("{}{}", bearer("{ env = \"KEY\" }"), second.replace("\"a\"", "\"b\""));
    let repeated = warnings(&two(&bearer("{ env = \"KEY\" }")), "too");
    assert_eq!(repeated[0].0, 8);
    assert!(repeated[0].1.contains("[[source]] \"a\"") && !repeated[0].1.contains("hush"), "{repeated:?}");
    assert_eq!(warnings(&two(&bearer("{ env = \"OTHER\" }")), "too"), []);
    let twice_in_one = source("bearer = { env = \"KEY\" }\napi_key = { header = \"X-K\", key = { env = \"KEY\" } }");
    assert_eq!(warnings(&twice_in_one, "too"), []);
    let tenants = source(
        "path = \"/{tenant}\"\npreset = \"stripe\"\ntenants = { acme = { env = \"KEY\" }, globex = [{ env = \"KEY\" }] }",
    );
    assert!(warnings(&tenants, "too")[0].1.contains("tenant acme"));
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

#[test]
fn a_file_that_others_may_read_or_write_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let path = text_file(directory.path(), "key", "hush");
    for (mode, expected) in [(0o644, (1, 0)), (0o640, (0, 0)), (0o600, (0, 0)), (0o660, (0, 1)), (0o606, (1, 1))] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let config = read_in(directory.path(), &bearer("{ file = \"key\" }")).unwrap();
        let count = |words| config.warnings.iter().filter(|warning| warning.what.contains(words)).count();
        assert_eq!((count("may read"), count("may write")), expected, "{mode:o}");
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
