//! A TOML file as it is walked, and the list of all that is wrong so far.
//!
//! ```text
//! Reading ── Sheet (a file) ── Table (its keys) ── Node (a value) ── Table …
//!    └ problems, warnings        each of them knows its Spot: file, section, key, place
//! ```
//!
//! Nothing stops at a mistake. A read that fails reports it and gives `None`; the reader goes on with whatever stands in,
//! and what it builds is thrown away in the end if anything was reported.

use std::cell::RefCell;
use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use toml::de::DeTable;

use super::Secret;
use super::problem::Problem;

/// One reading of a configuration: what it may ask the system, and what it found.
pub(super) struct Reading<'d> {
    /// Where relative paths start: the directory of the main file.
    pub(super) directory: &'d Path,
    /// Looks an environment variable up.
    pub(super) variable: &'d dyn Fn(&str) -> Option<OsString>,
    /// When it is read: what has ended or is about to is warned of.
    pub(super) now: SystemTime,
    /// The secrets of sources so far, and whose they are.
    pub(super) secrets: RefCell<Vec<(Secret, String)>>,
    pub(super) problems: RefCell<Vec<Problem>>,
    pub(super) warnings: RefCell<Vec<Problem>>,
}

impl<'d> Reading<'d> {
    pub(super) fn new(directory: &'d Path, variable: &'d dyn Fn(&str) -> Option<OsString>, now: SystemTime) -> Self {
        let (secrets, problems, warnings) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { directory, variable, now, secrets, problems, warnings }
    }
}

/// One file of a reading.
pub(super) struct Sheet<'d> {
    pub(super) file: &'d Path,
    pub(super) text: &'d str,
    pub(super) reading: &'d Reading<'d>,
}

impl<'d> Sheet<'d> {
    /// Parses the file; syntax errors are reported, one for each line, and leave a table that is not worth reading.
    pub(super) fn parse(&self) -> DeTable<'d> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        let mut last_line = 0;
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            let problem = self.note(at, String::new(), error.message().to_owned(), syntax_help(error.message()));
            // What follows on the same line is most often an echo of the first.
            if problem.line != last_line {
                last_line = problem.line;
                self.reading.problems.borrow_mut().push(problem);
            }
        }
        document.into_inner()
    }

    fn note(&self, at: usize, key: String, what: String, help: String) -> Problem {
        let (line, column) = self.position(at);
        Problem { file: self.file.to_owned(), line, column, key, what, help }
    }

    /// Line and column, both from 1, the column in characters.
    fn position(&self, at: usize) -> (usize, usize) {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

/// Where something was written, for messages about it.
#[derive(Clone)]
pub(super) struct Spot<'d> {
    pub(super) sheet: &'d Sheet<'d>,
    /// `[[source]] "github"`
    pub(super) section: Rc<str>,
    /// `hmac.timestamp`; empty for the section itself.
    pub(super) path: String,
    /// Bytes of the file.
    pub(super) at: Range<usize>,
}

impl<'d> Spot<'d> {
    pub(super) fn reading(&self) -> &'d Reading<'d> {
        self.sheet.reading
    }

    pub(super) fn problem(&self, what: impl Into<String>, help: impl Into<String>) {
        let problem = self.sheet.note(self.at.start, self.key(), what.into(), help.into());
        self.reading().problems.borrow_mut().push(problem);
    }

    pub(super) fn warn(&self, what: impl Into<String>, help: impl Into<String>) {
        let warning = self.sheet.note(self.at.start, self.key(), what.into(), help.into());
        self.reading().warnings.borrow_mut().push(warning);
    }

    /// `line 12`, or `line 12 of routes.d/a.toml` for somebody who reads another file.
    pub(super) fn line_seen_from(&self, other: &Spot<'_>) -> String {
        let (line, _) = self.sheet.position(self.at.start);
        if self.sheet.file == other.sheet.file {
            format!("line {line}")
        } else {
            format!("line {line} of {}", self.sheet.file.display())
        }
    }

    fn key(&self) -> String {
        match (self.section.is_empty(), self.path.is_empty()) {
            (false, false) => format!("{}: {}", self.section, self.path),
            (false, true) => self.section.to_string(),
            (true, _) => self.path.clone(),
        }
    }

    /// A key of the table that is here.
    pub(super) fn below(&self, key: &str, at: Range<usize>) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { path, at, ..self.clone() }
    }
}

fn syntax_help(message: &str) -> String {
    if message == "duplicate key" {
        return "write a key once in its table, and give each [table] once".to_owned();
    }
    "mend the TOML here; the rest of the file is checked once it parses".to_owned()
}
