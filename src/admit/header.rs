//! A header that may be there once. What is there twice has two meanings, one for hookgate and perhaps another for whatever
//! stands before it, so it is never "the first one wins".

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::refusal::Refusal;

/// The value of a header, if it is there; more than one is refused as `repeated`.
pub(super) fn lone<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    repeated: Refusal,
) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(HeaderValue::as_bytes)),
        (_, Some(_)) => Err(repeated),
    }
}
