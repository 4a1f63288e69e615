//! Configuration values as a user writes them, for `check` and for metrics.

use std::fmt;

use super::{Ack, Auth, Pointer, Proof, TokenPlace, TypePattern};

impl fmt::Display for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ack::Durable => "durable",
            Ack::Memory => "memory",
        })
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypePattern::Any => f.write_str("*"),
            TypePattern::Exact(text) | TypePattern::Glob(text) => f.write_str(text),
            TypePattern::Under(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// What a request must prove. No secret is in it.
impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = Vec::new();
        if let Some(proof) = &self.proof {
            kinds.push(proof.proof.to_string());
        }
        if let Some(basic) = &self.basic {
            kinds.push(match &basic.url_parameter {
                Some(name) => format!("basic, or ?{name}="),
                None => "basic".to_owned(),
            });
        }
        if let Some(key) = &self.api_key {
            kinds.push(format!("key in {}", key.header));
        }
        if !self.bearer.is_empty() {
            kinds.push("bearer token".to_owned());
        }
        if !self.client_names.is_empty() {
            kinds.push(format!("certificate of {}", self.client_names.join(" or ")));
        }
        f.write_str(&if kinds.is_empty() { "NONE: anybody may send".to_owned() } else { kinds.join(" and ") })
    }
}

/// What it is and where.
impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Proof::Signature(scheme) => write!(f, "{} in {}", scheme.algorithm, scheme.place),
            Proof::Token(TokenPlace::Header(name)) => write!(f, "token in {name}"),
            Proof::Token(TokenPlace::Json { pointer, each: None }) => write!(f, "token in {pointer} of the body"),
            Proof::Token(TokenPlace::Json { pointer, each: Some(each) }) => {
                write!(f, "token in {pointer} of each of {each}")
            }
            Proof::Jwt(jwt) => write!(f, "JSON Web Token in {}", jwt.header),
            Proof::Own => f.write_str("credentials that you choose"),
        }
    }
}

/// RFC 6901: `~` and `/` within a segment are escaped.
impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| write!(f, "/{}", segment.replace('~', "~0").replace('/', "~1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_pointers_are_shown_as_they_are_written() {
        assert_eq!(TypePattern::Under("invoice.".to_owned()).to_string(), "invoice.*");
        assert_eq!(TypePattern::Any.to_string(), "*");
        assert_eq!(Pointer(vec!["a/b".to_owned(), "c~".to_owned()]).to_string(), "/a~1b/c~0");
    }
}
