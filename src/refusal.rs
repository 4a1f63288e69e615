//! Why a request is not taken. A refusal is a value that ends up in an answer, a counter and a log line; it never carries
//! anything the sender wrote.

use http::StatusCode;

/// Every reason for which hookgate turns a request away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    // What the listener sees before any source is known.
    /// `Host` is missing, repeated or not a host.
    BadHost,
    /// A `Transfer-Encoding` whose framing is ambiguous.
    BadTransferEncoding,
    /// A transfer coding other than `chunked`.
    UnsupportedTransferEncoding,
    /// An `Expect` other than `100-continue`.
    UnmetExpectation,
    /// No source has this path.
    UnknownPath,
    /// The source exists, but is not posted to.
    WrongMethod,

    /// The address has as many requests in hand as it may.
    TooManyAtOnce,

    // What is known from the head of a request to a source.
    /// The source takes nothing from this address.
    AddressNotAllowed,
    /// The source, or the address, has sent more than its rate.
    OverRate,
    /// `Content-Length`, or what has arrived, is over the source's `max_body`.
    BodyTooLarge,
    /// The bodies in flight have used up `memory_budget`.
    OverMemoryBudget,
    /// The unfinished bodies of the source, or of the address, hold all that is theirs of `memory_budget`.
    OverMemoryShare,
    /// The connection was made without a certificate.
    MissingCertificate,
    /// The certificate holds none of the names that the source takes.
    WrongCertificate,
    /// Neither `Authorization` nor the credential parameter, API key or token is there.
    MissingCredentials,
    /// They are there and wrong.
    WrongCredentials,
    /// The provider has not handed over the secret yet.
    SecretUnknown,
    /// The signature header is missing, or a header that the signature covers.
    MissingSignature,
    /// The signature header is not of the scheme's form.
    MalformedSignature,
    /// The signature header, or one it depends on, is there more than once.
    AmbiguousSignature,
    /// The timestamp is missing or not of the scheme's form.
    MalformedTimestamp,
    /// The timestamp is older than the tolerance.
    StaleTimestamp,
    /// The timestamp is further ahead than the tolerance.
    FutureTimestamp,

    /// The body is compressed in a way that is not known here, or in more than one.
    UnsupportedEncoding,
    /// A route that the source feeds has fallen behind as far as it may.
    BacklogFull,

    // What is known once the body is there.
    /// The body did not arrive within its time limit.
    BodyTimeout,
    /// The body was cut off or its chunks are malformed.
    BrokenBody,
    /// No signature fits the body under any of the source's secrets.
    WrongSignature,
    /// The body is not compressed in the way that its head says.
    MalformedEncoding,
    /// The compressed body comes to more than it may.
    InflatesTooMuch,
    /// The source takes events by the batch, and the body is none.
    NotABatch,
    /// More events than one request may carry.
    TooManyItems,
    /// A matching route has no room and refuses.
    QueueFull,

    // What the journal says. The event is then not promised; that it is not delivered is not said either.
    /// The journal has used up its quota or the disk.
    JournalFull,
    /// The disk under the journal failed.
    JournalFailed,
    /// The journal cannot make the event safe within the source's deadline.
    JournalBehind,
}

impl Refusal {
    /// All refusals, in the order of [`Refusal::index`].
    pub(crate) const ALL: [Refusal; 36] = [
        Refusal::BadHost,
        Refusal::BadTransferEncoding,
        Refusal::UnsupportedTransferEncoding,
        Refusal::UnmetExpectation,
        Refusal::UnknownPath,
        Refusal::WrongMethod,
        Refusal::TooManyAtOnce,
        Refusal::AddressNotAllowed,
        Refusal::OverRate,
        Refusal::BodyTooLarge,
        Refusal::OverMemoryBudget,
        Refusal::OverMemoryShare,
        Refusal::MissingCertificate,
        Refusal::WrongCertificate,
        Refusal::MissingCredentials,
        Refusal::WrongCredentials,
        Refusal::SecretUnknown,
        Refusal::MissingSignature,
        Refusal::MalformedSignature,
        Refusal::AmbiguousSignature,
        Refusal::MalformedTimestamp,
        Refusal::StaleTimestamp,
        Refusal::FutureTimestamp,
        Refusal::UnsupportedEncoding,
        Refusal::BacklogFull,
        Refusal::BodyTimeout,
        Refusal::BrokenBody,
        Refusal::WrongSignature,
        Refusal::MalformedEncoding,
        Refusal::InflatesTooMuch,
        Refusal::NotABatch,
        Refusal::TooManyItems,
        Refusal::QueueFull,
        Refusal::JournalFull,
        Refusal::JournalFailed,
        Refusal::JournalBehind,
    ];

