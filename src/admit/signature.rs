//! One request against one signature scheme: what is signed goes through the MAC of every secret, in the scheme's order.
//!
//! Most schemes sign the body and what the head has; their bodies are hashed as they came, here. What must see the whole
//! body first (a signature in it, its fields in another order, a public key) waits for its end, in `whole`.

use std::time::SystemTime;

use http::HeaderMap;
use http::request::Parts;
use smallvec::SmallVec;

use super::candidates::Candidates;
use super::header::lone;
use super::keyring::{Keyring, Timed};
use super::mac::{Mac, Tag, any_match};
use super::public_key::PublicKey;
use super::timestamp::Clock;
use super::whole::WholeSignature;
use super::{AdmissionError, timestamp};
use crate::config::{Covers, ProofAuth, Scheme, Secret, SignatureForm, SignaturePlace, SignedPart, StampPlace};
use crate::refusal::Refusal;

/// A scheme with the keys of its source.
pub(super) struct Signature {
    pub(super) scheme: Scheme,
    keys: Keys,
    /// Scheme and authority that the provider signs; empty where it signs no URL.
    pub(super) public_url: String,
    pub(super) key_id: String,
    /// Whether the body can be hashed as it comes.
    pub(super) streams: bool,
}

/// Keys of either kind.
enum Keys {
    Macs(Box<Keyring<Macs>>),
    Public(Keyring<Vec<Timed<PublicKey>>>),
}

