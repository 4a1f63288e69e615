//! The fields of a form in the order in which they are signed.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::url::without_query;

type Fields<'f> = Vec<(Cow<'f, str>, Cow<'f, str>)>;

/// Whether a body is a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Each name and value without anything between, by name. A name that is repeated gives its distinct values, sorted: never
/// are names and values sorted as one text, or `Reason` would come after `ReasonCode`.
pub(super) fn sorted(body: &[u8], message: &mut Vec<u8>) {
    for (name, value) in fields(body) {
        message.extend_from_slice(name.as_bytes());
        message.extend_from_slice(value.as_bytes());
    }
}

/// The URL with its query sorted, as `name=value` joined by `&`, and then the fields of a form, after a dot.
pub(super) fn sorted_url(url: &str, form: &[u8], message: &mut Vec<u8>) {
    let base = without_query(url);
    let query = fields(url.as_bytes().get(base.len() + 1..).unwrap_or_default());
    message.extend_from_slice(base.as_bytes());
    if !query.is_empty() || !form.is_empty() {
        message.push(b'?');
    }
    let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    message.extend_from_slice(pairs.join("&").as_bytes());
    if !query.is_empty() && !form.is_empty() {
        message.push(b'.');
    }
    sorted(form, message);
}

fn fields(text: &[u8]) -> Fields<'_> {
    let mut fields: Fields<'_> = form_urlencoded::parse(text).collect();
    fields.sort();
    fields.dedup();
    fields
}
