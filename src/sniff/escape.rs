//! The characters that a JSON string's content stands for.

/// Decodes a JSON string's content, already known to be UTF-8, character by character. Ends behind the first `Err`: an
/// escape that JSON does not know, half of a surrogate pair, or a control character that must not stand bare.
#[derive(Debug, Clone)]
pub(crate) struct Unescaped<'raw> {
    rest: std::str::Chars<'raw>,
}

/// The content is not that of a JSON string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'raw> Unescaped<'raw> {
    pub(crate) fn new(raw: &'raw str) -> Self {
        Self { rest: raw.chars() }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.rest.next()? {
            plain @ ('"' | '\\' | '/') => plain,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.code_point()?,
            _ => return None,
        })
    }

    fn code_point(&mut self) -> Option<char> {
        let unit = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&unit) {
            // A low surrogate without a high one is no `char`.
            return char::from_u32(unit);
        }
        let (Some('\\'), Some('u')) = (self.rest.next(), self.rest.next()) else { return None };
        let low = self.four_digits()?;
        if !(0xdc00..0xe000).contains(&low) {
            return None;
        }
        char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
    }

    fn four_digits(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit * 16 + self.rest.next()?.to_digit(16)?;
        }
        Some(unit)
    }
}

impl Iterator for Unescaped<'_> {
    type Item = Result<char, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = match self.rest.next()? {
            '\\' => self.escaped(),
            bare if bare < ' ' => None,
            plain => Some(plain),
        };
        if read.is_none() {
            self.rest = "".chars();
        }
        Some(read.ok_or(Malformed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(raw: &str) -> Result<String, Malformed> {
        Unescaped::new(raw).collect()
    }

    #[test]
    fn every_escape_of_json_is_decoded() {
        assert_eq!(decode(r#"\"\\\/\b\f\n\r\t\u0041\u00e9"#).as_deref(), Ok("\"\\/\u{8}\u{c}\n\r\tAé"));
        assert_eq!(decode(r"\uD834\udd1e").as_deref(), Ok("𝄞"));
    }

    #[test]
    fn what_json_does_not_know_is_malformed() {
        for raw in [
            r"\",
            r"\x41",
            r"\u",
            r"\u004",
            r"\u00g1",
            r"\u+041",
            r"\ud834",
            r"\ud834x",
            r"\ud834\n",
            r"\ud834\u0041",
            r"\udd1e",
            r"\ud834\ud834",
            "a\tb",
            "\0",
        ] {
            assert_eq!(decode(raw), Err(Malformed), "{raw:?}");
        }
    }

    #[test]
    fn nothing_follows_what_is_malformed() {
        assert_eq!(Unescaped::new(r"a\xbc").collect::<Vec<_>>(), [Ok('a'), Err(Malformed)]);
    }
}
