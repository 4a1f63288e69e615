//! One parameter of a query, decoded only if it has to be.

use std::borrow::Cow;

/// The value of the first parameter called `name`. A value whose percent-encoding is broken or stands for something other
/// than UTF-8 is not there.
pub(crate) fn parameter<'query>(query: &'query str, name: &str) -> Option<Cow<'query, str>> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(key, _)| decode(key).is_some_and(|key| key == name))
        .and_then(|(_, value)| decode(value))
}

/// As a form encodes it: `%xx` is a byte, `+` a space.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_parameter_of_the_name_counts() {
        assert_eq!(parameter("a=1&type=x&type=y", "type").as_deref(), Some("x"));
        assert_eq!(parameter("type=x=y", "type").as_deref(), Some("x=y"));
        assert_eq!(parameter("typed=x&atype=y", "type"), None);
        assert_eq!(parameter("type", "type").as_deref(), Some(""));
        assert_eq!(parameter("", "type"), None);
    }

    #[test]
    fn only_what_is_encoded_is_copied() {
        assert!(matches!(parameter("type=a.b", "type"), Some(Cow::Borrowed("a.b"))));
        assert!(matches!(parameter("type=a%2Eb", "type"), Some(Cow::Owned(text)) if text == "a.b"));
        assert_eq!(parameter("t%79pe=a+b", "type").as_deref(), Some("a b"));
    }

    #[test]
    fn a_broken_encoding_is_not_there() {
        for query in ["type=%", "type=%4", "type=%g1", "type=%+1", "type=%ff", "type=%C3"] {
            assert_eq!(parameter(query, "type"), None, "{query}");
        }
    }
}
