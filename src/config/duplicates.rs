//! `duplicates`: how long a source remembers the delivery ids it has taken.

use std::time::Duration;

/// The window in which a source's delivery ids are remembered: it ends with whichever bound is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DuplicatesConfig {
    /// Ids remembered; 0 for none.
    pub ids: usize,
    /// For how long.
    pub age: Duration,
}

impl DuplicatesConfig {
    /// What holds unless somebody says otherwise.
    pub(crate) const DEFAULT: Self = Self { ids: 65_536, age: Duration::from_hours(24) };

    /// Every delivery is an event.
    pub(crate) const OFF: Self = Self { ids: 0, age: Duration::ZERO };
}
