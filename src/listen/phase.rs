//! The phases of a connection, and what the sweep decides of them.
//!
//! ```text
//!            first byte        head complete         answer ready          answer flushed
//! Waiting ──────────────▶ Head ─────────────▶ Receiving ────────▶ Writing ───────────────▶ Waiting
//!                                                                    │ the connection ends, and not all was read
//!                                                                    └─────────────────────▶ Lingering
//! ```

/// Where a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// What comes before the first request: a PROXY header, TLS.
    Handshake,
    /// No byte of a request yet; the flag says whether it has carried one before.
    Waiting { served: bool },
    /// Some bytes of a head.
    Head,
    /// The head is complete, the body is being read. Its time counts from when the sweep first saw it, which costs a request
    /// no look at the clock and a slow one at most the time between two sweeps.
    Receiving { seen: bool },
    /// The request is complete and the gateway has not answered yet: no limit of the listener's applies.
    Answering,
    /// The answer is ready.
    Writing,
    /// Our side is closed and the client is still sending: what comes is thrown away. Were the socket closed with something
    /// unread, the system would reset the connection, and many a client never see why it was refused.
    Lingering,
}

/// What the sweep decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Live,
    /// The body took too long: the request is still to be answered.
    BodyExpired,
    /// It waited for a request for too long: reads see the end of the stream, unless a request has just come.
    Retired,
    /// Reads see the end of the stream, writes fail.
    Closed,
}

/// What a limit did to a connection, for the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    Head,
    Idle,
    Write,
    /// Counted as what it leads to, or not worth it.
    Other,
}
