//! When a route stops trying a processor that is down. Pure: time is passed in.
//!
//! ```text
//!          N failures in a row                    probe fails: again after `probe_every`
//!  Closed ─────────────────────▶ Open, waiting ◀──────────────┐
//!     ▲                               │ `probe_every` is over  │
//!     └───────── a success ───────────┴──────▶ Open, probing ──┘
//! ```

use std::time::{Duration, Instant};

/// The breaker of one route.
#[derive(Debug)]
pub(super) struct Breaker {
    failures_max: u32,
    probe_every: Duration,
    state: State,
    /// How often it has opened: a probe of an earlier opening says nothing about this one.
    openings: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { since: Instant, next_probe: Instant, probing: bool },
}

/// What may go out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    /// Anything.
    Free,
    /// One event, with this ticket; nothing else until its outcome is known.
    Probe(Probe),
    /// Nothing before this time.
    NotBefore(Instant),
    /// Nothing until the outcome of the probe that is out.
    ProbeIsOut,
}

/// The right to send one event to a processor that is believed to be down. It has to be handed back: with the outcome, or
/// to [`Breaker::abandon`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    opening: u64,
}

/// What an outcome did to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It opened.
    Opened,
    /// It closed, having been open for so long.
    Closed(Duration),
}

impl Breaker {
    /// A closed breaker.
    pub(super) fn new(failures_max: u32, probe_every: Duration) -> Self {
        Self { failures_max: failures_max.max(1), probe_every, state: State::Closed { failures: 0 }, openings: 0 }
    }

    /// Whether it is open.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Asks what may go out. A probe that is granted counts as being out.
    pub(super) fn ask(&mut self, now: Instant) -> Permission {
        match &mut self.state {
            State::Closed { .. } => Permission::Free,
            State::Open { probing: true, .. } => Permission::ProbeIsOut,
            State::Open { next_probe, .. } if *next_probe > now => Permission::NotBefore(*next_probe),
            State::Open { probing, .. } => {
                *probing = true;
                Permission::Probe(Probe { opening: self.openings })
            }
        }
    }

    /// The probe was not needed: there was nothing to send.
    pub(super) fn abandon(&mut self, probe: Probe) {
        if probe.opening == self.openings
            && let State::Open { probing, .. } = &mut self.state
        {
            *probing = false;
        }
    }

    /// The processor has answered, be it a probe or what was sent before.
    pub(super) fn succeeded(&mut self, now: Instant) -> Option<Change> {
        let before = std::mem::replace(&mut self.state, State::Closed { failures: 0 });
        match before {
            State::Closed { .. } => None,
            State::Open { since, .. } => Some(Change::Closed(now.saturating_duration_since(since))),
        }
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, probe: Option<Probe>, now: Instant) -> Option<Change> {
        match &mut self.state {
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if *failures < self.failures_max {
                    return None;
                }
                self.openings += 1;
                self.state = State::Open { since: now, next_probe: now + self.probe_every, probing: false };
                Some(Change::Opened)
            }
            State::Open { next_probe, probing, .. } => {
                // Others were sent before it opened and tell nothing new.
                if probe.is_some_and(|probe| probe.opening == self.openings) {
                    *probing = false;
                    *next_probe = now + self.probe_every;
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(2, EVERY);
        assert_eq!(breaker.failed(None, now), None);
        assert_eq!(breaker.failed(None, now), Some(Change::Opened));
        breaker
    }

    fn probe_of(breaker: &mut Breaker, now: Instant) -> Probe {
        match breaker.ask(now) {
            Permission::Probe(probe) => probe,
            other => panic!("a probe was due, not {other:?}"),
        }
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row() {
        let now = Instant::now();
        let mut breaker = Breaker::new(2, EVERY);
        assert_eq!(breaker.failed(None, now), None);
        assert_eq!(breaker.succeeded(now), None);
        assert_eq!(breaker.failed(None, now), None);
        assert_eq!(breaker.ask(now), Permission::Free);
        assert_eq!(breaker.failed(None, now), Some(Change::Opened));
        assert_eq!(breaker.ask(now), Permission::NotBefore(now + EVERY));
    }

    #[test]
    fn one_probe_goes_out_at_a_time() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + EVERY;
        let probe = probe_of(&mut breaker, later);
        assert_eq!(breaker.ask(later), Permission::ProbeIsOut);
        assert_eq!(breaker.failed(Some(probe), later), None);
        assert_eq!(breaker.ask(later), Permission::NotBefore(later + EVERY));
    }

    #[test]
    fn an_abandoned_probe_is_due_at_once() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let probe = probe_of(&mut breaker, now + EVERY);
        breaker.abandon(probe);
        probe_of(&mut breaker, now + EVERY);
    }

    #[test]
    fn a_success_closes_it_and_says_how_long_it_was_open() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.succeeded(now + EVERY * 3), Some(Change::Closed(EVERY * 3)));
        assert_eq!(breaker.ask(now + EVERY * 3), Permission::Free);
    }

    #[test]
    fn a_probe_of_an_earlier_opening_does_not_end_the_present_one() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let old = probe_of(&mut breaker, now + EVERY);
        breaker.succeeded(now + EVERY);
        breaker.failed(None, now + EVERY);
        breaker.failed(None, now + EVERY);
        probe_of(&mut breaker, now + EVERY * 2);
        breaker.failed(Some(old), now + EVERY * 2);
        breaker.abandon(old);
        assert_eq!(breaker.ask(now + EVERY * 9), Permission::ProbeIsOut);
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Ask,
        Succeed,
        Fail,
        ProbeFails,
        ProbeAbandoned,
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Ask),
            1 => Just(Step::Succeed),
            3 => Just(Step::Fail),
            2 => Just(Step::ProbeFails),
            1 => Just(Step::ProbeAbandoned),
            2 => (0..15_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Against a model that knows only: failures in a row, and the probes that are out.
        #[test]
        fn it_is_free_or_has_one_probe_out_and_opens_exactly_when_it_should(
            max in 1..4_u32,
            steps in proptest::collection::vec(step(), 0..200),
        ) {
            let mut now = Instant::now();
            let mut breaker = Breaker::new(max, EVERY);
            let mut in_a_row = 0;
            let mut out: Vec<Probe> = Vec::new();
            for step in steps {
                match step {
                    Step::Wait(seconds) => now += Duration::from_secs(seconds),
                    Step::Succeed => {
                        let change = breaker.succeeded(now);
                        prop_assert_eq!(change.is_some(), in_a_row >= max);
                        in_a_row = 0;
                        out.clear();
                    }
                    Step::Fail => {
                        let change = breaker.failed(None, now);
                        in_a_row += 1;
                        prop_assert_eq!(change == Some(Change::Opened), in_a_row == max);
                    }
                    Step::ProbeFails => if let Some(probe) = out.pop() {
                        prop_assert_eq!(breaker.failed(Some(probe), now), None);
                        prop_assert_eq!(breaker.ask(now), Permission::NotBefore(now + EVERY));
                    },
                    Step::ProbeAbandoned => if let Some(probe) = out.pop() {
                        breaker.abandon(probe);
                    },
                    Step::Ask => match breaker.ask(now) {
                        Permission::Free => prop_assert!(in_a_row < max),
                        Permission::Probe(probe) => {
                            prop_assert!(in_a_row >= max && out.is_empty());
                            out.push(probe);
                        }
                        Permission::NotBefore(at) => prop_assert!(at > now && in_a_row >= max && out.is_empty()),
                        Permission::ProbeIsOut => prop_assert_eq!(out.len(), 1),
                    },
                }
            }
        }
    }
}
