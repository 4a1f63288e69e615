//! A refused request as it is kept: one file, whole or not there.
//!
//! ```text
//! magic    checksum of the rest   bytes of ─▶ what is known   headers              body
//! 8 bytes  CRC-32C, 4 bytes       4 + 4 bytes JSON            name: value\r\n…     as it came, to the end of the file
//! ```
//!
//! Numbers are little-endian. A file that a crash cut off, or a disk has changed, has another checksum, and is none.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use serde::{Deserialize, Serialize};

use super::Refused;
use crate::admit::Admission;
use crate::refusal::Refusal;

/// What is known of one without looking into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Its id in the quarantine, which tells its time.
    pub(crate) id: String,
    pub(crate) source: String,
    /// The label of the refusal.
    pub(crate) reason: String,
    /// In milliseconds of the Unix epoch.
    pub(crate) received_ms: u64,
    /// Of the sender.
    pub(crate) address: IpAddr,
    /// Of its body.
    pub(crate) bytes: usize,
}

/// A refused request, without its credentials.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) summary: Summary,
    pub(crate) method: String,
    /// Path and query, without credentials.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// What a file knows beside headers and body.
#[derive(Serialize, Deserialize)]
struct Known<'e> {
    #[serde(flatten)]
    summary: Cow<'e, Summary>,
    method: Cow<'e, str>,
    target: Cow<'e, str>,
}

const MAGIC: &[u8; 8] = b"hgquar1\n";

impl Summary {
    pub(crate) fn received(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.received_ms)
    }
}

impl Entry {
    /// One that was refused at this source; its credentials stay behind.
    pub(crate) fn of(refused: &Refused, id: String, source: &str, admission: &Admission) -> Self {
        let received = refused.received.duration_since(UNIX_EPOCH).unwrap_or_default();
        let shown = refused.head.headers.iter().filter(|(name, value)| !admission.hides(name, value));
        let body = refused.draft.body();
        Self {
            summary: Summary {
                id,
                source: source.to_owned(),
                reason: refused.refusal.label().to_owned(),
                received_ms: received.as_millis() as u64,
                address: refused.client,
                bytes: body.len(),
            },
            method: refused.head.method.as_str().to_owned(),
            target: admission.public_target(&refused.head.uri).into_owned(),
            headers: shown.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect(),
            body: body.to_vec(),
        }
    }

    /// Whether it had shown its credentials, if its source wanted some, and was refused for something else.
    pub(crate) fn had_credentials(&self) -> bool {
        self.summary.reason != Refusal::WrongCredentials.label()
    }

    /// As it came, but for what was removed. `None` if what is kept is no request.
    pub(crate) fn head(&self) -> Option<Parts> {
        let request = http::Request::builder().method(self.method.as_str()).uri(self.target.as_str()).body(());
        let (mut parts, ()) = request.ok()?.into_parts();
        for (name, value) in &self.headers {
            parts.headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        Some(parts)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let known = Known {
            summary: Cow::Borrowed(&self.summary),
            method: self.method.as_str().into(),
            target: self.target.as_str().into(),
        };
        // A map of texts and numbers cannot fail to be written.
        let known = serde_json::to_vec(&known).unwrap_or_default();
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            headers.extend_from_slice(name.as_bytes());
            headers.extend_from_slice(b": ");
            headers.extend_from_slice(value);
            headers.extend_from_slice(b"\r\n");
        }
        let mut rest = Vec::with_capacity(8 + known.len() + headers.len() + self.body.len());
        rest.extend_from_slice(&(known.len() as u32).to_le_bytes());
        rest.extend_from_slice(&(headers.len() as u32).to_le_bytes());
        rest.extend_from_slice(&known);
        rest.extend_from_slice(&headers);
        rest.extend_from_slice(&self.body);
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&crc32c::crc32c(&rest).to_le_bytes());
        file.extend_from_slice(&rest);
        file
    }

    /// `None` for what is not whole.
    pub(super) fn decode(file: &[u8]) -> Option<Self> {
        let (checksum, rest) = file.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        if crc32c::crc32c(rest) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let (known, rest) = rest.split_first_chunk::<4>()?;
        let (headers, rest) = rest.split_first_chunk::<4>()?;
        let (known, rest) = rest.split_at_checked(u32::from_le_bytes(*known) as usize)?;
        let (headers, body) = rest.split_at_checked(u32::from_le_bytes(*headers) as usize)?;
        let header = |line: &[u8]| {
            let line = line.strip_suffix(b"\r\n")?;
            let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
            Some((String::from_utf8(name.to_vec()).ok()?, value.strip_prefix(b": ")?.to_vec()))
        };
        let known: Known<'_> = serde_json::from_slice(known).ok()?;
        Some(Self {
            summary: known.summary.into_owned(),
            method: known.method.into_owned(),
            target: known.target.into_owned(),
            headers: headers.split_inclusive(|&byte| byte == b'\n').map(header).collect::<Option<_>>()?,
            body: body.to_vec(),
        })
    }
}

/// Bodies may hold personal data: debug output tells of an entry, not its content.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("summary", &self.summary).finish_non_exhaustive()
    }
}
