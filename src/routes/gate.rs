//! Whether a route may deliver now: paused or not, its breaker, its rate. Workers share one gate per route behind a lock
//! that is held for a few instructions. Pure: time is passed in.

use std::time::Instant;

use super::breaker::{Breaker, Change, Permission, Probe};
use super::rate::Rate;
use crate::config::RouteConfig;

/// The gate of one route.
#[derive(Debug)]
pub(super) struct Gate {
    paused: bool,
    breaker: Breaker,
    rate: Option<Rate>,
    /// Dead letters since the last success.
    dead_in_a_row: u32,
    dead_max: u32,
}

/// The right to deliver so many events in one attempt.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) events: usize,
    pub(super) probe: Option<Probe>,
}

/// Why nothing may be delivered now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    /// Until this time.
    Until(Instant),
    /// Until something happens after which a worker looks by itself or is woken.
    UntilToldOtherwise,
}

impl Gate {
    pub(super) fn new(config: &RouteConfig, now: Instant) -> Self {
        Self {
            paused: false,
            breaker: Breaker::new(config.breaker.failures, config.breaker.probe_every),
            rate: config.max_rate.map(|per_second| Rate::new(per_second, now)),
            dead_in_a_row: 0,
            dead_max: config.breaker.pause_after_dead,
        }
    }

    /// Asks to deliver up to `wanted` events. What of it is not used goes back with [`Gate::give_back`].
    pub(super) fn ask(&mut self, wanted: usize, now: Instant) -> Result<Pass, Shut> {
        if self.paused {
            return Err(Shut::UntilToldOtherwise);
        }
        let allowed = match &self.rate {
            Some(rate) => rate.allowed(wanted, now).map_err(Shut::Until)?,
            None => wanted,
        };
        let pass = match self.breaker.ask(now) {
            Permission::Free => Pass { events: allowed, probe: None },
            Permission::Probe(probe) => Pass { events: 1, probe: Some(probe) },
            Permission::NotBefore(at) => return Err(Shut::Until(at)),
            Permission::ProbeIsOut => return Err(Shut::UntilToldOtherwise),
        };
        if let Some(rate) = &mut self.rate {
            rate.take(pass.events, now);
        }
        Ok(pass)
    }

    /// Only so many events were there.
    pub(super) fn give_back(&mut self, pass: &Pass, used: usize) {
        if let Some(rate) = &mut self.rate {
            rate.give_back(pass.events - used);
        }
        if let (0, Some(probe)) = (used, pass.probe) {
            self.breaker.abandon(probe);
        }
    }

    /// The processor took an event.
    pub(super) fn succeeded(&mut self, now: Instant) -> Option<Change> {
        self.dead_in_a_row = 0;
        self.answered(now)
    }

    /// The processor answered, even if it was to say no for good: it is up.
    pub(super) fn answered(&mut self, now: Instant) -> Option<Change> {
        self.breaker.succeeded(now)
    }

    /// An attempt failed. Says too whether it counts for its events, which it does not during an outage.
    pub(super) fn failed(&mut self, probe: Option<Probe>, now: Instant) -> (bool, Option<Change>) {
        let counts = !self.breaker.is_open();
        (counts, self.breaker.failed(probe, now))
    }

    /// An event goes to the dead letters. `true` if that pauses the route.
    pub(super) fn buried(&mut self) -> bool {
        self.dead_in_a_row = self.dead_in_a_row.saturating_add(1);
        let pauses = self.dead_max > 0 && self.dead_in_a_row >= self.dead_max && !self.paused;
        self.paused |= pauses;
        pauses
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    /// Begins anew to count dead letters.
    pub(super) fn resume(&mut self) {
        self.paused = false;
        self.dead_in_a_row = 0;
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(super) fn breaker_is_open(&self) -> bool {
        self.breaker.is_open()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::super::tests::route;
    use super::*;
    use crate::config::BreakerConfig;

    const EVERY: Duration = Duration::from_secs(10);

    fn gate(max_rate: Option<u32>, now: Instant) -> Gate {
        let breaker = BreakerConfig { failures: 1, probe_every: EVERY, pause_after_dead: 2 };
        Gate::new(&RouteConfig { max_rate, breaker, ..route("a") }, now)
    }

    #[test]
    fn a_probe_that_was_not_needed_goes_out_later() {
        let now = Instant::now();
        let mut gate = gate(None, now);
        gate.failed(None, now);
        assert_eq!(gate.ask(64, now).unwrap_err(), Shut::Until(now + EVERY));
        let probe = gate.ask(64, now + EVERY).unwrap();
        assert_eq!(probe.events, 1);
        assert_eq!(gate.ask(64, now + EVERY).unwrap_err(), Shut::UntilToldOtherwise);
        gate.give_back(&probe, 0);
        assert!(gate.ask(64, now + EVERY).unwrap().probe.is_some());
    }

    #[test]
    fn what_is_not_used_does_not_count_towards_the_rate() {
        let now = Instant::now();
        let mut gate = gate(Some(1_000), now);
        let pass = gate.ask(64, now).unwrap();
        assert!(matches!(gate.ask(64, now), Err(Shut::Until(_))));
        gate.give_back(&pass, 1);
        assert_eq!(gate.ask(64, now).unwrap().events, pass.events - 1);
    }

    #[test]
    fn failures_count_for_their_events_until_the_breaker_is_open() {
        let now = Instant::now();
        let mut gate = gate(None, now);
        assert_eq!(gate.failed(None, now), (true, Some(Change::Opened)));
        assert_eq!(gate.failed(None, now), (false, None));
        assert_eq!(gate.answered(now + EVERY), Some(Change::Closed(EVERY)));
        assert!(gate.failed(None, now).0);
    }

    #[test]
    fn a_success_between_dead_letters_keeps_the_route_going() {
        let now = Instant::now();
        let mut gate = gate(None, now);
        assert!(!gate.buried());
        gate.succeeded(now);
        assert!(!gate.buried());
        gate.answered(now);
        assert!(gate.buried());
        assert_eq!(gate.ask(1, now).unwrap_err(), Shut::UntilToldOtherwise);
        gate.resume();
        assert!(gate.ask(1, now).is_ok());
        assert!(!gate.buried());
    }
}
