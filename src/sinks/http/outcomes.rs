//! From the answer to a batch to what became of each of its events.
//!
//! A processor that did not take all of them answers 2xx with
//!
//! ```text
//! {"failed":[{"id":"stripe:evt_1","status":503}, …]}
//! ```
//!
//! and those have failed as if each had been answered alone with its `status` (500 where none is told, or several are). Any
//! other answer with 2xx says that all are delivered. What may say that something failed, but not what, would lose events if it
//! counted as a success: all of the batch come again then. That is an object that is no JSON to its end, is longer than what is
//! read, or has a `failed` that is neither a list nor a way to write none; an id that is not in the batch; a body that is
//! encoded; and 207, which is no success by itself, without such a list.

use std::collections::{HashMap, HashSet};

use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::super::detail;
use super::answer::{self, Answer, READ_BYTES};
use super::token;
use crate::routes::{Delivery, Failure, FailureKind, Outcome, Outcomes};

/// Of an event whose failure has no other.
const STATUS: u16 = 500;

/// Of an answer to a batch, for what a processor may say of each event.
const BYTES_OF_EACH: usize = 512;

/// How much is read of the answer to a batch of so many events.
pub(super) fn kept_bytes(events: usize) -> usize {
    READ_BYTES.max(events.saturating_mul(BYTES_OF_EACH))
}

/// What became of the events of a batch.
pub(super) fn outcomes(answer: Answer, batch: &[Delivery]) -> Outcomes {
    if answer.outcome != Outcome::Delivered {
        return Outcomes::All(answer.outcome);
    }
    let named = match named(&answer) {
        Named::Nothing => return Outcomes::All(Outcome::Delivered),
        Named::Unreadable(why) => return unreadable(why),
        Named::Failed(named) => named,
    };
    let ids: Vec<String> =
        batch.iter().map(|delivery| token::webhook_id_text(delivery.event().source(), delivery.event().id())).collect();
    let known: HashSet<&str> = ids.iter().map(String::as_str).collect();
    if !named.keys().all(|id| known.contains(id.as_str())) {
        return unreadable("an id in it is none of the batch");
    }
    let retry_after = answer::wish(&answer.headers);
    let mut each: Vec<Outcome> = ids
        .iter()
        .map(|id| match named.get(id) {
            None => Outcome::Delivered,
            Some(&status) => {
                let detail = format!("the answer to the batch, of {}, names it among those that failed", batch.len());
                let kind = FailureKind::Status(status);
                Outcome::Failed(Failure { retry_after, ..detail::failure(kind, detail) })
            }
        })
        .collect();
    if each.len() == 1 { Outcomes::All(each.remove(0)) } else { Outcomes::Each(each) }
}

enum Named {
    /// Nothing that failed.
    Nothing,
    /// The ids of what failed, each with its status.
    Failed(HashMap<String, u16>),
    /// Something may have failed, and this is why nobody knows what.
    Unreadable(&'static str),
}

/// What of an object matters here. Two members `failed` are an error.
#[derive(Deserialize)]
struct Said {
    failed: Option<Value>,
}

fn named(answer: &Answer) -> Named {
    let body = answer.start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&answer.start).trim_ascii_start();
    if !body.is_empty() && is_encoded(&answer.headers) {
        return Named::Unreadable("it has a `Content-Encoding`");
    }
    let failed = match body.first() {
        Some(b'{') if !answer.whole => return Named::Unreadable(TOO_LONG),
        Some(b'{') => match serde_json::from_slice(body) {
            Ok(Said { failed }) => failed,
            Err(_) => return Named::Unreadable("it is an object that is not JSON to its end, or has `failed` twice"),
        },
        _ => None,
    };
    match failed {
        Some(Value::Array(failed)) => of_list(&failed),
        None if answer.status == StatusCode::MULTI_STATUS => Named::Unreadable("it is 207 without a list `failed`"),
        None => Named::Nothing,
        Some(value) if says_none(&value) => Named::Nothing,
        Some(_) => Named::Unreadable("`failed` is no list"),
    }
}

