//! Waking a client thread when the next request is due.
//!
//! tokio's timers have a resolution of a millisecond, as much as some gateways take for a whole request. A timerfd is as
//! exact as the kernel's scheduling.

use std::io;
use std::time::Instant;

/// Waits for moments.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Never to sleep, but to look at the clock again and again.
    spin: bool,
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
    pub(crate) fn new(spin: bool) -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { spin, timer: tokio::io::unix::AsyncFd::new(timer)? })
    }

    /// A pacer in the current runtime.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new(spin: bool) -> io::Result<Self> {
        Ok(Self { spin })
    }

    /// Waits until `at`.
    pub(crate) async fn until(&self, at: Instant) -> io::Result<()> {
        if self.spin {
            while Instant::now() < at {
                tokio::task::yield_now().await;
            }
            return Ok(());
        }
        self.sleep(at).await
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
