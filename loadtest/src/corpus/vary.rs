//! Another event out of one: the same shape, other contents.
//!
//! ```text
//! "login":"Codertocat"    "id":21031067    "updated_at":"2019-05-15T15:20:18Z"
//! "login":"Kolefanuri"    "id":84630255    "updated_at":"2019-05-15T15:41:07Z"
//! ```
//! Each character becomes one of its class, so that lengths stay, hashes stay hexadecimal and words can be spoken. Within a
//! body a word becomes the same word everywhere: a repository's name recurs in its URLs as in the original.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

/// What one event, or one part of it, is made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variation {
    body: u64,
    part: u64,
}

impl Variation {
    /// The variation of this part of this body.
    pub(super) fn new(body: u64, part: u64) -> Self {
        Self { body, part }
    }

    /// Varies compact JSON.
    pub(super) fn of(self, json: &str) -> Vec<u8> {
        let mut out = json.as_bytes().to_vec();
        for Token { range, kind } in tokens(json) {
            let Some(text) = out.get_mut(range) else { continue };
            match kind {
                Kind::Key => {}
                Kind::Number => self.number(text),
                Kind::Text => self.text(text),
            }
        }
        out
    }

    /// Numbers of three digits and more are ids and sizes; smaller ones are counts and mean something.
    fn number(self, digits: &mut [u8]) {
        if digits.len() >= 3 && digits.iter().all(u8::is_ascii_digit) {
            self.word(digits);
        }
    }

    fn text(self, text: &mut [u8]) {
        if is_time(text) {
            let original: Vec<u8> = text[14..19].to_vec();
            self.word(&mut text[14..19]);
            for (now, was) in text[14..19].iter_mut().zip(original) {
                if !was.is_ascii_digit() {
                    *now = was;
                }
            }
            // Minutes and seconds end at 59.
            for tens in [14, 17] {
                text[tens] = b'0' + (text[tens] - b'0') % 6;
            }
            return;
        }
        let is_prose = text.contains(&b' ');
        let mut at = 0;
        while at < text.len() {
            let length = text[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let escaped = at > 0 && text[at - 1] == b'\\';
            let word = &mut text[at..at + length];
            let names = word.iter().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            if !escaped && length >= 3 && (is_prose || names) {
                self.word(word);
            }
            at += length.max(1);
        }
    }

    fn word(self, word: &mut [u8]) {
        let mut hasher = DefaultHasher::new();
        (self.body, self.part, &*word).hash(&mut hasher);
        let mut random = fastrand::Rng::with_seed(hasher.finish());
        let is_code = word.iter().any(u8::is_ascii_digit);
        let is_hex = is_code
            && word.iter().any(u8::is_ascii_lowercase)
            && word.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut pick = |from: &[u8]| from[random.usize(..from.len())];
        let mut is_first = true;
        for byte in word {
            *byte = match *byte {
                b'0'..=b'9' | b'a'..=b'f' if is_hex => pick(b"0123456789abcdef"),
                b'0'..=b'9' if is_first => pick(b"123456789"),
                b'0'..=b'9' => pick(b"0123456789"),
                b'a'..=b'z' if is_code => pick(b"abcdefghijklmnopqrstuvwxyz"),
                b'A'..=b'Z' if is_code => pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
                b'a' | b'e' | b'i' | b'o' | b'u' => pick(b"aeiou"),
                b'a'..=b'z' => pick(b"bcdfghklmnprstvwz"),
                b'A' | b'E' | b'I' | b'O' | b'U' => pick(b"AEIOU"),
                b'A'..=b'Z' => pick(b"BCDFGHKLMNPRSTVWZ"),
                other => other,
            };
            is_first = false;
        }
    }
}

/// JSON without the white space between its tokens.
pub(super) fn compact(json: &str) -> String {
    let (mut out, mut in_string, mut escaped) = (String::with_capacity(json.len()), false, false);
    for c in json.chars() {
        if in_string || !c.is_whitespace() {
            out.push(c);
        }
        in_string ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    out
}

/// Where the first element of a top-level array of objects lies in compact JSON.
pub(super) fn element(json: &str, name: &str) -> Option<Range<usize>> {
    let key = format!("\"{name}\":[{{");
    let start = json.find(&key)? + key.len() - 1;
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    for (at, byte) in json.bytes().enumerate().skip(start) {
        match byte {
            b'{' if !in_string => depth += 1,
            b'}' if !in_string => depth -= 1,
            _ => {}
        }
        in_string ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        if depth == 0 {
            return Some(start..at + 1);
        }
    }
    None
}

struct Token {
    /// Quotes not included.
    range: Range<usize>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Text,
    Number,
}

/// The strings and numbers of compact JSON.
fn tokens(json: &str) -> impl Iterator<Item = Token> {
    let bytes = json.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            match bytes.get(at)? {
                b'"' => {
                    let start = at + 1;
                    let mut end = start;
                    while *bytes.get(end)? != b'"' {
                        end += if bytes[end] == b'\\' { 2 } else { 1 };
                    }
                    at = end + 1;
                    let kind = if bytes.get(at) == Some(&b':') { Kind::Key } else { Kind::Text };
                    return Some(Token { range: start..end, kind });
                }
                b'0'..=b'9' => {
                    let start = at;
                    while bytes.get(at).is_some_and(|byte| byte.is_ascii_digit() || b".eE+-".contains(byte)) {
                        at += 1;
                    }
                    return Some(Token { range: start..at, kind: Kind::Number });
                }
                _ => at += 1,
            }
        }
    })
}

