//! The cursor of a poll: what it becomes in a run, and the file that keeps it, `poll/NAME.json` in the journal's directory.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::DATE;
use serde_json::{Value, json};

use super::page::{find, text};
use crate::config::{CursorConfig, CursorFrom};

/// Where a cursor is kept.
#[derive(Debug)]
pub(super) struct CursorFile(PathBuf);

impl CursorFile {
    /// In this folder, which is made if it is not there.
    pub(super) fn new(folder: &Path, poll: &str) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self(folder.join(format!("{poll}.json"))))
    }

    /// The cursor that was saved, if there is one.
    pub(super) fn load(&self) -> io::Result<Option<String>> {
        let bytes = match fs::read(&self.0) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let saved: Option<Value> = serde_json::from_slice(&bytes).ok();
        let cursor = saved.as_ref().and_then(|saved| saved.get(MEMBER)).and_then(Value::as_str);
        let why = || {
            let help = "holds no cursor; take the file away to begin anew";
            io::Error::new(io::ErrorKind::InvalidData, format!("{} {help}", self.0.display()))
        };
        Ok(Some(cursor.ok_or_else(why)?.to_owned()))
    }

    /// Saves it: when this returns it survives the power, and until then the one before does.
    pub(super) fn save(&self, cursor: &str) -> io::Result<()> {
        let temporary = self.0.with_extension("json.new");
        let mut file = File::create(&temporary)?;
        file.write_all(json!({ MEMBER: cursor }).to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &self.0)?;
        File::open(self.0.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

const MEMBER: &str = "cursor";

/// The cursor that a run leads to.
#[derive(Debug)]
pub(super) struct Advance<'poll> {
    from: Option<&'poll CursorFrom>,
    cursor: Option<String>,
}

impl<'poll> Advance<'poll> {
    /// Of a run that began with this one.
    pub(super) fn new(config: Option<&'poll CursorConfig>, saved: Option<String>) -> Self {
        Self { from: config.map(|config| &config.from), cursor: saved }
    }

    /// The first page was answered, with these headers, to a request of this time by our clock.
    pub(super) fn note_answer(&mut self, headers: &HeaderMap, asked: SystemTime) {
        let Some(CursorFrom::Time { unix, overlap }) = self.from else { return };
        let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        self.cursor = Some(time(date.unwrap_or(asked), *overlap, *unix));
    }

    /// A record is safe.
    pub(super) fn note_record(&mut self, record: &Value) {
        let Some(CursorFrom::Last(pointer) | CursorFrom::Highest(pointer)) = self.from else { return };
        let Some(value) = find(record, pointer).and_then(text).filter(|value| value.len() <= CURSOR_BYTES_MAX) else {
            return;
        };
        let is_higher = self.cursor.as_ref().is_none_or(|known| compare(&value, known) == Ordering::Greater);
        if is_higher || matches!(self.from, Some(CursorFrom::Last(_))) {
            self.cursor = Some(value);
        }
    }

    /// What to begin with next.
    pub(super) fn into_cursor(self) -> Option<String> {
        self.cursor
    }
}

/// It has to fit into a URL.
const CURSOR_BYTES_MAX: usize = 1024;

fn time(at: SystemTime, overlap: Duration, unix: bool) -> String {
    let since = at.checked_sub(overlap).unwrap_or(UNIX_EPOCH);
    if unix {
        since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
    } else {
        humantime::format_rfc3339_seconds(since).to_string()
    }
}

/// As numbers if both are, else as text, as which times in one form and one zone are in order.
fn compare(one: &str, other: &str) -> Ordering {
    if let (Ok(one), Ok(other)) = (one.parse::<i128>(), other.parse::<i128>()) {
        return one.cmp(&other);
    }
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.total_cmp(&other),
        _ => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Pointer;

    fn advanced(from: CursorFrom, saved: &str, records: &[Value]) -> String {
        let config = CursorConfig { from, start: None };
        let mut advance = Advance::new(Some(&config), Some(saved.to_owned()));
        records.iter().for_each(|record| advance.note_record(record));
        advance.into_cursor().unwrap()
    }

    #[test]
    fn a_saved_cursor_is_loaded_and_a_broken_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = CursorFile::new(&dir.path().join("poll"), "orders").unwrap();
        assert_eq!(file.load().unwrap(), None);
        file.save("a\"b").unwrap();
        file.save("c").unwrap();
        assert_eq!(file.load().unwrap().as_deref(), Some("c"));
        fs::write(dir.path().join("poll/orders.json"), "{}").unwrap();
        assert!(file.load().unwrap_err().to_string().contains("orders.json"));
    }

    #[test]
    fn the_highest_value_never_goes_back_and_the_last_one_does() {
        let at = Pointer::parse("/n").unwrap();
        let records = [json!({"n": 10}), json!({"n": 9}), json!({"n": null}), json!({})];
        assert_eq!(advanced(CursorFrom::Highest(at.clone()), "2", &records), "10");
        assert_eq!(advanced(CursorFrom::Highest(at.clone()), "11", &records), "11");
        assert_eq!(advanced(CursorFrom::Last(at.clone()), "11", &records), "9");
        let times = [json!({"n": "2026-01-02T00:00:00Z"}), json!({"n": "2026-01-01T00:00:00Z"})];
        assert_eq!(advanced(CursorFrom::Highest(at), "2025", &times), "2026-01-02T00:00:00Z");
    }

    #[test]
    fn the_time_is_the_servers_less_the_overlap() {
        let config =
            |unix| CursorConfig { from: CursorFrom::Time { unix, overlap: Duration::from_mins(5) }, start: None };
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        for (unix, expected) in [(false, "1994-11-06T08:44:37Z"), (true, "784111477")] {
            let config = config(unix);
            let mut advance = Advance::new(Some(&config), None);
            advance.note_answer(&headers, SystemTime::now());
            assert_eq!(advance.into_cursor().as_deref(), Some(expected));
        }
    }
}
