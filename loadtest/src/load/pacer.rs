//! Waking a client thread when the next request is due.
//!
//! tokio's timers have a resolution of a millisecond, as much as some gateways take for a whole request. A timerfd is as
//! exact as the kernel's scheduling.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use super::work::Work;

/// Waits for moments.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Never to sleep, but to look at the clock again and again; and what else the thread does.
    spin: Option<Work>,
    /// From when on it is counted how long there was nothing to do.
    counted_from: Instant,
    idle: Cell<Duration>,
    #[cfg(target_os = "linux")]
    timer: tokio::io::unix::AsyncFd<rustix::fd::OwnedFd>,
}

impl Pacer {
    /// A pacer in the current runtime.
    #[cfg(target_os = "linux")]
    #[expect(
        deprecated,
        reason = "the successor is an unsafe fn, which an `OwnedFd` that never leaves its field needs not"
    )]
    pub(crate) fn new(spin: Option<Work>, counted_from: Instant) -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { spin, counted_from, idle: Cell::default(), timer: tokio::io::unix::AsyncFd::new(timer)? })
    }

    /// A pacer in the current runtime.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new(spin: Option<Work>, counted_from: Instant) -> io::Result<Self> {
        Ok(Self { spin, counted_from, idle: Cell::default() })
    }

    /// How long it found nothing to do while it spun; `None` if it sleeps.
    pub(crate) fn idle(&self) -> Option<Duration> {
        self.spin.is_some().then(|| self.idle.get())
    }

    /// Waits until `at`.
    pub(crate) async fn until(&self, at: Instant) -> io::Result<()> {
        let Some(work) = &self.spin else { return self.sleep(at).await };
        let mut lap = Instant::now();
        while lap < at {
            let before = work.polls();
            // Looks whether something has come, and does it.
            tokio::task::yield_now().await;
            let now = Instant::now();
            if work.polls() == before && lap >= self.counted_from {
                self.idle.set(self.idle.get() + now.saturating_duration_since(lap));
            }
            lap = now;
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    async fn sleep(&self, at: Instant) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos().into() },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.timer.readable().await?;
            let mut expirations = [0; 8];
            if ready.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?)).is_ok() {
                return Ok(());
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    async fn sleep(&self, at: Instant) -> io::Result<()> {
        tokio::time::sleep_until(at.into()).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::thread::sleep;

    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    const BUSY: Duration = Duration::from_millis(10);

    #[test]
    fn a_spinning_thread_is_idle_while_it_finds_nothing_to_do() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (work, start) = (Work::default(), Instant::now());
            let pacer = Pacer::new(Some(work.clone()), start).unwrap();
            let task = spawn_local(async move {
                work.count(async {
                    for _ in 0..3 {
                        sleep(BUSY);
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                })
                .await;
            });
            while !task.is_finished() || pacer.idle().unwrap().is_zero() {
                pacer.until(Instant::now() + Duration::from_millis(5)).await.unwrap();
            }
            let (idle, elapsed) = (pacer.idle().unwrap(), start.elapsed());
            assert!(idle + 3 * BUSY <= elapsed, "{idle:?} of {elapsed:?}: what it did is not idle");
        });
    }

    #[test]
    fn what_comes_before_it_is_measured_is_not_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let start = Instant::now();
            let pacer = Pacer::new(Some(Work::default()), start + Duration::from_secs(3_600)).unwrap();
            pacer.until(start + BUSY).await.unwrap();
            assert_eq!(pacer.idle(), Some(Duration::ZERO));
            let sleeping = Pacer::new(None, start).unwrap();
            sleeping.until(Instant::now() + Duration::from_millis(1)).await.unwrap();
            assert_eq!(sleeping.idle(), None, "one that sleeps does not look");
        });
    }
}