fn of_list(failed: &[Value]) -> Named {
    let mut named = HashMap::with_capacity(failed.len());
    for one in failed {
        let Some(id) = one.get("id").and_then(Value::as_str) else {
            return Named::Unreadable("not every element of `failed` has an `id`");
        };
        let status = one.get("status").and_then(Value::as_u64).filter(|status| (300..=599).contains(status));
        let status = status.map_or(STATUS, |status| status as u16);
        // One of several may be final, and nobody knows which is meant, or for which of two events with this id.
        named
            .entry(id.to_owned())
            .and_modify(|known| {
                if *known != status {
                    *known = STATUS;
                }
            })
            .or_insert(status);
    }
    if named.is_empty() { Named::Nothing } else { Named::Failed(named) }
}

/// Whether that is a way to write that there is none.
fn says_none(value: &Value) -> bool {
    match value {
        Value::Bool(some) => !some,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Some writers of text begin with it, and JSON may be read behind it (RFC 8259 §8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

fn unreadable(why: &str) -> Outcomes {
    let detail = format!("the answer may say that events of the batch failed, and cannot be read: {why}");
    Outcomes::All(Outcome::Failed(detail::failure(FailureKind::BrokenAnswer, detail)))
}

const TOO_LONG: &str = "it is an object longer than 64 KiB and than 512 bytes for each event";
const _: () = assert!(READ_BYTES == 64 << 10 && BYTES_OF_EACH == 512, "as the message says");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::time::Duration;

    use http::HeaderValue;
    use http::header::RETRY_AFTER;

    use serde_json::json;

    use super::*;
    use crate::event::Event;

    fn batch(ids: &[&str]) -> Vec<Delivery> {
        let event = |id: &&str| Event::for_test("s", None, id, &[], b"");
        ids.iter().map(|id| Delivery::new(event(id), Arc::from("r"), 1)).collect()
    }

    fn answered(said: &str, whole: bool) -> Answer {
        Answer {
            outcome: Outcome::Delivered,
            status: StatusCode::OK,
            whole,
            start: said.into(),
            headers: HeaderMap::new(),
        }
    }

    /// The status of each that failed; `None` if the outcome is one for all.
    fn statuses(said: &str, ids: &[&str]) -> Option<Vec<Option<u16>>> {
        let status = |outcome: &Outcome| match outcome {
            Outcome::Delivered => None,
            Outcome::Failed(Failure { kind: FailureKind::Status(status), .. }) => Some(*status),
            Outcome::Failed(other) => panic!("{other:?}"),
        };
        match outcomes(answered(said, true), &batch(ids)) {
            Outcomes::Each(each) => Some(each.iter().map(status).collect()),
            _ => None,
        }
    }

    fn all(said: &str, whole: bool) -> Outcome {
        match outcomes(answered(said, whole), &batch(&["a", "b"])) {
            Outcomes::All(outcome) => outcome,
            each => panic!("{said}: {each:?}"),
        }
    }

    #[test]
    fn what_the_answer_names_has_failed_with_its_status_and_the_others_are_delivered() {
        let said = r#"{"failed":[{"id":"s:b","status":422},{"id":"s:c"},{"id":"s:d","status":200,"why":1},{"id":"s:e","status":"x"}]}"#;
        let each = statuses(said, &["a", "b", "c", "d", "e", "f"]).unwrap();
        assert_eq!(each, [None, Some(422), Some(500), Some(500), Some(500), None]);
        // Wherever the member stands, however the id is written, and for each event that has it.
        let said = " { \"taken\": 1, \"failed\" : [ {\"status\":503,\"id\":\"s:\\u0062\"} ] }\n";
        assert_eq!(statuses(said, &["a", "b", "b"]).unwrap(), [None, Some(503), Some(503)]);
        let said = "\u{feff}\r\n{\"failed\":[{\"id\":\"s:a\",\"status\":422}]}";
        assert_eq!(statuses(said, &["a", "b"]).unwrap(), [Some(422), None]);
    }

    #[test]
    fn of_several_statuses_of_an_id_none_is_believed() {
        for (first, second, counts) in [(503, 422, 500), (422, 503, 500), (422, 422, 422), (422, 200, 500)] {
            let said = json!({"failed": [{"id": "s:a", "status": first}, {"id": "s:a", "status": second}]}).to_string();
            assert_eq!(statuses(&said, &["a", "b"]).unwrap(), [Some(counts), None], "{said}");
        }
    }

    #[test]
    fn an_event_alone_has_one_outcome() {
        let outcomes = outcomes(answered(r#"{"failed":[{"id":"s:a","status":503}]}"#, true), &batch(&["a"]));
        let Outcomes::All(Outcome::Failed(failure)) = outcomes else { panic!("{outcomes:?}") };
        assert_eq!(failure.kind, FailureKind::Status(503));
    }

    #[test]
    fn the_processors_wish_is_that_of_each_that_failed() {
        let mut answer = answered(r#"{"failed":[{"id":"s:a"}]}"#, true);
        answer.headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        let Outcomes::Each(each) = outcomes(answer, &batch(&["a", "b"])) else { panic!("each on its own") };
        assert!(matches!(&each[0], Outcome::Failed(failure) if failure.retry_after == Some(Duration::from_secs(7))));
    }

    #[test]
    fn any_other_answer_says_that_all_are_delivered() {
        let others = [
            "",
            "fine",
            "{}",
            r#"{"failed":[]}"#,
            r#"{"failed":0,"taken":2}"#,
            r#"{"failed":null}"#,
            r#"{"failed":false}"#,
            r#"{"failed":{}}"#,
            r#"[{"failed":[{"id":"s:a"}]}]"#,
            r#"{"note":"failed"}"#,
        ];
        for said in others {
            assert_eq!(all(said, true), Outcome::Delivered, "{said}");
        }
        assert_eq!(all("<html>and so on", false), Outcome::Delivered);
    }

    #[test]
    fn an_encoded_answer_and_a_207_without_a_list_deliver_nothing() {
        let kind = |answer| match outcomes(answer, &batch(&["a", "b"])) {
            Outcomes::All(Outcome::Failed(failure)) => Some(failure.kind),
            Outcomes::All(Outcome::Delivered) => None,
            each => panic!("{each:?}"),
        };
        let encoded = |encoding, said| {
            let mut answer = answered(said, true);
            answer.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
            kind(answer)
        };
        assert_eq!(encoded("gzip", "\u{1f}"), Some(FailureKind::BrokenAnswer));
        assert_eq!((encoded("gzip", ""), encoded("Identity", "{}")), (None, None));
        let several = |said| kind(Answer { status: StatusCode::MULTI_STATUS, ..answered(said, true) });
        for said in ["", "<multistatus/>", "{}", r#"{"failed":null}"#] {
            assert_eq!(several(said), Some(FailureKind::BrokenAnswer), "{said}");
        }
        assert_eq!((several(r#"{"failed":[]}"#), several(r#"{"failed":0}"#)), (None, None));
    }

    #[test]
    fn an_answer_that_may_say_that_something_failed_but_not_what_delivers_nothing() {
        let cut = r#"{"failed":[{"id":"s:a","status":503},"#;
        let named = r#"{"failed":[{"id":"s:x"}]}"#;
        for (said, whole) in [
            (cut, true),
            (cut, false),
            ("\n{ \"failed\" : [", false),
            (r#"{"ok":true,"failed":[{"id":"#, true),
            (r#"{"ok":true,"failed":[{"id":"#, false),
            (named, true),
            (r#"{"failed":["s:a"]}"#, true),
            (r#"{"failed":[{"id":1}]}"#, true),
            (r#"{"failed":{"id":"s:a"}}"#, true),
            (r#"{"failed":{"1":{"id":"s:a"}}}"#, true),
            (r#"{"failed":1}"#, true),
            (r#"{"failed":true}"#, true),
            (r#"{"failed":"s:a"}"#, true),
            (r#"{"failed":[{"id":"s:a"}],"failed":[]}"#, true),
            ("{'failed':[{'id':'s:a'}]}", true),
            (r#"{"taken":["s:b","#, true),
            (r#"{"taken":["s:b","#, false),
            ("\u{feff}{\"failed\":[", true),
        ] {
            let Outcome::Failed(failure) = all(said, whole) else { panic!("{said}") };
            assert_eq!(failure.kind, FailureKind::BrokenAnswer, "{said}");
        }
    }
}