/// The keys for one request.
#[derive(Clone, Copy)]
pub(super) enum KeySet<'a> {
    Macs(&'a [Timed<Mac>]),
    Public(&'a [Timed<PublicKey>]),
}

pub(super) type Macs = SmallVec<[Timed<Mac>; 2]>;

/// What became of a head, which needs the body yet.
pub(super) enum Opened<'a> {
    Streamed(OpenSignature<'a>),
    Whole(WholeSignature<'a>),
}

impl Signature {
    pub(super) fn new(scheme: &Scheme, auth: &ProofAuth) -> Result<Self, AdmissionError> {
        check_scheme(scheme)?;
        if scheme.signs_url() && auth.public_url.is_none() {
            return Err(AdmissionError::NoPublicUrl);
        }
        let keys = if scheme.algorithm.is_mac() {
            Keys::Macs(Box::new(Keyring::new(&auth.secrets, |secrets| macs(scheme, secrets))?))
        } else {
            let make = |(secret, nth): (&Secret, usize)| {
                Ok(Timed::new(PublicKey::new(scheme.algorithm, &scheme.key, secret, nth)?, secret))
            };
            Keys::Public(Keyring::new(&auth.secrets, |secrets| secrets.iter().zip(1..).map(make).collect())?)
        };
        Ok(Self {
            streams: streams(scheme),
            scheme: scheme.clone(),
            keys,
            public_url: auth.public_url.clone().unwrap_or_default(),
            key_id: auth.key_id.clone().unwrap_or_default(),
        })
    }

    /// Checks all that the head can tell and hashes what is signed before the body.
    pub(super) fn open<'a>(
        &'a self,
        parts: &'a Parts,
        tenant: Option<&str>,
        clock: Clock,
    ) -> Result<Opened<'a>, Refusal> {
        self.check_expected(&parts.headers)?;
        let keys = match (&self.keys, &self.scheme.place) {
            (Keys::Macs(ring), SignaturePlace::Headers(names)) if self.streams => {
                let keys = ring.get(tenant)?;
                let candidates = Candidates::in_headers(&parts.headers, names, &self.scheme)?;
                return self.stream(keys, parts, &candidates, clock).map(Opened::Streamed);
            }
            (Keys::Macs(ring), _) => KeySet::Macs(ring.get(tenant)?),
            (Keys::Public(ring), _) => KeySet::Public(ring.get(tenant)?),
        };
        WholeSignature::open(self, keys, parts, clock).map(Opened::Whole)
    }

    fn stream<'a>(
        &'a self,
        keys: &'a [Timed<Mac>],
        parts: &'a Parts,
        candidates: &Candidates<'a>,
        clock: Clock,
    ) -> Result<OpenSignature<'a>, Refusal> {
        let offered = tags(&candidates.texts, &self.scheme)?;
        let stamp = self.stamp(&parts.headers, candidates)?;
        if let (Some(text), Some(stamp)) = (stamp, &self.scheme.timestamp) {
            timestamp::check(text, stamp, clock)?;
        }
        let (mut pieces, mut before_body) = (SmallVec::new(), 0);
        for part in &self.scheme.signed {
            if *part == SignedPart::Body {
                before_body = pieces.len();
                continue;
            }
            pieces.extend(self.of_head(part, parts, stamp)?.into_iter().filter(|piece| !piece.is_empty()));
        }
        Ok(OpenSignature { keys, now: clock.now, begun: None, hashed: 0, offered, pieces, before_body })
    }

    /// The bytes of a part that stands in the head, in two pieces of which the second may be empty. Parts that do not are
    /// for `whole`.
    pub(super) fn of_head<'a>(
        &'a self,
        part: &'a SignedPart,
        parts: &'a Parts,
        stamp: Option<&'a [u8]>,
    ) -> Result<[&'a [u8]; 2], Refusal> {
        let target = || parts.uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(match part {
            SignedPart::Literal(text) => [text.as_bytes(), b""],
            SignedPart::Timestamp => [stamp.ok_or(Refusal::MalformedTimestamp)?, b""],
            SignedPart::Header(name) => {
                let value = lone(&parts.headers, name, Refusal::AmbiguousSignature)?;
                [value.ok_or(Refusal::MissingSignature)?, b""]
            }
            SignedPart::Method => [parts.method.as_str().as_bytes(), b""],
            SignedPart::Path => [parts.uri.path().as_bytes(), b""],
            SignedPart::Url => [self.public_url.as_bytes(), target().as_bytes()],
            SignedPart::KeyId => [self.key_id.as_bytes(), b""],
            _ => [b"", b""],
        })
    }

    /// The timestamp's text, if the scheme has one in the head.
    pub(super) fn stamp<'a>(
        &self,
        headers: &'a HeaderMap,
        found: &Candidates<'a>,
    ) -> Result<Option<&'a [u8]>, Refusal> {
        let text = match self.scheme.timestamp.as_ref().map(|stamp| &stamp.place) {
            None | Some(StampPlace::Json(_)) => return Ok(None),
            Some(StampPlace::Pair(_)) => found.stamp,
            Some(StampPlace::Header(name)) => lone(headers, name, Refusal::AmbiguousSignature)?,
        };
        text.map(Some).ok_or(Refusal::MalformedTimestamp)
    }

    /// A MAC under the first secret that counts now, for answers to handshakes and for whoever plays the sender.
    pub(super) fn mac(&self, tenant: Option<&str>, now: SystemTime) -> Option<Mac> {
        let Keys::Macs(ring) = &self.keys else { return None };
        ring.get(tenant).ok()?.iter().find_map(|key| key.at(now)).cloned()
    }

    /// Takes a secret that the provider hands over. `false` if it is unfit or another is known.
    pub(super) fn learn(&self, secret: &Secret) -> bool {
        let secrets = std::slice::from_ref(secret);
        match &self.keys {
            Keys::Macs(ring) => macs(&self.scheme, secrets).is_ok_and(|keys| ring.learn(keys)),
            Keys::Public(_) => false,
        }
    }

    /// What names the scheme's version or the key must name those that are checked.
    fn check_expected(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        for (name, value) in &self.scheme.expects {
            if !headers.get_all(name).iter().all(|sent| sent.as_bytes() == value.as_bytes()) {
                return Err(Refusal::MalformedSignature);
            }
        }
        let Some(name) = &self.scheme.key_id else { return Ok(()) };
        let sent = lone(headers, name, Refusal::AmbiguousSignature)?;
        if sent == Some(self.key_id.as_bytes()) { Ok(()) } else { Err(Refusal::WrongSignature) }
    }
}

/// A signature whose body is still arriving. Most bodies are hashed in one go at their end, when they are still in cache:
/// until then there is no state to keep. Of long ones the work is spread over their frames, so that no other connection of
/// the thread waits for all of it at once.
pub(super) struct OpenSignature<'a> {
    keys: &'a [Timed<Mac>],
    now: SystemTime,
    /// The MACs of a long body, as far as it is `hashed`.
    begun: Option<Box<[Mac]>>,
    hashed: usize,
    offered: SmallVec<[Tag; 2]>,
    /// What is signed besides the body; the first `before_body` of them stand before it.
    pieces: SmallVec<[&'a [u8]; 4]>,
    before_body: usize,
}

