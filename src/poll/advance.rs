//! What becomes the cursor in a run.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::DATE;
use serde_json::Value;

use super::memory::CURSOR_BYTES_MAX;
use super::page::{find, text};
use crate::config::{CursorConfig, CursorFrom};

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

    use serde_json::json;

    use super::*;
    use crate::config::Pointer;

    fn advanced(from: CursorFrom, saved: &str, records: &[Value]) -> String {
        let config = CursorConfig { from, start: None };
        let mut advance = Advance::new(Some(&config), Some(saved.to_owned()));
        records.iter().for_each(|record| advance.note_record(record));
        advance.into_cursor().unwrap()
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
