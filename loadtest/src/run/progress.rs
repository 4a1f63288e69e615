//! The progress bar: on standard error, and only if that is a terminal. It uses no colours, whatever `NO_COLOR` says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally::Live;

/// A bar over warm-up and measurement.
pub(crate) struct Progress {
    bar: ProgressBar,
    threads: Vec<Arc<Live>>,
}

impl Progress {
    /// A bar for a run of this length. indicatif draws nothing where standard error is no terminal.
    pub(crate) fn new(length: Duration, threads: Vec<Arc<Live>>) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length.as_millis() as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{prefix:9} [{bar:30}] {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, threads }
    }

    /// Draws the counts until `until`.
    pub(crate) async fn show(&self, phase: &'static str, start: Instant, until: Instant) {
        self.bar.set_prefix(phase);
        loop {
            let now = Instant::now();
            self.draw(now.saturating_duration_since(start));
            if now >= until {
                return;
            }
            tokio::time::sleep_until((now + INTERVAL).min(until).into()).await;
        }
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn draw(&self, elapsed: Duration) {
        if self.bar.is_hidden() {
            return;
        }
        let [accepted, refused, failed] = self
            .threads
            .iter()
            .map(|live| live.get())
            .fold([0; 3], |sum, counts| std::array::from_fn(|at| sum[at] + counts[at]));
        self.bar.set_position(elapsed.as_millis() as u64);
        self.bar.set_message(format!(
            "{:.1} s  accepted {accepted}  refused {refused}  errors {failed}",
            elapsed.as_secs_f64()
        ));
    }
}

const INTERVAL: Duration = Duration::from_millis(200);
