//! Text with holes: `{timestamp}.{body}`. `{{` and `}}` are braces.

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'text> {
    /// Text as it is, its doubled braces halved.
    Literal(String),
    /// What stands between braces.
    Hole(&'text str),
}

/// Takes a template apart. Neighbouring literals are one piece; empty ones are none. The error is what would be right.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, &'static str> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        literal.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else if let Some((hole, after)) = from.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            if hole.contains('{') {
                return Err("close each { with a }; write {{ for a brace that stays");
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Hole(hole));
            rest = after;
        } else {
            return Err("close each { with a }; write {{ or }} for a brace that stays");
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_and_literals_alternate() {
        let literal = |text: &str| Piece::Literal(text.to_owned());
        assert_eq!(pieces("{t}.{b}"), Ok(vec![Piece::Hole("t"), literal("."), Piece::Hole("b")]));
        assert_eq!(pieces("v0:{t}"), Ok(vec![literal("v0:"), Piece::Hole("t")]));
        assert_eq!(pieces(""), Ok(vec![]));
    }

    #[test]
    fn doubled_braces_are_braces() {
        let whole =
            vec![Piece::Literal(r#"{"id":""#.to_owned()), Piece::Hole("id"), Piece::Literal(r#""}"#.to_owned())];
        assert_eq!(pieces(r#"{{"id":"{id}"}}"#), Ok(whole));
    }

    #[test]
    fn a_lonely_brace_is_refused() {
        for text in ["{", "}", "a{b", "a}b", r#"{"id":"{id}"}"#, "{a{b}}"] {
            assert!(pieces(text).is_err(), "{text}");
        }
    }
}
