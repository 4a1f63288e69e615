//! The text of one member of a JSON body, by walking from the outside in and skipping what does not lie on the way.
//!
//! What an answer proves, and what it does not:
//!
//! - On the levels of the path everything before the member is checked: the colons, the commas, the form of numbers and
//!   literals, the escapes of keys. Anything wrong there is "not found".
//! - Of a value that is skipped only its extent is known: a string ends at its quote, a container where its brackets are
//!   balanced. What is in them may be no JSON at all.
//! - The text itself is checked whole: UTF-8, escapes, no bare control character; a number by JSON's grammar.
//! - What follows the member is not looked at.
//!
//! So for a body that is JSON the answer is right, and for one that is not it is "not found" or what stands where the
//! member would stand.
//!
//! **A key that is there twice**: the first counts, because going on to the end for the sake of bodies that no provider
//! should send would cost every other one. Most parsers take the last (RFC 8259, section 4, leaves it open), so a sender
//! can show hookgate another type than a processor reads. Only a sender that has proven itself gets here, and it could as
//! well have sent either type alone. Where a provider lets its own users choose members beside the type, a processor that
//! depends on the type must read it from the body, not from what hookgate says.
//!
//! A byte order mark at the start is passed over: RFC 8259, section 8.1, lets a parser, and some senders write one.

use std::ops::Range;

use super::escape::Unescaped;
use super::scan::{container_end, string_end};
use super::text::Text;

/// The text of the member that a JSON pointer, given by its unescaped segments, names. `None` if it is absent, neither a
/// string nor a number, or the body is malformed on the way to it.
pub(crate) fn find(body: &[u8], path: &[String]) -> Option<Text> {
    Walk::to(body, path)?.text(path.is_empty())
}

/// Where the elements of the array lie that a pointer names, in their order; a `None` among them is the last: the body does
/// not go on as JSON would. Of each only its extent is known. `None`: there is no array.
pub(crate) fn elements(body: &[u8], path: &[String]) -> Option<impl Iterator<Item = Option<Range<usize>>>> {
    let mut walk = Walk::to(body, path)?;
    walk.expect(b'[')?;
    let mut at_end = walk.peek() == Some(b']');
    Some(std::iter::from_fn(move || {
        if at_end {
            return None;
        }
        let element = walk.element();
        let behind = element.as_ref().and_then(|_| walk.next());
        at_end = behind != Some(b',');
        Some(element.filter(|_| matches!(behind, Some(b',' | b']'))))
    }))
}

/// The body without the mark that it may begin with.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A pointer's segment as the index of an array: without leading zeros (RFC 6901, section 4).
fn index(segment: &str) -> Option<usize> {
    let leading_zero = segment.len() > 1 && segment.starts_with('0');
    let digits = segment.bytes().all(|byte| byte.is_ascii_digit());
    if digits && !leading_zero { segment.parse().ok() } else { None }
}

/// A place in a body. Every step is `None` where the body does not go on as JSON would.
struct Walk<'body> {
    bytes: &'body [u8],
    at: usize,
}

/// A string's content as it is written.
struct RawString<'body> {
    start: usize,
    content: &'body [u8],
    escapes: bool,
}

impl<'body> Walk<'body> {
    /// In front of the value that a path leads to.
    fn to(body: &'body [u8], path: &[String]) -> Option<Self> {
        let mut walk = Self { bytes: body, at: body.len() - without_mark(body).len() };
        for segment in path {
            match walk.next()? {
                b'{' => walk.enter_member(segment)?,
                b'[' => walk.enter_element(index(segment)?)?,
                _ => return None,
            }
        }
        Some(walk)
    }

    /// Over the value that starts here.
    fn element(&mut self) -> Option<Range<usize>> {
        self.peek()?;
        let start = self.at;
        self.skip_value()?;
        Some(start..self.at)
    }

    /// From behind `{` to the value of a member.
    fn enter_member(&mut self, name: &str) -> Option<()> {
        loop {
            let key = self.expect(b'"').and_then(|()| self.string())?;
            self.expect(b':')?;
            if key.is(name)? {
                return Some(());
            }
            self.skip_value()?;
            self.expect(b',')?;
        }
    }

    /// From behind `[` to an element.
    fn enter_element(&mut self, index: usize) -> Option<()> {
        for _ in 0..index {
            self.skip_value()?;
            self.expect(b',')?;
        }
        Some(())
    }

    /// The value that starts here, as text. `is_document`: it is the whole body, and a number may end with it.
    fn text(&mut self, is_document: bool) -> Option<Text> {
        match self.next()? {
            b'"' => self.string()?.text(),
            first @ (b'-' | b'0'..=b'9') => {
                let start = self.at - 1;
                self.number(first)?;
                let complete = match self.bytes.get(self.at) {
                    None => is_document,
                    Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t') => true,
                    Some(_) => false,
                };
                complete.then_some(Text::Plain(start..self.at))
            }
            _ => None,
        }
    }

    fn skip_value(&mut self) -> Option<()> {
        match self.next()? {
            b'"' => self.at = string_end(self.bytes, self.at)?.quote + 1,
            b'{' | b'[' => self.at = container_end(self.bytes, self.at)?,
            first @ (b'-' | b'0'..=b'9') => self.number(first)?,
            b't' => self.literal(b"rue")?,
            b'f' => self.literal(b"alse")?,
            b'n' => self.literal(b"ull")?,
            _ => return None,
        }
        Some(())
    }

    /// From behind the opening quote to behind the closing one.
    fn string(&mut self) -> Option<RawString<'body>> {
        let start = self.at;
        let end = string_end(self.bytes, start)?;
        self.at = end.quote + 1;
        Some(RawString { start, content: self.bytes.get(start..end.quote)?, escapes: end.escapes })
    }

    /// From behind the first byte of a number, its sign or a digit, to behind its last.
    fn number(&mut self, mut first: u8) -> Option<()> {
        if first == b'-' {
            first = self.bytes.get(self.at).copied().filter(u8::is_ascii_digit)?;
            self.at += 1;
        }
        if first != b'0' {
            self.digits();
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.at_least_one_digit()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.at_least_one_digit()?;
        }
        Some(())
    }

    fn at_least_one_digit(&mut self) -> Option<()> {
        let start = self.at;
        self.digits();
        (self.at > start).then_some(())
    }

    fn digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn literal(&mut self, rest: &[u8]) -> Option<()> {
        let found = self.bytes.get(self.at..)?.starts_with(rest);
        self.at += rest.len();
        found.then_some(())
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// The next byte that is not white space, which is then where the walk is.
    fn peek(&mut self) -> Option<u8> {
        let byte = self.next()?;
        self.at -= 1;
        Some(byte)
    }

    /// The next byte that is not white space.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
        }
    }
}

impl RawString<'_> {
    /// Whether this is how `name` is written. `None` if its escapes are malformed.
    fn is(&self, name: &str) -> Option<bool> {
        if !self.escapes {
            return Some(self.content == name.as_bytes());
        }
        let mut wanted = name.chars();
        let mut same = true;
        for read in Unescaped::new(std::str::from_utf8(self.content).ok()?) {
            let read = read.ok()?;
            same &= wanted.next() == Some(read);
        }
        Some(same && wanted.next().is_none())
    }

    fn text(&self) -> Option<Text> {
        let text = std::str::from_utf8(self.content).ok()?;
        if self.escapes {
            return Unescaped::new(text).collect::<Result<_, _>>().ok().map(Text::Decoded);
        }
        if text.bytes().any(|byte| byte < b' ') {
            return None;
        }
        Some(Text::Plain(self.start..self.start + self.content.len()))
    }
}
