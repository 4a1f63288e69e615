//! Where the elements of arrays lie, against `serde_json` reading the same bytes.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::against_serde_json::document;
use super::*;
use crate::config::{ITEMS_MAX, Pointer};
use crate::sniff::split::{SplitError, elements, lines};

fn texts(body: &str, ranges: Result<Vec<std::ops::Range<usize>>, SplitError>) -> Result<Vec<&str>, SplitError> {
    ranges.map(|ranges| ranges.into_iter().map(|range| &body[range]).collect())
}

fn split<'body>(body: &'body str, pointer: &str) -> Result<Vec<&'body str>, SplitError> {
    texts(body, elements(body.as_bytes(), &Pointer(path_of(pointer))))
}

#[test]
fn elements_are_what_stands_between_the_commas() {
    let body = r#" { "n" : 2 , "items" : [ {"a":"],["} , 12 ,"x", [ ] , null ] } "#;
    assert_eq!(split(body, "/items"), Ok(vec![r#"{"a":"],["}"#, "12", "\"x\"", "[ ]", "null"]));
    assert_eq!(split("[{},{}]", ""), Ok(vec!["{}", "{}"]));
    assert_eq!(split("\u{feff}[1]", ""), Ok(vec!["1"]));
    assert_eq!(split(r#"{"items":[ ]}"#, "/items"), Ok(vec![]));
    assert_eq!(split("[[1],[2,3]]", "/1"), Ok(vec!["2", "3"]));
}

#[test]
fn what_is_no_array_of_json_is_not_taken_apart() {
    for body in [
        r#"{"items":{}}"#,
        r#"{"items":"[1]"}"#,
        r#"{"items":null}"#,
        r#"{"other":[1]}"#,
        r#"{"items":[1,]}"#,
        r#"{"items":[,1]}"#,
        r#"{"items":[1 2]}"#,
        r#"{"items":[1"#,
        r#"{"items":[{]}"#,
        r#"{"items":[{"a":nul}]}"#,
        r#"{"items":[1]} and more"#,
        r#"{"items":[1]"#,
        "<items/>",
        "",
    ] {
        assert_eq!(split(body, "/items"), Err(SplitError::NotABatch), "{body}");
    }
}

#[test]
fn lines_are_documents_and_empty_ones_nothing() {
    let body = "\u{feff}{\"a\":1}\r\n\n  [2] \n\t\n\"x\"";
    assert_eq!(texts(body, lines(body.as_bytes())), Ok(vec!["{\"a\":1}", "[2]", "\"x\""]));
    assert_eq!(lines(b""), Ok(vec![]));
    assert_eq!(lines(b"{}\n{\n}\n"), Err(SplitError::NotABatch));
    assert_eq!(lines(b"{}\nhello\n"), Err(SplitError::NotABatch));
}

#[test]
fn the_number_of_events_is_bounded() {
    let body = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(split(&body(ITEMS_MAX), "").map(|items| items.len()), Ok(ITEMS_MAX));
    assert_eq!(split(&body(ITEMS_MAX + 1), ""), Err(SplitError::TooMany));
    assert_eq!(split(&body(100_000), ""), Err(SplitError::TooMany));
    assert_eq!(lines("1\n".repeat(ITEMS_MAX + 1).as_bytes()), Err(SplitError::TooMany));
}

#[test]
fn depth_costs_no_stack_here_either() {
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(split(&deep, "").map(|items| items.len()), Ok(1));
}

/// What `serde_json` makes of the array in this place.
fn expected(body: &str, pointer: &str) -> Option<Vec<String>> {
    let document: &RawValue = serde_json::from_str(body).ok()?;
    let mut at = document;
    for segment in path_of(pointer) {
        at = match serde_json::from_str::<Value>(at.get()).ok()? {
            Value::Object(_) => {
                let members: std::collections::HashMap<String, &RawValue> = serde_json::from_str(at.get()).ok()?;
                members.get(&segment).copied()?
            }
            Value::Array(_) => {
                let elements: Vec<&RawValue> = serde_json::from_str(at.get()).ok()?;
                elements.get(segment.parse::<usize>().ok()?).copied()?
            }
            _ => return None,
        };
    }
    let elements: Vec<&RawValue> = serde_json::from_str(at.get()).ok()?;
    Some(elements.into_iter().map(|element| element.get().to_owned()).collect())
}

proptest! {
    #[test]
    fn every_array_of_any_document_is_taken_apart_alike(document in document(), pretty: bool, member: bool) {
        let document = if member { serde_json::json!({ "n": 1, "items": document }) } else { document };
        let pointer = if member { "/items" } else { "" };
        let body = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        let found = split(&body, pointer).ok().map(|items| items.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>());
        prop_assert_eq!(found, expected(&body, pointer), "{}", body);
    }

    #[test]
    fn a_damaged_array_is_taken_apart_alike_or_not_at_all(
        elements in prop::collection::vec(document(), 0..4),
        damages in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(br#""\{}[],:0-. etfn"#.as_slice())), 1..3),
    ) {
        let mut body = serde_json::to_vec(&elements).unwrap();
        for (at, byte) in damages {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let Ok(body) = String::from_utf8(body) else { return Ok(()) };
        let found = split(&body, "").ok().map(|items| items.into_iter().map(ToOwned::to_owned).collect::<Vec<_>>());
        prop_assert_eq!(found, expected(&body, ""), "{}", body);
    }

    #[test]
    fn lines_are_taken_apart_as_they_were_put_together(documents in prop::collection::vec(document(), 0..6)) {
        let body = documents.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let found = lines(body.as_bytes()).unwrap().into_iter().map(|range| serde_json::from_str(&body[range]).unwrap());
        prop_assert_eq!(found.collect::<Vec<Value>>(), documents);
    }

    #[test]
    fn any_bytes_are_survived_here_too(body in prop::collection::vec(any::<u8>(), 0..300), path in prop::collection::vec("[a0]?", 0..3)) {
        let _ = json::elements(&body, &path).map(Iterator::count);
        let _ = lines(&body);
    }
}
