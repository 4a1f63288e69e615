//! The path to an element of an XML body, or to an attribute of one.

use std::fmt;

/// Where in an XML body something is: names without namespace prefixes, from the outermost element on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlPath {
    /// The elements. Never empty.
    pub elements: Vec<String>,
    /// An attribute of the last, if not its text is meant.
    pub attribute: Option<String>,
}

impl XmlPath {
    /// Reads `/Envelope/Body/Status` or `/Envelope/Body/sObject/@type`. The error is what would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut names: Vec<&str> = text.strip_prefix('/').ok_or(WRITE)?.split('/').collect();
        let attribute = names.pop_if(|last| last.starts_with('@')).and_then(|last| last.strip_prefix('@'));
        if names.is_empty() {
            return Err(WRITE);
        }
        for name in names.iter().copied().chain(attribute) {
            if name.contains(':') {
                return Err("leave prefixes out: a sender may choose others, and names are compared without them");
            }
            if !is_name(name) {
                return Err(WRITE);
            }
        }
        let elements = names.into_iter().map(ToOwned::to_owned).collect();
        Ok(Self { elements, attribute: attribute.map(ToOwned::to_owned) })
    }
}

impl fmt::Display for XmlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.elements.iter().try_for_each(|element| write!(f, "/{element}"))?;
        self.attribute.iter().try_for_each(|attribute| write!(f, "/@{attribute}"))
    }
}

fn is_name(name: &str) -> bool {
    let begins = |c: char| c.is_alphabetic() || c == '_';
    name.starts_with(begins) && name.chars().all(|c| begins(c) || c.is_numeric() || matches!(c, '-' | '.' | '·'))
}

const WRITE: &str = "write the names of the elements from the outermost on, as in \"/Envelope/Body/Status\", and an \
                     attribute as in \"/Envelope/Body/Item/@type\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_it_is_written() {
        for path in ["/a", "/Envelope/Body/b-1", "/a/b/@c"] {
            assert_eq!(XmlPath::parse(path).map(|path| path.to_string()).as_deref(), Ok(path));
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in
            ["", "/", "a", "/a/", "//a", "/@a", "/a/@", "/a/@b/c", "/s:Envelope", "/a/@xsi:type", "/1", "/a b", "/a[1]"]
        {
            assert!(XmlPath::parse(path).is_err(), "{path}");
        }
    }
}
