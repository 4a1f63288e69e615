//! A pool: the seats of its workers, and whom to wake.

use std::time::Duration;

use super::sleeper::Sleeper;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// The workers of one pool, as others see them.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) name: String,
    /// How long a worker without work looks for some before it sleeps.
    pub(super) spin: Duration,
    seats: Vec<Seat>,
    stopping: AtomicBool,
}

/// What one worker shares with others. Aligned so that two workers never write to one cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Seat {
    pub(super) sleeper: Sleeper,
    /// Deliveries in flight on this worker, which alone writes it.
    deliveries: AtomicUsize,
}

impl Pool {
    pub(super) fn new(name: &str, spin: Duration, workers: usize) -> Self {
        Self {
            name: name.to_owned(),
            spin,
            seats: std::iter::repeat_with(Seat::default).take(workers).collect(),
            stopping: AtomicBool::new(false),
        }
    }

    /// How many workers it has.
    pub(super) fn workers(&self) -> usize {
        self.seats.len()
    }

    /// The seat of one worker.
    pub(super) fn seat(&self, worker: usize) -> &Seat {
        &self.seats[worker]
    }

    /// Wakes one worker if one sleeps: the one with the fewest deliveries, since one whose pump sleeps may still be busy
    /// with a delivery. To be called after the work has been pushed.
    pub(super) fn wake_one(&self) {
        self.wake_first(Sleeper::is_sleeping);
    }

    /// As [`Self::wake_one`], where there is much to do: one that rests is woken too.
    pub(super) fn hurry_one(&self) {
        self.wake_first(Sleeper::is_down);
    }

    fn wake_first(&self, may_be_woken: impl Fn(&Sleeper) -> bool) {
        // Pairs with the fence in `Sleeper::announce`.
        fence(Ordering::SeqCst);
        while let Some(seat) =
            self.seats.iter().filter(|seat| may_be_woken(&seat.sleeper)).min_by_key(|seat| seat.deliveries())
        {
            if seat.sleeper.wake() {
                return;
            }
        }
    }

    /// Tells all workers to end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.seats.iter().for_each(|seat| seat.sleeper.look_again());
    }

    /// Whether workers are to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

impl Seat {
    /// Worker: one more delivery is in flight.
    pub(super) fn delivery_begins(&self) {
        self.deliveries.store(self.deliveries() + 1, Ordering::Relaxed);
    }

    /// Worker: one has ended.
    pub(super) fn delivery_ends(&self) {
        self.deliveries.store(self.deliveries().saturating_sub(1), Ordering::Relaxed);
    }

    fn deliveries(&self) -> usize {
        self.deliveries.load(Ordering::Relaxed)
    }
}