    /// A dense number, for tables of counters.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The name in metrics, logs and answers: `wrong_signature`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Refusal::BadHost => "bad_host",
            Refusal::BadTransferEncoding => "bad_transfer_encoding",
            Refusal::UnsupportedTransferEncoding => "unsupported_transfer_encoding",
            Refusal::UnmetExpectation => "unmet_expectation",
            Refusal::UnknownPath => "unknown_path",
            Refusal::WrongMethod => "wrong_method",
            Refusal::TooManyAtOnce => "too_many_at_once",
            Refusal::AddressNotAllowed => "address_not_allowed",
            Refusal::OverRate => "over_rate",
            Refusal::BodyTooLarge => "body_too_large",
            Refusal::OverMemoryBudget => "over_memory_budget",
            Refusal::OverMemoryShare => "over_memory_share",
            Refusal::MissingCertificate => "missing_certificate",
            Refusal::WrongCertificate => "wrong_certificate",
            Refusal::MissingCredentials => "missing_credentials",
            Refusal::WrongCredentials => "wrong_credentials",
            Refusal::SecretUnknown => "secret_unknown",
            Refusal::MissingSignature => "missing_signature",
            Refusal::MalformedSignature => "malformed_signature",
            Refusal::AmbiguousSignature => "ambiguous_signature",
            Refusal::MalformedTimestamp => "malformed_timestamp",
            Refusal::StaleTimestamp => "stale_timestamp",
            Refusal::FutureTimestamp => "future_timestamp",
            Refusal::UnsupportedEncoding => "unsupported_encoding",
            Refusal::BacklogFull => "backlog_full",
            Refusal::BodyTimeout => "body_timeout",
            Refusal::BrokenBody => "broken_body",
            Refusal::WrongSignature => "wrong_signature",
            Refusal::MalformedEncoding => "malformed_encoding",
            Refusal::InflatesTooMuch => "inflates_too_much",
            Refusal::NotABatch => "not_a_batch",
            Refusal::TooManyItems => "too_many_items",
            Refusal::QueueFull => "queue_full",
            Refusal::JournalFull => "journal_full",
            Refusal::JournalFailed => "journal_failed",
            Refusal::JournalBehind => "journal_behind",
        }
    }

    /// The status it is answered with unless the source's `refuse` says otherwise.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Refusal::BadHost
            | Refusal::BadTransferEncoding
            | Refusal::BrokenBody
            | Refusal::MalformedEncoding
            | Refusal::NotABatch => StatusCode::BAD_REQUEST,
            Refusal::UnsupportedTransferEncoding => StatusCode::NOT_IMPLEMENTED,
            Refusal::UnmetExpectation => StatusCode::EXPECTATION_FAILED,
            Refusal::UnknownPath => StatusCode::NOT_FOUND,
            Refusal::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::AddressNotAllowed => StatusCode::FORBIDDEN,
            Refusal::TooManyAtOnce | Refusal::OverRate => StatusCode::TOO_MANY_REQUESTS,
            Refusal::BodyTooLarge | Refusal::InflatesTooMuch | Refusal::TooManyItems => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Refusal::OverMemoryBudget
            | Refusal::BacklogFull
            | Refusal::OverMemoryShare
            | Refusal::QueueFull
            | Refusal::JournalFull
            | Refusal::JournalFailed
            | Refusal::JournalBehind => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// Whether the sender failed to prove itself; only these answers are shaped by the source's `refuse`.
    pub(crate) fn is_about_the_sender(self) -> bool {
        self.status() == StatusCode::UNAUTHORIZED
    }

    /// Whether the connection can carry another request after this answer. It cannot where the framing of what follows is
    /// in doubt.
    pub(crate) fn closes_connection(self) -> bool {
        matches!(
            self,
            Refusal::BadHost
                | Refusal::BadTransferEncoding
                | Refusal::UnsupportedTransferEncoding
                | Refusal::BodyTimeout
                | Refusal::BrokenBody
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_stands_at_its_index() {
        for (at, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal.index(), at, "{}", refusal.label());
        }
    }
}
