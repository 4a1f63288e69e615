//! `where`: what the body of an event must say for a route to take it.

use std::cmp::Ordering;

use super::Pointer;

/// What one member of a JSON body must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The member.
    pub member: Pointer,
    /// What must hold of it, all of it. Never empty.
    pub tests: Vec<Test>,
}

/// One thing that must hold of a member.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It is there, whatever it is, `null` included; or it is not.
    Exists(bool),
    /// It is one of these.
    OneOf(Vec<Scalar>),
    /// It is a string that begins so.
    Prefix(String),
    /// It is a number that stands so to this one.
    Compares(Comparison, Number),
}

/// How two numbers stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
}

/// A value without parts.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A string.
    Text(String),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Flag(bool),
}

/// A number, compared by its value: `1` and `1.0` are the same.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// A whole number.
    Whole(i128),
    /// Any other.
    Float(f64),
}

impl Comparison {
    /// Whether this is how they stand.
    pub(crate) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

/// Exact: a whole number is not made a float, which would lose what is beyond 53 bits.
impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (*self, *other) {
            (Self::Whole(one), Self::Whole(other)) => Some(one.cmp(&other)),
            (Self::Float(one), Self::Float(other)) => one.partial_cmp(&other),
            (Self::Whole(one), Self::Float(other)) => whole_to_float(one, other),
            (Self::Float(one), Self::Whole(other)) => whole_to_float(other, one).map(Ordering::reverse),
        }
    }
}

fn whole_to_float(whole: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Saturates, which is right: no whole number here is as far away as the ends of `i128`.
    let truncated = float.trunc() as i128;
    Some(whole.cmp(&truncated).then_with(|| 0.0.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value() {
        let (whole, float) = (Number::Whole, Number::Float);
        assert_eq!(whole(1), float(1.0));
        assert!(whole(1) < float(1.5) && whole(2) > float(1.5) && whole(-1) > float(-1.5) && whole(-2) < float(-1.5));
        assert!(whole(i128::from(u64::MAX)) < float(1e300) && whole(i128::from(i64::MIN)) > float(f64::NEG_INFINITY));
        assert!(whole(9_007_199_254_740_993) > float(9_007_199_254_740_992.0), "as floats they would be equal");
        assert_eq!(whole(1).partial_cmp(&float(f64::NAN)), None);
        assert!(float(0.1) < float(0.2));
    }
}
