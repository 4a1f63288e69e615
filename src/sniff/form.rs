//! One field of a query, or of a body of type `application/x-www-form-urlencoded`, decoded only if it has to be.
//!
//! `%xx` is a byte and `+` a space, in names as in values. The first field of a name counts. What is broken, or stands for
//! something other than UTF-8, is not there. Nothing is kept of the fields before, so that their number costs only the way.

use std::ops::Range;

use super::text::Text;

/// The value of the first field called `name`.
pub(super) fn field(form: &[u8], name: &str) -> Option<Text> {
    let mut start = 0;
    loop {
        let rest = form.get(start..)?;
        let length = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        let pair = rest.get(..length)?;
        let key_length = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        if is(pair.get(..key_length)?, name) {
            let value = (start + key_length + 1).min(start + length)..start + length;
            return decode(form, value);
        }
        start += length + 1;
    }
}

/// The value of the first parameter of a query.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    field(query.as_bytes(), name).map(|text| text.in_body(query.as_bytes()).to_owned())
}

fn is(key: &[u8], name: &str) -> bool {
    if !is_encoded(key) {
        return key == name.as_bytes();
    }
    let mut wanted = name.bytes();
    Decoded(key).all(|byte| byte.is_some() && byte == wanted.next()) && wanted.next().is_none()
}

fn decode(form: &[u8], value: Range<usize>) -> Option<Text> {
    let bytes = form.get(value.clone())?;
    if !is_encoded(bytes) {
        return std::str::from_utf8(bytes).is_ok().then_some(Text::Plain(value));
    }
    let decoded = Decoded(bytes).collect::<Option<Vec<u8>>>()?;
    String::from_utf8(decoded).ok().map(Text::Decoded)
}

fn is_encoded(text: &[u8]) -> bool {
    memchr::memchr2(b'%', b'+', text).is_some()
}

/// The bytes that a text stands for; `None` for a `%` that is not followed by two digits.
struct Decoded<'text>(&'text [u8]);

impl Iterator for Decoded<'_> {
    type Item = Option<u8>;

    fn next(&mut self) -> Option<Option<u8>> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(match byte {
            b'+' => Some(b' '),
            b'%' => self.escaped(),
            plain => Some(plain),
        })
    }
}

impl Decoded<'_> {
    fn escaped(&mut self) -> Option<u8> {
        let (&[high, low], rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(digit(high)? << 4 | digit(low)?)
    }
}

fn digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_field_of_the_name_counts() {
        assert_eq!(parameter("a=1&type=x&type=y", "type").as_deref(), Some("x"));
        assert_eq!(parameter("type=x=y", "type").as_deref(), Some("x=y"));
        assert_eq!(parameter("typed=x&atype=y", "type"), None);
        assert_eq!(parameter("type", "type").as_deref(), Some(""));
        assert_eq!(parameter("type=&x=1", "type").as_deref(), Some(""));
        assert_eq!(parameter("&&type=x&", "type").as_deref(), Some("x"));
        assert_eq!(parameter("", "type"), None);
    }

    #[test]
    fn only_what_is_encoded_is_copied() {
        assert_eq!(field(b"type=a.b", "type"), Some(Text::Plain(5..8)));
        assert_eq!(field(b"type=a%2Eb", "type"), Some(Text::Decoded("a.b".to_owned())));
        assert_eq!(parameter("t%79pe=a+b", "type").as_deref(), Some("a b"));
        assert_eq!(parameter("a+b=1", "a b").as_deref(), Some("1"));
        assert_eq!(parameter("a%3Db=1", "a=b").as_deref(), Some("1"));
        assert_eq!(parameter("Body=caf%C3%A9", "Body").as_deref(), Some("café"));
    }

    #[test]
    fn a_broken_encoding_is_not_there() {
        for query in ["type=%", "type=%4", "type=%g1", "type=%+1", "type=%ff", "type=%C3", "ty%pe=x", "typ%=x"] {
            assert_eq!(parameter(query, "type"), None, "{query}");
        }
        assert_eq!(field(b"type=\xff", "type"), None);
        assert_eq!(parameter("ty%=a&type=x", "type").as_deref(), Some("x"), "what is broken hides nothing behind it");
    }

    fn encoded(text: &str) -> String {
        text.bytes()
            .map(|byte| match byte {
                b' ' => "+".to_owned(),
                plain if plain.is_ascii_alphanumeric() => char::from(plain).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect::<Vec<_>>()
            .concat()
    }

    proptest! {
        #[test]
        fn any_field_is_read_back(fields in prop::collection::vec((any::<String>(), any::<String>()), 1..8), at: prop::sample::Index) {
            let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
            let name = &fields[at.index(fields.len())].0;
            let first = fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            prop_assert_eq!(parameter(&pairs.join("&"), name), first);
        }

        #[test]
        fn any_bytes_are_survived(form in prop::collection::vec(any::<u8>(), 0..200), name in "[a=&%]{0,2}") {
            let _ = field(&form, &name);
        }
    }
}
