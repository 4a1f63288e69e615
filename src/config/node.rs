//! A value of a file, read as whatever is wanted of it.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use toml::de::DeValue;

use super::document::Spot;
use super::nearest::{nearest, or_list};
use super::table::Table;
use super::{Number, units};

/// A value.
pub(super) struct Node<'d> {
    pub(super) spot: Spot<'d>,
    pub(super) value: &'d DeValue<'d>,
}

impl<'d> Node<'d> {
    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub(super) fn text(&self) -> Option<&'d str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type("a string", "write the value in double quotes"),
        }
    }

    /// A string that is not empty.
    pub(super) fn filled_text(&self) -> Option<&'d str> {
        let text = self.text()?;
        if text.is_empty() {
            self.spot.problem("the value is empty", "write at least one character, or leave the key out");
            return None;
        }
        Some(text)
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.wrong_type("true or false", "write true or false, without quotes"),
        }
    }

    /// The flag, if it is one.
    pub(super) fn as_flag(&self) -> Option<bool> {
        self.value.as_bool()
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, bounds: RangeInclusive<u64>) -> Option<u64> {
        let help = format!("write a whole number from {} to {}", bounds.start(), bounds.end());
        let DeValue::Integer(written) = self.value else {
            return self.wrong_type("a whole number", &help);
        };
        let number = u64::from_str_radix(written.as_str(), written.radix()).ok();
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            self.spot.problem(format!("{written} is out of bounds"), help);
        }
        number
    }

    /// A number of any kind, if it is one.
    pub(super) fn any_number(&self) -> Option<Number> {
        match self.value {
            DeValue::Integer(written) => {
                i128::from_str_radix(written.as_str(), written.radix()).ok().map(Number::Whole)
            }
            DeValue::Float(written) => {
                written.as_str().parse().ok().filter(|it: &f64| it.is_finite()).map(Number::Float)
            }
            _ => None,
        }
    }

    /// `"auto"`, which is `None`, or a number of threads.
    pub(super) fn threads(&self) -> Option<usize> {
        match self.value {
            DeValue::String(text) if text == "auto" => None,
            DeValue::Integer(_) => self.number(1..=1024).map(|count| count as usize),
            _ => self.wrong_type("a number of threads", "write \"auto\" or a whole number from 1 to 1024"),
        }
    }

    /// `"5s"`; zero is a duration too.
    pub(super) fn duration(&self) -> Option<Duration> {
        match self.value {
            DeValue::String(text) => match units::parse_duration(text) {
                Ok(duration) => Some(duration),
                Err(help) => self.refuse("this is not a duration", help),
            },
            DeValue::Integer(number) => {
                self.refuse("a duration needs a unit", format!("write \"{number}s\" for seconds"))
            }
            _ => self.wrong_type("a duration", "write a number and a unit in quotes, as in \"5s\""),
        }
    }

    /// `"5s"`, and more than nothing.
    pub(super) fn positive_duration(&self) -> Option<Duration> {
        let duration = self.duration()?;
        if duration.is_zero() {
            return self.refuse("this must be more than nothing", "write a longer time, as in \"5s\"");
        }
        Some(duration)
    }

    /// `"1MiB"`, from 1 byte to `most`.
    pub(super) fn size(&self, most: u64) -> Option<u64> {
        let size = match self.value {
            DeValue::String(text) => match units::parse_size(text) {
                Ok(size) => size,
                Err(help) => return self.refuse("this is not a size", help),
            },
            DeValue::Integer(number) => {
                return self.refuse("a size needs a unit", format!("write \"{number}B\" for bytes"));
            }
            _ => return self.wrong_type("a size", "write a number and a unit in quotes, as in \"1MiB\""),
        };
        if (1..=most).contains(&size) {
            return Some(size);
        }
        self.refuse("this is out of bounds", format!("write \"1B\" to \"{}\"", units::WrittenSize(most)))
    }

    /// One of some words. What is written instead is not shown: it may be a secret in the wrong place.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let written = self.text()?;
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == written) {
            return Some(*choice);
        }
        let words = || choices.iter().map(|(word, _)| *word);
        let help = match nearest(written, words()) {
            Some(near) => format!("did you mean \"{near}\"? Known: {}", or_list(words())),
            None => format!("write {}", or_list(words())),
        };
        self.refuse("this value is not known here", help)
    }

    pub(super) fn header_name(&self) -> Option<HeaderName> {
        let written = self.text()?;
        match HeaderName::from_bytes(written.as_bytes()) {
            Ok(name) => Some(name),
            Err(_) => {
                self.refuse("this is not a header name", "write letters, digits and hyphens, as in \"X-Signature\"")
            }
        }
    }

    /// Text that can be the value of a header.
    pub(super) fn header_value(&self) -> Option<&'d str> {
        let written = self.text()?;
        if HeaderValue::from_str(written).is_ok() {
            return Some(written);
        }
        self.refuse("this cannot be the value of a header", "leave out line breaks and control characters")
    }

    pub(super) fn status(&self, bounds: RangeInclusive<u16>) -> Option<StatusCode> {
        let number = self.number(u64::from(*bounds.start())..=u64::from(*bounds.end()))?;
        StatusCode::from_u16(number as u16).ok()
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        Some(self.spot.reading().directory.join(self.filled_text()?))
    }

    pub(super) fn table(&self) -> Option<Table<'d>> {
        match self.value {
            DeValue::Table(entries) => Some(Table { spot: self.spot.clone(), entries, known: Vec::new() }),
            _ => self.wrong_type("a table", "write { key = value, … }"),
        }
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn is_empty_list(&self) -> bool {
        self.value.as_array().is_some_and(|items| items.is_empty())
    }

    /// The items of a list; anything else counts as a list of one.
    pub(super) fn items(self) -> Vec<Node<'d>> {
        match self.value {
            DeValue::Array(items) => {
                if items.is_empty() {
                    self.spot.problem("the list is empty", "write at least one item, or leave the key out");
                }
                let spot = |at: usize, span| Spot {
                    path: format!("{}[{}]", self.spot.path, at + 1),
                    at: span,
                    ..self.spot.clone()
                };
                let nodes = items.iter().enumerate();
                nodes.map(|(at, item)| Node { spot: spot(at, item.span()), value: item.get_ref() }).collect()
            }
            _ => vec![self],
        }
    }

    pub(super) fn wrong_type<T>(&self, wanted: &str, help: &str) -> Option<T> {
        let article = if matches!(self.value, DeValue::Integer(_) | DeValue::Array(_)) { "an" } else { "a" };
        self.refuse(format!("this must be {wanted}, not {article} {}", self.value.type_str()), help)
    }

    /// Reports, and is `None` for the caller to return.
    pub(super) fn refuse<T>(&self, what: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.spot.problem(what, help);
        None
    }
}
