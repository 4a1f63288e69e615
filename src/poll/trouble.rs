//! Why a run stopped before its end.

use std::io;
use std::time::Duration;

use crate::refusal::Refusal;

/// What went wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("there was no answer: {0}")]
    Unreachable(String),
    #[error("the answer was not complete within the poll's `timeout`")]
    TooSlow,
    #[error("the answer was {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    #[error("{status} ({code})")]
    Denied { status: Box<Trouble>, code: String },
    #[error("there is no token: asked at `token_url`, {0}")]
    Token(Box<Trouble>),
    #[error("it redirects to {0}, which is not followed: if that is to be trusted, write it as the URL")]
    Redirect(String),
    #[error("an answer has more than {0} bytes: ask for smaller pages, or write a larger max_answer")]
    TooLarge(usize),
    #[error("the answer cannot be understood: {0}")]
    NotUnderstood(String),
    #[error("its pages repeat: the next one is one that was asked for already")]
    Repeats,
    #[error("it has more than {0} pages: write a larger max_pages if that is right")]
    TooManyPages(usize),
    #[error("the journal does not take its events: {}", .0.label())]
    Refused(Refusal),
    #[error("its cursor cannot be saved: {0}")]
    Cursor(#[from] io::Error),
}

/// What [`Trouble::reason`] may say.
pub(super) const REASONS: [&str; 12] = [
    "unreachable",
    "timeout",
    "token",
    "rate_limited",
    "status",
    "redirect",
    "too_large",
    "not_understood",
    "repeats",
    "too_many_pages",
    "journal",
    "cursor",
];

impl Trouble {
    /// One of [`REASONS`].
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TooSlow => "timeout",
            Self::Token(_) => "token",
            Self::Status { status: 429, .. } => "rate_limited",
            Self::Status { .. } | Self::Denied { .. } => "status",
            Self::Redirect(_) => "redirect",
            Self::TooLarge(_) => "too_large",
            Self::NotUnderstood(_) => "not_understood",
            Self::Repeats => "repeats",
            Self::TooManyPages(_) => "too_many_pages",
            Self::Refused(_) => "journal",
            Self::Cursor(_) => "cursor",
        }
    }

    /// Whether the same request may well succeed in a moment.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TooSlow | Self::Refused(_) | Self::Cursor(_) => true,
            Self::Token(trouble) | Self::Denied { status: trouble, .. } => trouble.passes(),
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            _ => false,
        }
    }

    /// How long to wait after it: as long as the server wishes, else twice as long each time, by `failures` in a row. What
    /// does not pass by itself waits `every` and longer.
    pub(super) fn wait(&self, failures: u32, every: Duration) -> Duration {
        if let Some(wished) = self.wished() {
            let least = wished.clamp(WAIT_MIN, WISH_MAX);
            return least.mul_f64(1.0 + fastrand::f64() / 10.0);
        }
        let first = if self.passes() { WAIT_FIRST } else { every.max(WAIT_FIRST) };
        let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1).min(20)).unwrap_or(1));
        doubled.min(every.max(WAIT_MAX)).mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    fn wished(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Token(trouble) | Self::Denied { status: trouble, .. } => trouble.wished(),
            _ => None,
        }
    }
}

const WAIT_MIN: Duration = Duration::from_millis(100);

const WAIT_FIRST: Duration = Duration::from_secs(1);

/// Unless the interval itself is longer.
const WAIT_MAX: Duration = Duration::from_mins(15);

/// The longest wish of a server that is granted.
const WISH_MAX: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_left_alone_for_as_long_as_it_wishes() {
        let wish = |seconds| Trouble::Status { status: 429, retry_after: Some(Duration::from_secs(seconds)) };
        assert!(wish(120).wait(1, Duration::from_secs(5)) >= Duration::from_mins(2));
        assert!(wish(86_400).wait(1, Duration::from_secs(5)) < Duration::from_mins(67));
        assert!(wish(0).wait(1, Duration::from_secs(5)) >= WAIT_MIN);
    }

    #[test]
    fn waits_grow_up_to_a_bound_and_are_longer_where_nothing_passes_by_itself() {
        let down = Trouble::Status { status: 503, retry_after: None };
        assert!(down.wait(1, Duration::from_hours(1)) <= WAIT_FIRST);
        assert!(down.wait(u32::MAX, Duration::from_secs(5)) <= WAIT_MAX);
        assert!(Trouble::Repeats.wait(1, Duration::from_hours(1)) >= Duration::from_mins(30));
    }
}
