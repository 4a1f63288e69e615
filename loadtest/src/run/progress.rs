//! The progress bar: on standard error, and only if that is a terminal. It uses no colours, whatever `NO_COLOR` says.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::load::Live;

/// A bar over warm-up and measurement.
pub(crate) struct Progress {
    bar: ProgressBar,
    warmup: Duration,
}

impl Progress {
    /// A bar for a run of this length. indicatif draws nothing where standard error is no terminal.
    pub(crate) fn new(warmup: Duration, duration: Duration) -> Self {
        let length = (warmup + duration).as_millis() as u64;
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{prefix:9} [{bar:30}] {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, warmup }
    }

    /// Draws how far the run is and what the threads have counted.
    pub(crate) fn draw(&self, elapsed: Duration, threads: &[Arc<Live>]) {
        if self.bar.is_hidden() {
            return;
        }
        let [accepted, refused, failed] = threads
            .iter()
            .map(|live| live.get())
            .fold([0; 3], |sum, counts| std::array::from_fn(|at| sum[at] + counts[at]));
        self.bar.set_prefix(if elapsed < self.warmup { "warm-up" } else { "measuring" });
        self.bar.set_position(elapsed.as_millis() as u64);
        self.bar.set_message(format!(
            "{:.1} s  accepted {accepted}  refused {refused}  errors {failed}",
            elapsed.as_secs_f64()
        ));
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
