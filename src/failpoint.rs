//! Places where a test ends the process, as if it had been killed at just that moment.
//!
//! `HOOKGATE_FAILPOINT="batch.written 3"` sends SIGKILL to the process the third time it passes `batch.written`. Only builds
//! with debug assertions have these places: in a release build a pass is nothing at all.

#[cfg(debug_assertions)]
pub(crate) use self::armed::pass;

/// Nothing.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) const fn pass(_: &'static str) {}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    struct Chosen {
        point: String,
        /// Passes to go, the last one included.
        left: AtomicU64,
    }

    static CHOSEN: LazyLock<Option<Chosen>> = LazyLock::new(|| {
        let text = std::env::var("HOOKGATE_FAILPOINT").ok()?;
        let (point, pass) = text.split_once(' ')?;
        Some(Chosen { point: point.to_owned(), left: AtomicU64::new(pass.parse().ok()?) })
    });

    /// The process passes `point`, and ends here if that was chosen.
    pub(crate) fn pass(point: &'static str) {
        if let Some(chosen) = CHOSEN.as_ref()
            && chosen.point == point
            && chosen.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            // It does not return: the signal is there before the call is over.
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}
