//! `[[source]]`: one provider's endpoint.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use ipnet::IpNet;

use super::{DuplicatesConfig, Handshake, Proof, Secret, Secrets, Split, UsedList, XmlPath};

/// One endpoint that a provider posts to.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Its name: in routes, metrics, logs and the `hookgate-source` header.
    pub name: String,
    /// Its path, exact bytes. `{segment}` stands for one segment that is not empty.
    pub path: String,
    /// The preset it started from, for display.
    pub preset: Option<String>,
    /// Who may send. Everything that is written here must be proven.
    pub auth: Auth,
    /// From where, and how much.
    pub senders: SendersConfig,
    /// Where the type may be, the first that is there counting.
    pub event_type: Vec<Locator>,
    /// Whether the source's signature covers the type wherever `event_type` may find it.
    pub type_signed: bool,
    /// Where the delivery id may be, likewise.
    pub delivery_id: Vec<Locator>,
    /// How a request is taken apart that carries several events; type and id are then those of each.
    pub split: Option<Split>,
    /// It takes CloudEvents: their headers are kept with an event.
    pub cloudevents: bool,
    /// Requests that are answered in place and delivered to no route, the first that fits.
    pub handshakes: Vec<Handshake>,
    /// What the acknowledgement means.
    pub ack: Ack,
    /// Largest body in bytes.
    pub max_body: usize,
    /// From the first byte of the head to the answer: what the provider waits, less a margin.
    pub deadline: Duration,
    /// For how long a delivery id that comes again is answered and not delivered. Only durable sources remember ids.
    pub duplicates: DuplicatesConfig,
    /// The answer to an accepted event.
    pub reply: ReplyConfig,
    /// The answer to a sender that did not prove itself.
    pub refuse: RefuseConfig,
    /// A source that accepts nothing for so long is reported as silent.
    pub expect_every: Option<Duration>,
    /// Headers that are kept with the event, besides `content-type` and `content-encoding`.
    pub keep_headers: Vec<HeaderName>,
}

/// Who may send. `auth = "none"` leaves all of it empty.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// What the provider proves itself with: a signature, a token.
    pub proof: Option<ProofAuth>,
    /// User and password.
    pub basic: Option<BasicAuth>,
    /// A key in a header of its own.
    pub api_key: Option<ApiKey>,
    /// Tokens, any of which may stand in `Authorization: Bearer`.
    pub bearer: Vec<Secret>,
    /// Tokens, any of which a handshake may have to show.
    pub verify_token: Vec<Secret>,
    /// Names, in lower case, any of which may stand in the certificate that the sender's connection was made with.
    pub client_names: Vec<String>,
}

/// From where a source takes requests, and how many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendersConfig {
    /// Addresses that may send; empty for all.
    pub allow: Vec<IpNet>,
    /// Addresses that may not, even where `allow` has them.
    pub deny: Vec<IpNet>,
    /// The lists whose ranges are in both.
    pub lists: Vec<UsedList>,
    /// Proven requests a second.
    pub max_rate: Option<u32>,
    /// Requests a second from one address, proven or not.
    pub max_rate_per_address: Option<u32>,
}

/// What a provider proves itself with, and what that is checked against.
#[derive(Debug, Clone)]
pub struct ProofAuth {
    /// The proof; never [`Proof::Own`].
    pub proof: Proof,
    /// Secrets, or public keys.
    pub secrets: Secrets,
    /// The scheme and authority under which the provider knows this gateway: `https://hooks.example.com`. Always there where
    /// the proof signs the URL.
    pub public_url: Option<String>,
    /// Which key, or what else the provider signs or sends and only the configuration knows. Always there where the proof
    /// wants it.
    pub key_id: Option<String>,
}

/// Basic credentials.
#[derive(Debug, Clone)]
pub struct BasicAuth {
    /// The user.
    pub user: String,
    /// Passwords, any of which counts. Never empty.
    pub passwords: Vec<Secret>,
    /// A query parameter in which base64 of `user:password` may stand instead of `Authorization` (`boomi_auth`).
    pub url_parameter: Option<String>,
}

/// A key in a header.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The header.
    pub header: HeaderName,
    /// Keys, any of which counts. Never empty.
    pub keys: Vec<Secret>,
}

/// Where a type or an id is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locator {
    /// The place.
    pub place: Place,
    /// A JSON member that is appended with a dot if the body has it: `issues` and `/action` make `issues.opened`.
    pub append: Option<Pointer>,
}

/// A place in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The value of a header.
    Header(HeaderName),
    /// The `{segment}` of the source's path with this name.
    Path(String),
    /// A query parameter.
    Query(String),
    /// A string or number in a JSON body.
    Json(Pointer),
    /// A field of a form.
    Form(String),
    /// An element or attribute of an XML body.
    Xml(XmlPath),
    /// An attribute of a CloudEvent; of `id` together with `source`, since only both are unique.
    CloudEvent(Attribute),
    /// Fixed text.
    Constant(String),
}

impl Place {
    /// Whether it is, or may be, in the body.
    pub(crate) fn is_in_body(&self) -> bool {
        match self {
            Self::Json(_) | Self::Form(_) | Self::Xml(_) | Self::CloudEvent(_) => true,
            Self::Header(_) | Self::Path(_) | Self::Query(_) | Self::Constant(_) => false,
        }
    }
}

/// An attribute of a CloudEvent, wherever the event's mode puts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its header in binary mode.
    pub header: HeaderName,
    /// Its member in structured mode.
    pub member: Pointer,
}

impl Attribute {
    /// The attribute of this name: lower-case letters and digits.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let header = HeaderName::from_bytes(format!("ce-{name}").as_bytes()).ok().filter(|_| is_name)?;
        Some(Self { name: name.to_owned(), header, member: Pointer(vec![name.to_owned()]) })
    }
}

/// A JSON pointer (RFC 6901), its segments unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(pub Vec<String>);

impl Pointer {
    /// Reads `/a/b`, in which `~1` stands for a slash and `~0` for a tilde. The whole document (an empty text) is no
    /// member and no pointer here.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let segments = text.strip_prefix('/')?.split('/');
        segments.map(unescape).collect::<Option<_>>().map(Self)
    }
}

fn unescape(segment: &str) -> Option<String> {
    let mut parts = segment.split('~');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (tilde, rest) = part.split_at_checked(1)?;
        text.push(match tilde {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        text.push_str(rest);
    }
    Some(text)
}

/// What a success answer promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// The event is in the journal and on disk: it survives the end of the process, however that comes, and a power loss.
    Durable,
    /// Every matching route has taken the event into memory. It does not survive the process.
    Memory,
}

/// A success answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyConfig {
    /// Its status: 2xx.
    pub status: StatusCode,
    /// Its content type; `None` only where the body is empty.
    pub content_type: Option<String>,
    /// Its body, in which `{id}` and `{type}` are filled in, escaped for the content type. `{{` and `}}` are braces.
    pub body: String,
}

/// The answer to a sender that did not prove itself; what is `None` is hookgate's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefuseConfig {
    /// Its status: 4xx or 5xx.
    pub status: Option<StatusCode>,
    /// Its content type.
    pub content_type: Option<String>,
    /// Its body, as it is.
    pub body: Option<String>,
}
