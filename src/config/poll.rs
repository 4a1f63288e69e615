//! `[[poll]]`: what has no webhook is asked for.

use std::time::Duration;

use super::{DuplicatesConfig, HttpSink, Locator, Pointer, Secret};

/// A query that is made at an interval, and how its answers become events.
#[derive(Debug, Clone)]
pub struct PollConfig {
    /// Its name; unless it fills another's gaps, that of its events' source too.
    pub name: String,
    /// The source whose events these are, by its index: with its name, its duplicates window and its routes.
    pub fills: Option<usize>,
    /// Whom it asks: the URL with its `{cursor}`, credentials, headers, trust and time limits.
    pub server: HttpSink,
    /// A token that is fetched, in the place of credentials of its own.
    pub oauth2: Option<OAuthConfig>,
    /// From the end of one run to the begin of the next.
    pub every: Duration,
    /// So much of `every`, at random, is added to it.
    pub jitter: f64,
    /// Where the records are; an empty pointer is the whole answer.
    pub items: Pointer,
    /// Where a record has its type.
    pub event_type: Vec<Locator>,
    /// Where it has its id.
    pub delivery_id: Vec<Locator>,
    /// What of the records was seen; `None` to ask for all of them each time.
    pub cursor: Option<CursorConfig>,
    /// How the next page is asked for; `None` where there is only one.
    pub next: Option<NextPage>,
    /// Pages of one run.
    pub max_pages: usize,
    /// Bytes of one page.
    pub max_answer: usize,
    /// How long delivery ids are remembered, where the poll fills nobody's gaps.
    pub duplicates: DuplicatesConfig,
}

/// OAuth 2.0 client credentials (RFC 6749 §4.4): what a token is fetched with.
#[derive(Debug, Clone)]
pub struct OAuthConfig {
    /// Whom it is fetched from: `token_url` with its headers, trust and time limits, without the credentials.
    pub server: HttpSink,
    /// Who asks for it.
    pub client_id: String,
    /// The proof of that.
    pub client_secret: Secret,
    /// What it is to allow.
    pub scope: Option<String>,
    /// The API that it is for, where the token's server wants to know.
    pub audience: Option<String>,
    /// Whether id and secret are fields of the form, rather than Basic credentials in the header.
    pub in_body: bool,
}

/// Where the next `{cursor}` is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorConfig {
    /// What is taken.
    pub from: CursorFrom,
    /// The first one; without it the parameter is left out.
    pub start: Option<String>,
}

/// What becomes a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorFrom {
    /// A member of the last record.
    Last(Pointer),
    /// The highest value of a member: as numbers if they are, else as text.
    Highest(Pointer),
    /// When the first page was answered by the server's clock, less this.
    Time {
        /// Seconds of the Unix epoch rather than RFC 3339.
        unix: bool,
        /// For clocks that disagree, and records that appear late.
        overlap: Duration,
    },
}

/// How the next page of an answer is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextPage {
    /// A `Link` header with `rel="next"`.
    Link,
    /// A member that is the next page's URL.
    Url(Pointer),
    /// A member whose value is the parameter of this name.
    Member(Pointer, String),
    /// A parameter that counts pages from 1.
    Page(String),
    /// A parameter that counts records from 0.
    Offset(String),
}
