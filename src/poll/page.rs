//! What is in a page: its records, each as the bytes that it is, and where the next page is.

use std::ops::Range;

use http::HeaderMap;
use http::header::{CONTENT_TYPE, LINK};
use serde_json::Value;

use super::fetch::Page;
use super::target;
use super::trouble::Trouble;
use crate::config::{NextPage, Pointer, PollConfig};
use crate::sniff::{SplitError, elements};

/// A page that was read.
pub(super) struct Records {
    /// Where each lies in the page's body.
    pub(super) places: Vec<Range<usize>>,
    /// The whole page.
    document: Value,
}

impl Records {
    /// Reads a page. One without a body has no records.
    pub(super) fn of(page: &Page, items: &Pointer) -> Result<Self, Trouble> {
        if page.body.is_empty() {
            return Ok(Self { places: Vec::new(), document: Value::Null });
        }
        let wrong = |what: &str| {
            let kind = page.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("no type");
            Trouble::NotUnderstood(format!("{what} (content-type: {kind})"))
        };
        let document =
            serde_json::from_slice(&page.body).map_err(|error| wrong(&format!("it is not JSON: {error}")))?;
        let places = elements(&page.body, items).map_err(|error| match error {
            SplitError::NotABatch => wrong(&format!("there is no list of records at \"{items}\"")),
            SplitError::TooMany => wrong("it has more than 10,000 records"),
        })?;
        Ok(Self { places, document })
    }

    /// The records as documents.
    pub(super) fn values(&self, items: &Pointer) -> &[Value] {
        find(&self.document, items).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The next page, if there is one. `taken` counts pages and records up to this one.
    pub(super) fn next(
        &self,
        poll: &PollConfig,
        target: &str,
        headers: &HeaderMap,
        taken: (usize, usize),
    ) -> Result<Option<String>, Trouble> {
        let member = |pointer| find(&self.document, pointer).and_then(text).filter(|text| !text.is_empty());
        let counted = |name: &str, count: usize| {
            (!self.places.is_empty()).then(|| target::with(target, name, &count.to_string()))
        };
        let link = match &poll.next {
            None => return Ok(None),
            Some(NextPage::Member(pointer, name)) => {
                return Ok(member(pointer).map(|value| target::with(target, name, &value)));
            }
            Some(NextPage::Page(name)) => return Ok(counted(name, taken.0 + 1)),
            Some(NextPage::Offset(name)) => return Ok(counted(name, taken.1)),
            Some(NextPage::Link) => next_link(headers).map(ToOwned::to_owned),
            Some(NextPage::Url(pointer)) => member(pointer),
        };
        link.map(|link| target::linked(&poll.server.url, target, &link)).transpose()
    }
}

/// What a pointer leads to.
pub(super) fn find<'value>(document: &'value Value, pointer: &Pointer) -> Option<&'value Value> {
    pointer.0.iter().try_fold(document, |value, segment| match value {
        Value::Object(members) => members.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A string or a number, as text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The target of `rel="next"` (RFC 8288).
fn next_link(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(|value| {
        value.split('<').skip(1).find_map(|link| {
            let (link, parameters) = link.split_once('>')?;
            let is_next =
                parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
                    let value = value.trim().trim_end_matches(',').trim_matches('"');
                    name.trim().eq_ignore_ascii_case("rel")
                        && value.split(' ').any(|rel| rel.eq_ignore_ascii_case("next"))
                });
            is_next.then_some(link)
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_next_link_is_told_from_the_others() {
        let next = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, text.parse().unwrap());
            next_link(&headers).map(ToOwned::to_owned)
        };
        let both = r#"<https://a.test/?p=1>; rel="prev", <https://a.test/?p=3,4>; title=x; rel="next""#;
        assert_eq!(next(both).as_deref(), Some("https://a.test/?p=3,4"));
        assert_eq!(next("</x>; REL=next, </y>; rel=last").as_deref(), Some("/x"));
        assert_eq!(next(r#"</x>; rel="last""#), None);
        assert_eq!(next("next"), None);
    }

    #[test]
    fn what_is_no_list_of_records_is_told_with_its_type() {
        let page = |body: &str| Page { headers: HeaderMap::new(), body: body.as_bytes().to_vec() };
        let data = Pointer::parse("/data").unwrap();
        for body in ["<html>", r#"{"data":1}"#, "{}", r#"{"data":[1"#] {
            assert!(matches!(Records::of(&page(body), &data), Err(Trouble::NotUnderstood(_))), "{body}");
        }
        assert_eq!(Records::of(&page(r#"{"data":[1,{"a":2}]}"#), &data).ok().unwrap().places.len(), 2);
        assert!(Records::of(&page(""), &data).ok().unwrap().places.is_empty());
    }
}
