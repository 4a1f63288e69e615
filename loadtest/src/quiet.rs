//! Whether the machine is ours while something is measured.
//!
//! Before a sample, other processes and the host must have left the cores alone for a moment; after it, it is looked at what
//! they took meanwhile. A sample that they have disturbed says nothing, and is taken again.

use std::time::{Duration, Instant};

use crate::load::{Cpu, Others, Outcome};

/// How much others may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quiet {
    /// Cores, on average.
    pub(crate) cores: f64,
}

impl Quiet {
    /// Waits until nobody else is at work, but not for ever. Gives why, if somebody still is.
    pub(crate) async fn settle(self) -> Option<String> {
        let patience = Instant::now() + SETTLE_MAX;
        loop {
            let (before, at) = (Cpu::now(&[]), Instant::now());
            tokio::time::sleep(LOOK).await;
            let reason = self.disturbed(before.others_until(&Cpu::now(&[]), at.elapsed()));
            if reason.is_none() || Instant::now() > patience {
                return reason.map(|reason| format!("before it began, {reason}"));
            }
        }
    }

    /// What disturbed a sample, if anything did.
    pub(crate) fn disturbance(self, outcome: &Outcome) -> Option<String> {
        let [before, after] = &outcome.cpu;
        self.disturbance_between(before, after, outcome.measured)
    }

    /// What disturbed that which happened between two moments.
    pub(crate) fn disturbance_between(self, before: &Cpu, after: &Cpu, elapsed: Duration) -> Option<String> {
        self.disturbed(before.others_until(after, elapsed))
    }

    fn disturbed(self, others: Option<Others>) -> Option<String> {
        let Others { cores_busy, cores_stolen, .. } = others?;
        if cores_stolen > self.cores {
            return Some(format!("the host of this machine took {cores_stolen:.2} cores"));
        }
        (cores_busy > self.cores).then(|| format!("other processes took {cores_busy:.2} cores"))
    }
}

/// One look. Times are counted in hundredths of a second.
const LOOK: Duration = Duration::from_millis(300);

const SETTLE_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_and_the_host_take_disturbs() {
        let quiet = Quiet { cores: 0.05 };
        let others = |cores_busy, cores_stolen| Some(Others { cores_busy, cores_stolen, cores: 2 });
        assert_eq!(quiet.disturbed(others(0.04, 0.04)), None);
        assert_eq!(quiet.disturbed(None), None, "where it cannot be seen it is not made up");
        assert!(quiet.disturbed(others(0.2, 0.0)).is_some_and(|reason| reason.contains("0.20")));
        assert!(quiet.disturbed(others(0.0, 0.2)).is_some_and(|reason| reason.contains("host")));
    }
}
