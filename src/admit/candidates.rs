//! What a request offers as its signature: one text, or several while a provider rotates its secrets. Any that fits is enough,
//! so one that cannot be read stands in nobody's way as long as another can.

use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::header::lone;
use crate::config::{Scheme, SignatureForm, StampPlace};
use crate::refusal::Refusal;

/// The texts that may be signatures, at least one, and the timestamp if it stands among them.
pub(super) struct Candidates<'a> {
    pub(super) texts: SmallVec<[&'a [u8]; 2]>,
    pub(super) stamp: Option<&'a [u8]>,
}

impl<'a> Candidates<'a> {
    /// Those in the headers of the scheme, of which those that are not sent are passed over.
    pub(super) fn in_headers(headers: &'a HeaderMap, names: &[HeaderName], scheme: &Scheme) -> Result<Self, Refusal> {
        let mut found = Self::none();
        let mut is_there = false;
        for name in names {
            if let SignatureForm::Versions { .. } = scheme.form {
                for line in headers.get_all(name) {
                    is_there = true;
                    found.read(line.as_bytes(), scheme)?;
                }
            } else if let Some(value) = lone(headers, name, Refusal::AmbiguousSignature)? {
                is_there = true;
                found.read(value, scheme)?;
            }
        }
        if is_there { found.some() } else { Err(Refusal::MissingSignature) }
    }

    /// Those in a text of the body.
    pub(super) fn in_text(text: &'a [u8], scheme: &Scheme) -> Result<Self, Refusal> {
        let mut found = Self::none();
        found.read(text, scheme)?;
        found.some()
    }

    fn none() -> Self {
        Candidates { texts: SmallVec::new(), stamp: None }
    }

    fn some(self) -> Result<Self, Refusal> {
        if self.texts.is_empty() { Err(Refusal::MalformedSignature) } else { Ok(self) }
    }

    fn read(&mut self, value: &'a [u8], scheme: &Scheme) -> Result<(), Refusal> {
        match &scheme.form {
            SignatureForm::Single { prefix } => {
                value.strip_prefix(prefix.as_bytes()).map_or(Ok(()), |it| self.offer(it))
            }
            SignatureForm::Pairs { mac, separator } => self.read_pairs(value, mac, *separator as u8, scheme),
            SignatureForm::Versions { version } => self.read_versions(value, version),
            SignatureForm::List => value.split(|byte| *byte == b',').try_for_each(|text| self.offer(text.trim_ascii())),
        }
    }

    /// `t=1700000000,v1=…,v1=…`. Some senders put a space after the comma.
    fn read_pairs(&mut self, value: &'a [u8], mac: &str, separator: u8, scheme: &Scheme) -> Result<(), Refusal> {
        let stamp_key = scheme.timestamp.as_ref().and_then(|stamp| match &stamp.place {
            StampPlace::Pair(key) => Some(key.as_bytes()),
            StampPlace::Header(_) | StampPlace::Json(_) => None,
        });
        for pair in value.split(|byte| *byte == separator) {
            let Some((key, text)) = split_once(pair.trim_ascii(), b'=') else { continue };
            if key == mac.as_bytes() {
                self.offer(text)?;
            } else if Some(key) == stamp_key && self.stamp.replace(text).is_some() {
                return Err(Refusal::AmbiguousSignature);
            }
        }
        Ok(())
    }

    /// `v1,… v1,… v1a,…`, on as many lines as the sender likes.
    fn read_versions(&mut self, line: &'a [u8], version: &str) -> Result<(), Refusal> {
        for entry in line.split(|byte| *byte == b' ') {
            if let Some((key, text)) = split_once(entry, b',')
                && key == version.as_bytes()
            {
                self.offer(text)?;
            }
        }
        Ok(())
    }

    fn offer(&mut self, text: &'a [u8]) -> Result<(), Refusal> {
        if self.texts.len() == CANDIDATES_MAX {
            return Err(Refusal::MalformedSignature);
        }
        self.texts.push(text);
        Ok(())
    }
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.get(1..)?))
}

/// More than any provider sends; a header of thousands would be guessing, and work for us.
const CANDIDATES_MAX: usize = 16;
