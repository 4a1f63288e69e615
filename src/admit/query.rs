//! A parameter of a target's query: finding it, and cutting it out. Both compare decoded names, so no spelling of a name can
//! hide a credential from the one and show it to the other.

use std::borrow::Cow;

/// The values of all parameters called `name`, as they are written.
pub(super) fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    query.split('&').filter_map(move |parameter| value_of(parameter, name))
}

/// `target` without any parameter called `name`. Borrows unless other parameters follow the first one.
pub(super) fn without<'a>(target: &'a str, name: &str) -> Cow<'a, str> {
    let Some((path, query)) = target.split_once('?') else { return Cow::Borrowed(target) };
    let mut before = path.len();
    let mut parameters = query.split('&');
    loop {
        match parameters.next() {
            None => return Cow::Borrowed(target),
            Some(parameter) if value_of(parameter, name).is_some() => break,
            Some(parameter) => before += 1 + parameter.len(),
        }
    }
    let mut public = Cow::Borrowed(target.get(..before).unwrap_or(path));
    for parameter in parameters.filter(|parameter| value_of(parameter, name).is_none()) {
        let separator = if public.len() == path.len() { '?' } else { '&' };
        let public = public.to_mut();
        public.push(separator);
        public.push_str(parameter);
    }
    public
}

/// The bytes that percent-encoded text stands for. `+` stands for itself, as senders put base64 into URLs without escaping
/// it; a `%` that begins no escape does too.
pub(super) fn decoded(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (byte, after) = match rest {
            [b'%', high, low, after @ ..] => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', rest.get(1..)?),
            },
            [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        rest = after;
        Some(byte)
    })
}

fn value_of<'a>(parameter: &'a str, name: &str) -> Option<&'a str> {
    let (written, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    decoded(written).eq(name.bytes()).then_some(value)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_is_cut_wherever_it_stands() {
        for (target, public) in [
            ("/hooks", "/hooks"),
            ("/hooks?", "/hooks?"),
            ("/hooks?a=1&b=2", "/hooks?a=1&b=2"),
            ("/hooks?key=x", "/hooks"),
            ("/hooks?key", "/hooks"),
            ("/hooks?key=x&a=1", "/hooks?a=1"),
            ("/hooks?a=1&key=x", "/hooks?a=1"),
            ("/hooks?a=1&key=x&b=2", "/hooks?a=1&b=2"),
            ("/hooks?key=x&a=1&key=y&b=2&key=z", "/hooks?a=1&b=2"),
            ("/hooks?k%65y=x&a=1", "/hooks?a=1"),
            ("/hooks?%6b%65%79=x", "/hooks"),
            ("/hooks?keys=x&akey=y", "/hooks?keys=x&akey=y"),
            ("/hooks?&key=x&", "/hooks?&"),
            ("/key=x?a=key=x", "/key=x?a=key=x"),
            ("/hooks?a=1?key=x&key=y", "/hooks?a=1?key=x"),
        ] {
            assert_eq!(without(target, "key"), public, "{target}");
        }
    }

    #[test]
    fn cutting_borrows_unless_something_follows() {
        for target in ["/hooks", "/hooks?a=1", "/hooks?key=x", "/hooks?a=1&key=x"] {
            assert!(matches!(without(target, "key"), Cow::Borrowed(_)), "{target}");
        }
    }

    #[test]
    fn escapes_are_decoded_and_what_is_none_stays() {
        let text = |text: &str| String::from_utf8_lossy(&decoded(text).collect::<Vec<_>>()).into_owned();
        assert_eq!(text("a%3Db%3d"), "a=b=");
        assert_eq!(text("a+b"), "a+b");
        assert_eq!(text("100%"), "100%");
        assert_eq!(text("%4"), "%4");
        assert_eq!(text("%zz%+1%41"), "%zz%+1A");
    }

    #[test]
    fn every_value_of_a_repeated_parameter_is_found() {
        assert_eq!(values("key=1&a=2&k%65y=3&key", "key").collect::<Vec<_>>(), ["1", "3", ""]);
    }
}
