//! A request as dead letters and the quarantine carry it, for people to read.

use std::fmt::Write as _;

use super::visible::{visible, visible_lines};

/// What was sent. A body is text, or base64 where it is none.
pub(super) struct Carried<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: Option<&'a str>,
    pub(super) body_base64: Option<&'a str>,
}

impl Carried<'_> {
    /// Writes it below what a page says of it.
    pub(super) fn write(&self, page: &mut String) {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "\n{} {}", visible(self.method), visible(self.target));
        for (name, value) in self.headers {
            let _ = writeln!(page, "{}: {}", visible(name), visible(value));
        }
        match (self.body, self.body_base64) {
            (Some(body), _) => {
                let _ = writeln!(page, "\n{}", visible_lines(body));
            }
            (None, Some(base64)) => {
                let _ = writeln!(page, "\nThe body is no text; here it is in base64:\n{}", visible(base64));
            }
            (None, None) => {}
        }
    }
}
