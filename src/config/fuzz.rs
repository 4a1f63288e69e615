//! What must hold of any text that is read as a configuration.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use toml::de::{DeTable, DeValue};

use super::load::read_files;

/// Reads `data` as the main file. It is a configuration, or has mistakes that are in it and are answered; it is so each time.
///
/// No command is run for it and nothing outside the directory is read: what asks for that is passed over.
pub(crate) fn text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if asks_for_more(&DeValue::Table(DeTable::parse_recoverable(text).0.into_inner())) {
        return;
    }
    let lines = text.matches('\n').count() + 1;
    let first = read(text);
    match &first {
        Ok(config) => {
            let gateway = &config.gateway;
            assert!(gateway.max_body <= gateway.memory_budget, "a body for which there is no memory");
            for source in &config.sources {
                assert!(
                    source.max_body <= gateway.memory_budget,
                    "{} may send what there is no memory for",
                    source.name
                );
            }
            assert!(gateway.max_connections > 0 && gateway.max_connections_per_address > 0);
            for limit in [gateway.head_timeout, gateway.body_timeout, gateway.idle_timeout, gateway.drain_timeout] {
                assert!(limit > Duration::ZERO, "a limit of no time");
            }
            for warning in &config.warnings {
                assert!((1..=lines).contains(&warning.line), "{warning}");
            }
        }
        Err(problems) => {
            assert!(problems.iter().next().is_some(), "refused for nothing");
            for problem in problems {
                assert!(problem.line <= lines, "{problem}");
                assert!(!problem.what.is_empty() && !problem.help.is_empty(), "{problem:?}");
            }
        }
    }
    let said = |read: &Result<super::Config, super::Problems>| match read {
        Ok(config) => format!("{config:?}"),
        Err(problems) => problems.to_string(),
    };
    assert_eq!(said(&first), said(&read(text)));
}

/// What a source proves its sender with that has these lines, if they are some of a configuration.
pub(crate) fn proof(lines: &str) -> Option<super::Proof> {
    let text = format!("[[source]]\nname = \"s\"\nsecret = {{ env = \"HEX\" }}\n{lines}\n");
    if asks_for_more(&DeValue::Table(DeTable::parse_recoverable(&text).0.into_inner())) {
        return None;
    }
    read(&text).ok()?.sources.pop()?.auth.proof.map(|auth| auth.proof)
}

fn read(text: &str) -> Result<super::Config, super::Problems> {
    let variable = |name: &str| match name {
        "KEY" => Some(OsString::from("hush-hush-hush-hush")),
        // Text, hexadecimal and base64 at once.
        "HEX" => Some(OsString::from("7d0f1b94c2aa40c6b8a1f3de5c6b7a897d0f1b94c2aa40c6b8a1f3de5c6b7a89")),
        "OTHER" => Some(OsString::from("hush-sweet-hush-hush")),
        _ => None,
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_000_000);
    read_files(&[(PathBuf::from("nowhere/hookgate.toml"), text.to_owned())], Vec::new(), &variable, now)
}

fn asks_for_more(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(table) => {
            table.iter().any(|(key, value)| key.get_ref() == "command" || asks_for_more(value.get_ref()))
        }
        DeValue::Array(values) => values.iter().any(|value| asks_for_more(value.get_ref())),
        DeValue::String(text) => text.starts_with("/dev") || text.starts_with("/proc") || text.contains(".."),
        _ => false,
    }
}
