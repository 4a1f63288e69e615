//! Configurations, right and wrong, as people write them.

#![allow(clippy::unwrap_used)]

mod address_lists;

mod files;

mod gateway;

mod mistakes;

mod polls;

mod presets;

mod routes;

mod secrets;

mod sources;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::load::read_files;
use super::{Config, Problem, Problems};

/// Variables as the tests have them.
fn variable(name: &str) -> Option<OsString> {
    let value = match name {
        "KEY" => "hush-hush-hush-hush",
        "OTHER" => "hush-sweet-hush-hush",
        "SHORT" => "hush-hush",
        "WHSEC" => "whsec_c2VjcmV0IGtleSBvZiBhbnkgbGVuZ3Ro",
        "HEX" => "00ffAA",
        "TWO_LINES" => "hush\nhush",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.into())
}

fn read(text: &str) -> Result<Config, Problems> {
    read_in(Path::new(""), text)
}

fn read_in(directory: &Path, text: &str) -> Result<Config, Problems> {
    read_files(&[(directory.join("hookgate.toml"), text.to_owned())], Vec::new(), &variable, now())
}

/// When the tests read.
fn now() -> SystemTime {
    humantime::parse_rfc3339("2026-12-01T12:00:00Z").unwrap()
}

fn config(text: &str) -> Config {
    read(text).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

fn problems(text: &str) -> Vec<Problem> {
    read(text).expect_err(text).iter().cloned().collect()
}

/// The text has exactly this mistake: on this line, with these words, answered with those.
#[track_caller]
fn assert_mistake(text: &str, line: usize, what: &str, help: &str) {
    let problems = problems(text);
    let [problem] = problems.as_slice() else {
        panic!("{text}\nhas more than one mistake: {problems:#?}");
    };
    assert_eq!(problem.line, line, "{problem}");
    assert!(problem.what.contains(what), "{problem}");
    assert!(problem.help.contains(help), "{problem}");
}

/// A source whose own keys begin on line 4.
fn source(keys: &str) -> String {
    format!("[[source]]\nname = \"a\"\nack = \"memory\"\n{keys}\n")
}

/// A source and a route whose own keys begin on line 8.
fn route(keys: &str) -> String {
    let to = if keys.lines().any(|line| line.starts_with("to =")) { "" } else { "to = \"discard\"" };
    format!("{}[[route]]\nname = \"r\"\nfrom = {{ source = \"a\" }}\n{keys}\n{to}\n", source("auth = \"none\""))
}

fn text_file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}
