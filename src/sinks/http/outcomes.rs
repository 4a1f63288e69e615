//! From the answer to a batch to what became of each of its events.
//!
//! A processor that did not take all of them answers 2xx with
//!
//! ```text
//! {"failed":[{"id":"stripe:evt_1","status":503}, …]}
//! ```
//!
//! and those have failed as if each had been answered alone with its `status` (500 where none is told). Any other answer with
//! 2xx says that all are delivered. What says that something failed, but not what, would lose events if it counted as a success:
//! all of the batch come again then.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::super::detail;
use super::answer::{self, Answer, READ_BYTES};
use super::token;
use crate::routes::{Delivery, Failure, FailureKind, Outcome, Outcomes};

/// Of an event whose failure has no other.
const STATUS: u16 = 500;

/// What became of the events of a batch.
pub(super) fn outcomes(answer: Answer, batch: &[Delivery]) -> Outcomes {
    if answer.outcome != Outcome::Delivered {
        return Outcomes::All(answer.outcome);
    }
    let named = match named(&answer.start, answer.whole) {
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
    match (each.len(), each.pop()) {
        (1, Some(only)) => Outcomes::All(only),
        (_, last) => {
            each.extend(last);
            Outcomes::Each(each)
        }
    }
}

enum Named {
    /// No answer of this form.
    Nothing,
    /// The ids of what failed, each with its status.
    Failed(HashMap<String, u16>),
    /// Something failed, and this is why nobody knows what.
    Unreadable(&'static str),
}

fn named(answer: &[u8], whole: bool) -> Named {
    let is_object = answer.trim_ascii_start().starts_with(b"{");
    if !is_object || memchr::memmem::find(answer, b"\"failed\"").is_none() {
        return Named::Nothing;
    }
    let failed = match serde_json::from_slice(answer) {
        Ok(Value::Object(mut members)) => members.remove("failed"),
        _ if whole => return Named::Unreadable("it is not JSON to its end"),
        _ => return Named::Unreadable(TOO_LONG),
    };
    let Some(Value::Array(failed)) = failed else { return Named::Nothing };
    let mut named = HashMap::with_capacity(failed.len());
    for one in failed {
        let Some(id) = one.get("id").and_then(Value::as_str) else {
            return Named::Unreadable("not every element of `failed` has an `id`");
        };
        let status = one.get("status").and_then(Value::as_u64).filter(|status| (300..=599).contains(status));
        named.insert(id.to_owned(), status.map_or(STATUS, |status| status as u16));
    }
    if named.is_empty() { Named::Nothing } else { Named::Failed(named) }
}

fn unreadable(why: &str) -> Outcomes {
    let detail = format!("the answer says that events of the batch failed, and cannot be read: {why}");
    Outcomes::All(Outcome::Failed(detail::failure(FailureKind::BrokenAnswer, detail)))
}

const TOO_LONG: &str = "it is longer than 64 KiB";
const _: () = assert!(READ_BYTES == 64 << 10, "as the message says");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::time::Duration;

    use http::header::RETRY_AFTER;
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::event::Event;

    fn batch(ids: &[&str]) -> Vec<Delivery> {
        let event = |id: &&str| Event::for_test("s", None, id, &[], b"");
        ids.iter().map(|id| Delivery::new(event(id), Arc::from("r"), 1)).collect()
    }

    fn answered(said: &str, whole: bool) -> Answer {
        Answer { outcome: Outcome::Delivered, whole, start: said.into(), headers: HeaderMap::new() }
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
            r#"{"failed":{"id":"s:a"}}"#,
            r#"[{"failed":[{"id":"s:a"}]}]"#,
            r#"{"note":"failed"}"#,
        ];
        for said in others {
            assert_eq!(all(said, true), Outcome::Delivered, "{said}");
        }
        assert_eq!(all("<html>and so on", false), Outcome::Delivered);
    }

    #[test]
    fn an_answer_that_says_that_something_failed_but_not_what_delivers_nothing() {
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
        ] {
            let Outcome::Failed(failure) = all(said, whole) else { panic!("{said}") };
            assert_eq!(failure.kind, FailureKind::BrokenAnswer, "{said}");
        }
    }
}