impl OpenSignature<'_> {
    /// The body has grown to `so_far`.
    pub(super) fn advance(&mut self, so_far: &[u8]) {
        let Some(news) = so_far.get(self.hashed..).filter(|news| news.len() >= HASHED_AT_ONCE) else { return };
        let mut begun = self.begun.take().unwrap_or_else(|| self.start().collect());
        begun.iter_mut().for_each(|mac| mac.update(news));
        self.begun = Some(begun);
        self.hashed = so_far.len();
    }

    pub(super) fn finish(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let begun = self.begun.take();
        let rest = body.get(self.hashed..).unwrap_or_default();
        let end = |mut mac: Mac| {
            mac.update(rest);
            self.pieces.iter().skip(self.before_body).for_each(|piece| mac.update(piece));
            mac.finish()
        };
        let fits = match begun {
            Some(begun) => any_match(begun.into_iter().map(end), &self.offered),
            None => any_match(self.start().map(end), &self.offered),
        };
        if fits { Ok(()) } else { Err(Refusal::WrongSignature) }
    }

    /// The MACs under the keys that count now, up to the body.
    fn start(&self) -> impl Iterator<Item = Mac> {
        self.keys.iter().filter_map(|key| key.at(self.now)).cloned().map(|mut mac| {
            self.pieces.iter().take(self.before_body).for_each(|piece| mac.update(piece));
            mac
        })
    }
}

/// Bytes of a body that are hashed in one go, under each secret: some 60 µs with SHA-256.
const HASHED_AT_ONCE: usize = 128 << 10;

/// Those of the texts that are MACs of the scheme, at least one.
pub(super) fn tags(texts: &[&[u8]], scheme: &Scheme) -> Result<SmallVec<[Tag; 2]>, Refusal> {
    let decoded = texts.iter().filter_map(|text| Tag::decode(text, scheme.encoding, scheme.algorithm));
    let tags: SmallVec<[Tag; 2]> = decoded.collect();
    if tags.is_empty() { Err(Refusal::MalformedSignature) } else { Ok(tags) }
}

fn macs(scheme: &Scheme, secrets: &[Secret]) -> Result<Macs, AdmissionError> {
    let make =
        |(secret, nth): (&Secret, usize)| Ok(Timed::new(Mac::new(scheme.algorithm, &scheme.key, secret, nth)?, secret));
    secrets.iter().zip(1..).map(make).collect()
}

/// Whether everything but the body is in the head, and the signature too.
fn streams(scheme: &Scheme) -> bool {
    let in_head = |part: &SignedPart| {
        matches!(
            part,
            SignedPart::Literal(_)
                | SignedPart::Timestamp
                | SignedPart::Header(_)
                | SignedPart::Method
                | SignedPart::Path
                | SignedPart::Url
                | SignedPart::KeyId
                | SignedPart::Body
        )
    };
    scheme.algorithm.is_mac()
        && scheme.each.is_none()
        && scheme.body_hash.is_none()
        && matches!(scheme.place, SignaturePlace::Headers(_))
        && !matches!(scheme.timestamp.as_ref().map(|stamp| &stamp.place), Some(StampPlace::Json(_)))
        && scheme.signed.contains(&SignedPart::Body)
        && scheme.signed.iter().all(in_head)
}

/// Whether a scheme can be computed at all.
pub(super) fn check_scheme(scheme: &Scheme) -> Result<(), AdmissionError> {
    let is_body = |part: &&SignedPart| matches!(part, SignedPart::Body | SignedPart::Form | SignedPart::SortedUrl);
    let times = scheme.signed.iter().filter(is_body).count();
    if times > 1 || (times == 0 && scheme.covers == Covers::Body) {
        return Err(AdmissionError::BodyNotOnce { times });
    }
    match scheme.timestamp.as_ref().map(|stamp| &stamp.place) {
        None if scheme.signed.contains(&SignedPart::Timestamp) => Err(AdmissionError::UnplacedTimestamp),
        Some(StampPlace::Pair(key)) => match &scheme.form {
            SignatureForm::Pairs { mac, .. } if mac != key => Ok(()),
            _ => Err(AdmissionError::NoSuchPair { key: key.clone() }),
        },
        None | Some(StampPlace::Header(_) | StampPlace::Json(_)) => Ok(()),
    }
}
