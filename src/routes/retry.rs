//! Whether and when a failed event is tried again. Pure: time and chance are passed in.

use std::time::Duration;

use super::delivery::{Failure, FailureKind};
use crate::config::RetryConfig;

/// What becomes of an event after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is tried again after this long.
    Again(Duration),
    /// It goes to the dead letters.
    Dead(Reason),
}

/// Why an event is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The processor answered with a status that no retry would change.
    FinalStatus,
    /// It has had all its attempts.
    Attempts,
    /// It would be too old at its next attempt.
    Age,
}

impl Reason {
    /// As the dead letter names it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Reason::FinalStatus => "final_status",
            Reason::Attempts => "attempts",
            Reason::Age => "age",
        }
    }
}

/// Judges an event that has failed `attempts` times, the last time like this, at this age. `chance` is drawn evenly from
/// `0.0..1.0`.
pub(super) fn verdict(config: &RetryConfig, failure: &Failure, attempts: u32, age: Duration, chance: f64) -> Verdict {
    if is_final(config, failure) {
        return Verdict::Dead(Reason::FinalStatus);
    }
    if attempts >= config.attempts {
        return Verdict::Dead(Reason::Attempts);
    }
    let wait = match failure.retry_after {
        Some(wish) => wish.min(config.max),
        None => longest_wait(config, attempts).mul_f64(chance),
    };
    if age.saturating_add(wait) > config.age {
        return Verdict::Dead(Reason::Age);
    }
    Verdict::Again(wait)
}

/// Whether the processor has answered that it will never take this event. It says so by itself: it is up.
pub(super) fn is_final(config: &RetryConfig, failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::Status(status) => config.final_statuses.iter().any(|last| last.as_u16() == status),
        _ => false,
    }
}

/// `first`, doubled with every attempt after the first, up to `max`.
fn longest_wait(config: &RetryConfig, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    config.first.saturating_mul(1 << doublings).min(config.max)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use proptest::prelude::*;

    use super::*;

    fn config() -> RetryConfig {
        RetryConfig {
            attempts: 12,
            first: Duration::from_secs(1),
            max: Duration::from_mins(15),
            age: Duration::from_hours(24),
            final_statuses: vec![StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY],
        }
    }

    fn failed(kind: FailureKind) -> Failure {
        Failure { kind, detail: String::new(), retry_after: None }
    }

    #[test]
    fn the_longest_wait_doubles_up_to_the_maximum() {
        let waits = [1, 2, 3, 4, 10, 11, 12, u32::MAX].map(|attempts| longest_wait(&config(), attempts).as_secs());
        assert_eq!(waits, [1, 2, 4, 8, 512, 900, 900, 900]);
    }

    #[test]
    fn a_final_status_is_not_tried_again() {
        let verdict_of = |status| verdict(&config(), &failed(FailureKind::Status(status)), 1, Duration::ZERO, 0.5);
        assert_eq!(verdict_of(422), Verdict::Dead(Reason::FinalStatus));
        assert_eq!(verdict_of(503), Verdict::Again(Duration::from_millis(500)));
    }

    #[test]
    fn the_last_attempt_is_the_last() {
        let verdict_of = |attempts| verdict(&config(), &failed(FailureKind::Connect), attempts, Duration::ZERO, 0.0);
        assert_eq!(verdict_of(11), Verdict::Again(Duration::ZERO));
        assert_eq!(verdict_of(12), Verdict::Dead(Reason::Attempts));
    }

    #[test]
    fn an_event_that_would_be_too_old_at_its_next_attempt_is_dead_now() {
        let almost = config().age.saturating_sub(Duration::from_millis(400));
        let verdict_of = |chance| verdict(&config(), &failed(FailureKind::Timeout), 1, almost, chance);
        assert_eq!(verdict_of(0.25), Verdict::Again(Duration::from_millis(250)));
        assert_eq!(verdict_of(0.5), Verdict::Dead(Reason::Age));
    }

    #[test]
    fn the_processors_wish_replaces_the_drawn_wait_up_to_the_maximum() {
        let verdict_of = |seconds| {
            let failure =
                Failure { retry_after: Some(Duration::from_secs(seconds)), ..failed(FailureKind::Status(429)) };
            verdict(&config(), &failure, 1, Duration::ZERO, 0.5)
        };
        assert_eq!(verdict_of(30), Verdict::Again(Duration::from_secs(30)));
        assert_eq!(verdict_of(86_000), Verdict::Again(config().max));
    }

    proptest! {
        #[test]
        fn no_wait_leaves_its_bounds(
            attempts in 1..40_u32,
            first_ms in 0..100_000_u64,
            max_ms in 0..10_000_000_u64,
            wish_s in proptest::option::of(0..u64::MAX / 2),
            age_s in 0..200_000_u64,
            chance in 0.0..1.0_f64,
        ) {
            let config = RetryConfig {
                first: Duration::from_millis(first_ms),
                max: Duration::from_millis(max_ms),
                ..config()
            };
            let failure = Failure { retry_after: wish_s.map(Duration::from_secs), ..failed(FailureKind::Connect) };
            let age = Duration::from_secs(age_s);
            match verdict(&config, &failure, attempts, age, chance) {
                Verdict::Again(wait) => {
                    prop_assert!(wait <= config.max);
                    prop_assert!(age + wait <= config.age);
                    prop_assert!(attempts < config.attempts);
                }
                Verdict::Dead(Reason::Attempts) => prop_assert!(attempts >= config.attempts),
                Verdict::Dead(Reason::Age) => prop_assert!(age + config.max > config.age),
                Verdict::Dead(Reason::FinalStatus) => prop_assert!(false, "no status was answered"),
            }
        }
    }
}
