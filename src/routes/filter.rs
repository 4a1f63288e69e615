//! A route's `where`: whether the body of an event says what the route wants. Runs on workers, on a copy in buffers that
//! each keeps, since the parser writes into what it reads; never on an io thread.
//!
//! A body that is not JSON has no members. So has one that is nested deeper than the parser goes, 1,024 levels, and one
//! that comes to more than [`INFLATED_MAX`] bytes.

use std::cell::RefCell;

use simd_json::prelude::ValueAsScalar;
use simd_json::tape::Value;
use simd_json::{Buffers, Tape};

use crate::config::{Condition, Number, Pointer, Scalar, Test};
use crate::event::Event;
use crate::sniff::Coding;

/// The conditions of one route.
#[derive(Debug)]
pub(super) struct Filter(Box<[Condition]>);

impl Filter {
    /// `None` where nothing is asked.
    pub(super) fn new(conditions: &[Condition]) -> Option<Self> {
        (!conditions.is_empty()).then(|| Self(conditions.into()))
    }

    /// Whether all of them hold.
    pub(super) fn takes(&self, event: &Event) -> bool {
        thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.read(event, |body| {
                self.0.iter().all(|condition| {
                    let member = body.and_then(|body| find(body, &condition.member));
                    condition.tests.iter().all(|test| holds(test, member))
                })
            })
        })
    }
}

/// Bytes to which a compressed body may come.
const INFLATED_MAX: usize = 64 << 20;

/// Bytes of scratch space to keep from one body to the next.
const KEPT_BYTES: usize = 1 << 20;

struct Scratch {
    bytes: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { bytes: Vec::new(), buffers: Buffers::default(), tape: Tape::null() }
    }
}

impl Scratch {
    /// Hands the body as JSON to `look`, if it is that.
    fn read(&mut self, event: &Event, look: impl FnOnce(Option<Value<'_, '_>>) -> bool) -> bool {
        let Self { mut bytes, mut buffers, tape } = std::mem::take(self);
        let mut tape = tape.reset();
        let is_json = copy(event, &mut bytes).is_some()
            && !bytes.is_empty()
            && simd_json::fill_tape(&mut bytes, &mut buffers, &mut tape).is_ok();
        let answer = look(is_json.then(|| tape.as_value()));
        let tape = tape.reset();
        if bytes.capacity() <= KEPT_BYTES {
            *self = Self { bytes, buffers, tape };
        }
        answer
    }
}

/// What the body says, without the mark it may begin with. `None` if it is compressed in a way that cannot be undone.
fn copy(event: &Event, to: &mut Vec<u8>) -> Option<()> {
    match Coding::named(event.header("content-encoding").unwrap_or_default()).ok()? {
        Some(coding) => coding.inflate(event.body(), INFLATED_MAX, to).ok()?,
        None => {
            to.clear();
            to.extend_from_slice(event.body());
        }
    }
    if to.starts_with("\u{feff}".as_bytes()) {
        to.drain(.."\u{feff}".len());
    }
    Some(())
}

fn find<'tape, 'body>(body: Value<'tape, 'body>, pointer: &Pointer) -> Option<Value<'tape, 'body>> {
    pointer.0.iter().try_fold(body, |value, segment| {
        if let Some(object) = value.as_object() {
            return object.get(segment.as_str());
        }
        value.as_array()?.get(pointer_index(segment)?)
    })
}

/// Without leading zeros (RFC 6901, section 4).
fn pointer_index(segment: &str) -> Option<usize> {
    let written = segment == "0" || (!segment.starts_with('0') && segment.bytes().all(|byte| byte.is_ascii_digit()));
    segment.parse().ok().filter(|_| written)
}

fn holds(test: &Test, member: Option<Value<'_, '_>>) -> bool {
    let Some(member) = member else { return *test == Test::Exists(false) };
    match test {
        Test::Exists(exists) => *exists,
        Test::OneOf(scalars) => scalars.iter().any(|scalar| is(scalar, member)),
        Test::Prefix(prefix) => member.as_str().is_some_and(|text| text.starts_with(prefix)),
        Test::Compares(comparison, than) => number(member)
            .and_then(|number| number.partial_cmp(than))
            .is_some_and(|ordering| comparison.holds(ordering)),
    }
}

