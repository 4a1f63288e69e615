//! Which routes take an event: worked out once for each source, looked up without an allocation.

use std::collections::HashMap;

use crate::config::{RouteConfig, TypePattern};

/// The routes of every source, by event type.
#[derive(Debug)]
pub(super) struct Table {
    sources: Vec<OfSource>,
}

/// The routes of one source.
#[derive(Debug, Default)]
struct OfSource {
    any: Vec<Target>,
    exact: HashMap<Box<str>, Vec<Target>>,
    /// By prefix, the dot included.
    under: HashMap<Box<str>, Vec<Target>>,
    /// No longer prefix of a type needs to be looked up.
    longest_prefix: usize,
    globs: Vec<(Glob, Target)>,
}

#[derive(Debug, Clone, Copy)]
struct Target {
    route: usize,
    /// It takes only events whose type a signature covers.
    signed_type: bool,
}

impl Table {
    /// The table of these routes; they are known by their index.
    pub(super) fn new(routes: &[RouteConfig]) -> Self {
        let sources = routes.iter().flat_map(|route| &route.from).map(|from| from.source + 1).max().unwrap_or(0);
        let mut table = Self { sources: std::iter::repeat_with(OfSource::default).take(sources).collect() };
        for (at, route) in routes.iter().enumerate() {
            let target = Target { route: at, signed_type: route.signed_type };
            for from in &route.from {
                for pattern in &from.types {
                    table.sources[from.source].add(pattern, target);
                }
            }
        }
        table
    }

    /// Appends to `matches` the routes that take an event of this source and type, each once.
    pub(super) fn find(&self, source: usize, event_type: Option<&str>, type_signed: bool, matches: &mut Vec<usize>) {
        let Some(of_source) = self.sources.get(source) else { return };
        let mut add = |target: &Target| {
            if (type_signed || !target.signed_type) && !matches.contains(&target.route) {
                matches.push(target.route);
            }
        };
        of_source.any.iter().for_each(&mut add);
        let Some(event_type) = event_type else { return };
        if !of_source.exact.is_empty() {
            of_source.exact.get(event_type).into_iter().flatten().for_each(&mut add);
        }
        for prefix in prefixes(event_type).take_while(|prefix| prefix.len() <= of_source.longest_prefix) {
            of_source.under.get(prefix).into_iter().flatten().for_each(&mut add);
        }
        for (glob, target) in &of_source.globs {
            if glob.matches(event_type) {
                add(target);
            }
        }
    }
}

impl OfSource {
    fn add(&mut self, pattern: &TypePattern, target: Target) {
        match pattern {
            TypePattern::Any => self.any.push(target),
            TypePattern::Exact(text) => self.exact.entry(text.as_str().into()).or_default().push(target),
            TypePattern::Under(prefix) => {
                self.longest_prefix = self.longest_prefix.max(prefix.len());
                self.under.entry(prefix.as_str().into()).or_default().push(target);
            }
            TypePattern::Glob(text) => self.globs.push((Glob::new(text), target)),
        }
    }
}

/// Whether one pattern matches a type.
pub(crate) fn matches(pattern: &TypePattern, event_type: Option<&str>) -> bool {
    let Some(event_type) = event_type else { return *pattern == TypePattern::Any };
    match pattern {
        TypePattern::Any => true,
        TypePattern::Exact(text) => text == event_type,
        TypePattern::Under(prefix) => event_type.starts_with(prefix.as_str()),
        TypePattern::Glob(text) => Glob::new(text).matches(event_type),
    }
}

/// `a.`, `a.b.` of `a.b.c`.
fn prefixes(event_type: &str) -> impl Iterator<Item = &str> {
    memchr::memchr_iter(b'.', event_type.as_bytes()).filter_map(|dot| event_type.get(..=dot))
}

/// A pattern in which each `*` stands for any text.
#[derive(Debug)]
struct Glob {
    start: Box<str>,
    /// What stands between stars, in its order.
    middle: Vec<Box<str>>,
    end: Box<str>,
}

