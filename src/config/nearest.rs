//! The known name that somebody may have meant.

/// The candidate nearest to `written`, if it is near enough to be meant.
pub(super) fn nearest<'names>(written: &str, known: impl IntoIterator<Item = &'names str>) -> Option<&'names str> {
    // One slip in three letters; a distant name would mislead more than none.
    let furthest = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(written, name), name))
        .filter(|(distance, name)| *distance <= furthest && !name.is_empty())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A list for a sentence: `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
pub(super) fn or_list<'names>(names: impl IntoIterator<Item = &'names str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name() {
        assert_eq!(nearest("max_boddy", ["max_rate", "max_body"]), Some("max_body"));
        assert_eq!(nearest("nmae", ["name", "path"]), Some("name"));
    }

    #[test]
    fn a_distant_name_is_not_suggested() {
        assert_eq!(nearest("colour", ["name", "path", "preset"]), None);
        assert_eq!(nearest("a", [""]), None);
    }

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(or_list([]), "");
        assert_eq!(or_list(["a"]), r#""a""#);
        assert_eq!(or_list(["a", "b", "c"]), r#""a", "b" or "c""#);
    }
}