fn is(scalar: &Scalar, member: Value<'_, '_>) -> bool {
    match scalar {
        Scalar::Text(text) => member.as_str() == Some(text),
        Scalar::Number(wanted) => number(member).is_some_and(|number| number == *wanted),
        Scalar::Flag(flag) => member.as_bool() == Some(*flag),
    }
}

fn number(member: Value<'_, '_>) -> Option<Number> {
    let whole = member.as_i64().map(i128::from).or_else(|| member.as_u64().map(i128::from));
    whole.map(Number::Whole).or_else(|| member.as_f64().map(Number::Float))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::config::Comparison;

    fn event(headers: &[(&str, &[u8])], body: &[u8]) -> Event {
        Event::for_test("s", None, "1", headers, body)
    }

    fn filter(pointer: &str, test: Test) -> Filter {
        let member = if pointer.is_empty() { Pointer(Vec::new()) } else { Pointer::parse(pointer).unwrap() };
        Filter::new(&[Condition { member, tests: vec![test] }]).unwrap()
    }

    fn takes(pointer: &str, test: Test, body: &str) -> bool {
        filter(pointer, test).takes(&event(&[], body.as_bytes()))
    }

    fn compares(comparison: Comparison, than: i64) -> Test {
        Test::Compares(comparison, Number::Whole(than.into()))
    }

    const BODY: &str = r#"{"data":{"amount":10000,"rate":0.5,"big":18446744073709551616,"items":[{"a":1},{"a":"x"}],
                           "paid":true,"note":null,"status":"past_due","esc":"a\u0062"},"text":"10001"}"#;

    #[test]
    fn each_test_holds_where_it_should() {
        let text = |text: &str| Scalar::Text(text.to_owned());
        let whole = |number| Scalar::Number(Number::Whole(number));
        for (pointer, test, expected) in [
            ("/data/amount", compares(Comparison::Gt, 9_999), true),
            ("/data/amount", compares(Comparison::Gt, 10_000), false),
            ("/data/amount", compares(Comparison::Ge, 10_000), true),
            ("/data/amount", compares(Comparison::Lt, 10_000), false),
            ("/data/amount", compares(Comparison::Le, 10_000), true),
            ("/data/rate", compares(Comparison::Lt, 1), true),
            ("/data/big", compares(Comparison::Gt, i64::MAX), true),
            ("/text", compares(Comparison::Gt, 1), false),
            ("/data/amount", Test::OneOf(vec![whole(1), whole(10_000)]), true),
            ("/data/amount", Test::OneOf(vec![text("10000")]), false),
            ("/data/rate", Test::OneOf(vec![Scalar::Number(Number::Float(0.5))]), true),
            ("/data/paid", Test::OneOf(vec![Scalar::Flag(true)]), true),
            ("/data/paid", Test::OneOf(vec![Scalar::Flag(false)]), false),
            ("/data/status", Test::OneOf(vec![text("open"), text("past_due")]), true),
            ("/data/esc", Test::OneOf(vec![text("ab")]), true),
            ("/data/status", Test::Prefix("past_".to_owned()), true),
            ("/data/status", Test::Prefix("due".to_owned()), false),
            ("/data/note", Test::Exists(true), true),
            ("/data/none", Test::Exists(true), false),
            ("/data/none", Test::Exists(false), true),
            ("/data/note", Test::Exists(false), false),
            ("/data/none", compares(Comparison::Lt, 1), false),
            ("/data/items/1/a", Test::OneOf(vec![text("x")]), true),
            ("/data/items/01/a", Test::Exists(true), false),
            ("/data/items/2/a", Test::Exists(true), false),
            ("/data/items/-/a", Test::Exists(true), false),
            ("/data/amount/x", Test::Exists(true), false),
        ] {
            assert_eq!(takes(pointer, test.clone(), BODY), expected, "{pointer} {test:?}");
        }
    }

    #[test]
    fn all_conditions_must_hold() {
        let condition = |pointer: &str, tests: Vec<Test>| Condition { member: Pointer::parse(pointer).unwrap(), tests };
        let paid = condition("/data/paid", vec![Test::OneOf(vec![Scalar::Flag(true)])]);
        let between =
            |from, to| condition("/data/amount", vec![compares(Comparison::Ge, from), compares(Comparison::Lt, to)]);
        let event = event(&[], BODY.as_bytes());
        assert!(Filter::new(&[paid.clone(), between(1, 10_001)]).unwrap().takes(&event));
        assert!(!Filter::new(&[paid, between(1, 10_000)]).unwrap().takes(&event));
        assert!(Filter::new(&[]).is_none());
    }

    #[test]
    fn what_is_not_json_has_no_members() {
        for body in ["", "text", "{", r#"{"a":1"#, r#"{"a":1}}"#, "<a>1</a>", "a=1", "\u{feff}"] {
            assert!(!takes("/a", Test::Exists(true), body), "{body}");
            assert!(takes("/a", Test::Exists(false), body), "{body}");
        }
        assert!(takes("/a", Test::Exists(true), "\u{feff}{\"a\":1}"));
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(!takes("/a", Test::Exists(true), &deep));
        assert!(takes("/a", Test::Exists(true), r#"{"a":1}"#), "and the next body is read as ever");
    }

    #[test]
    fn of_a_key_that_is_there_twice_the_first_counts() {
        assert!(takes("/a", compares(Comparison::Lt, 2), r#"{"a":1,"a":2}"#));
    }

    #[test]
    fn a_compressed_body_is_looked_into() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(BODY.as_bytes()).unwrap();
        let body = encoder.finish().unwrap();
        let wanted = filter("/data/amount", Test::Exists(true));
        assert!(wanted.takes(&event(&[("content-encoding", b"gzip")], &body)));
        assert!(!wanted.takes(&event(&[], &body)));
        assert!(!wanted.takes(&event(&[("content-encoding", b"gzip")], &body[..body.len() - 1])));
        assert!(!wanted.takes(&event(&[("content-encoding", b"br")], BODY.as_bytes())));
    }

    #[test]
    fn the_body_of_the_event_is_left_as_it_is() {
        let event = event(&[], BODY.as_bytes());
        filter("/data/esc", Test::Exists(true)).takes(&event);
        assert_eq!(event.body(), BODY.as_bytes());
    }

    fn scalar() -> impl Strategy<Value = Json> {
        prop_oneof![
            any::<String>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<i32>().prop_map(|eighths| json!(f64::from(eighths) / 8.0)),
            any::<bool>().prop_map(Json::from),
            Just(Json::Null),
        ]
    }

    proptest! {
        /// Against `serde_json` reading the same bytes.
        #[test]
        fn members_are_found_and_compared_as_they_are(
            members in prop::collection::hash_map("[a-c\"\\\\/~]{0,2}", scalar(), 0..5),
            key in "[a-c\"\\\\/~]{0,2}",
            than: i64,
        ) {
            let body = serde_json::to_string(&json!({ "in": [members] })).unwrap();
            let member = members.get(&key);
            let pointer = format!("/in/0/{}", key.replace('~', "~0").replace('/', "~1"));
            prop_assert_eq!(takes(&pointer, Test::Exists(true), &body), member.is_some());
            let greater = member.and_then(|it| it.as_i64().map(|it| it > than)
                .or(it.as_u64().map(|_| true))
                .or(it.as_f64().map(|it| it > than as f64)));
            prop_assert_eq!(takes(&pointer, compares(Comparison::Gt, than), &body), greater.unwrap_or(false));
            if let Some(text) = member.and_then(Json::as_str) {
                prop_assert!(takes(&pointer, Test::OneOf(vec![Scalar::Text(text.to_owned())]), &body));
            }
        }

        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            filter("/a/0", Test::Exists(true)).takes(&event(&[], &body));
        }
    }
}