impl Glob {
    fn new(pattern: &str) -> Self {
        let (start, rest) = pattern.split_once('*').unwrap_or((pattern, ""));
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        Self {
            start: start.into(),
            middle: middle.split('*').filter(|piece| !piece.is_empty()).map(Into::into).collect(),
            end: end.into(),
        }
    }

    fn matches(&self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix(&*self.start) else { return false };
        let Some(mut rest) = rest.strip_suffix(&*self.end) else { return false };
        for piece in &self.middle {
            let Some((_, after)) = rest.split_once(&**piece) else { return false };
            rest = after;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::route;
    use super::*;
    use crate::config::From;

    fn pattern(text: &str) -> TypePattern {
        match text.strip_suffix('*') {
            Some("") => TypePattern::Any,
            Some(prefix) if prefix.ends_with('.') && !prefix.contains('*') => TypePattern::Under(prefix.into()),
            _ if text.contains('*') => TypePattern::Glob(text.into()),
            _ => TypePattern::Exact(text.into()),
        }
    }

    fn table(routes: &[&[&str]]) -> Table {
        let routes: Vec<_> = routes
            .iter()
            .map(|types| RouteConfig {
                from: vec![From { source: 1, types: types.iter().map(|text| pattern(text)).collect() }],
                ..route("a route")
            })
            .collect();
        Table::new(&routes)
    }

    fn found(table: &Table, source: usize, event_type: Option<&str>) -> Vec<usize> {
        let mut matches = Vec::new();
        table.find(source, event_type, true, &mut matches);
        matches.sort_unstable();
        matches
    }

    #[test]
    fn a_type_finds_its_exact_prefix_glob_and_any_routes() {
        let table = table(&[&["invoice.paid"], &["invoice.*"], &["*.paid"], &["*"], &["charge.*", "invoice.line.*"]]);
        assert_eq!(found(&table, 1, Some("invoice.paid")), [0, 1, 2, 3]);
        assert_eq!(found(&table, 1, Some("invoice.line.added")), [1, 3, 4]);
        assert_eq!(found(&table, 1, Some("invoice")), [3]);
        assert_eq!(found(&table, 1, Some("invoice.")), [1, 3]);
        assert_eq!(found(&table, 1, None), [3]);
    }

    #[test]
    fn a_source_without_routes_finds_none() {
        let table = table(&[&["*"]]);
        assert_eq!(found(&table, 0, Some("a")), [] as [usize; 0]);
        assert_eq!(found(&table, 7, Some("a")), [] as [usize; 0]);
    }

    #[test]
    fn a_route_matches_once_however_many_of_its_patterns_fit() {
        let table = table(&[&["*", "a.b", "a.*", "*.b", "a*b"]]);
        assert_eq!(found(&table, 1, Some("a.b")), [0]);
    }

    #[test]
    fn a_route_that_wants_signed_types_gets_no_others() {
        let mut routes = vec![route("signed"), route("any")];
        routes[0].signed_type = true;
        let table = Table::new(&routes);
        let mut matches = Vec::new();
        table.find(0, Some("a"), false, &mut matches);
        assert_eq!(matches, [1]);
    }

    #[test]
    fn start_and_end_of_a_glob_do_not_overlap() {
        assert!(!Glob::new("aba*ba").matches("aba"));
        assert!(Glob::new("aba*ba").matches("ababa"));
        assert!(!Glob::new("a*b*b").matches("ab"));
        assert!(Glob::new("a**b").matches("ab"));
        assert!(Glob::new("order.*.paid").matches("order.eu.de.paid"));
    }

    /// The textbook definition.
    fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => (0..=text.len()).any(|skip| glob_matches(rest, &text[skip..])),
            (Some((p, rest)), Some((t, text))) => p == t && glob_matches(rest, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn globs_match_as_defined(pattern in "[ab.*]{0,6}\\*[ab.*]{0,6}", text in "[ab.]{0,10}") {
            prop_assert_eq!(Glob::new(&pattern).matches(&text), glob_matches(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