/// `2019-05-15T15:20:18`, and what may follow.
fn is_time(text: &[u8]) -> bool {
    text.len() >= 19
        && text[..19].iter().zip(b"dddd-dd-ddTdd:dd:dd").all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn varied(json: &str) -> String {
        String::from_utf8(Variation::new(1, 0).of(json)).unwrap()
    }

    #[test]
    fn contents_change_and_keys_and_lengths_do_not() {
        let json = r#"{"login":"Codertocat","id":21031067,"size":3,"site_admin":false}"#;
        let other = varied(json);
        assert_eq!(other.len(), json.len());
        assert!(other.starts_with(r#"{"login":""#) && other.ends_with(r#","size":3,"site_admin":false}"#), "{other}");
        assert!(!other.contains("Codertocat") && !other.contains("21031067"), "{other}");
        assert_ne!(other.into_bytes(), Variation::new(2, 0).of(json));
    }

    #[test]
    fn a_name_recurs_and_the_rest_of_its_url_stays() {
        let other = varied(r#"{"login":"Codertocat","url":"https://api.github.com/users/Codertocat/gists"}"#);
        let value: serde_json::Value = serde_json::from_str(&other).unwrap();
        let url = format!("https://api.github.com/users/{}/gists", value["login"].as_str().unwrap());
        assert_eq!(value["url"], *url);
    }

    #[test]
    fn a_time_stays_a_time_and_an_escape_an_escape() {
        let other = varied(r#"["2019-05-15T15:20:18Z","two lines\r\nof \u00fcbung \"quoted\" text"]"#);
        let value: Vec<String> = serde_json::from_str(&other).unwrap();
        assert!(is_time(value[0].as_bytes()) && value[0].starts_with("2019-05-15T15:"), "{other}");
        assert!(value[1].contains("\r\n") && value[1].contains("ü"), "{other}");
    }

    #[test]
    fn the_element_of_an_array_is_found_with_its_braces() {
        let json = compact("{ \"a\" : 1, \"commits\": [ {\"m\": \"} {\", \"by\": {}} ] }");
        assert_eq!(&json[element(&json, "commits").unwrap()], r#"{"m":"} {","by":{}}"#);
    }
}
