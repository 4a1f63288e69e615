//! What is wrong with a configuration: every mistake at once, each with its place and its remedy.

use std::fmt;
use std::path::PathBuf;

/// One mistake: where it is, what is wrong and what would be right. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, named as it was given.
    pub file: PathBuf,
    /// Its line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// The key: `[[source]] "github": secret`. Empty where there is none.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}\n    {}", self.what, self.help)
    }
}

/// All that is wrong with a configuration, by file and line. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        sort(&mut problems);
        Self(problems)
    }

    /// The problems, in the order in which they are printed.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'problems> IntoIterator for &'problems Problems {
    type Item = &'problems Problem;
    type IntoIter = std::slice::Iter<'problems, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// By file, line and column, so that a reader walks through each file once.
pub(super) fn sort(problems: &mut [Problem]) {
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
}
