//! What is found, and where.

use super::*;

#[test]
fn a_string_is_found_where_the_pointer_leads() {
    let body = r#" { "a" : [ 1 , {"b":"no"} , [ ] ] , "b" : { "c" : [ {}, "yes" ] } } "#;
    assert_eq!(find(body, "/b/c/1").as_deref(), Some("yes"));
    assert_eq!(find(body, "/a/1/b").as_deref(), Some("no"));
}

#[test]
fn a_number_is_given_as_it_is_written() {
    let body = r#"{"a":-0,"b":1.50e+03,"c":123456789012345678901234567890}"#;
    assert_eq!(find(body, "/a").as_deref(), Some("-0"));
    assert_eq!(find(body, "/b").as_deref(), Some("1.50e+03"));
    assert_eq!(find(body, "/c").as_deref(), Some("123456789012345678901234567890"));
}

#[test]
fn neither_containers_nor_literals_are_text() {
    for value in ["{}", "[]", "true", "false", "null"] {
        assert_eq!(find(&format!(r#"{{"a":{value}}}"#), "/a"), None, "{value}");
    }
}

#[test]
fn a_key_matches_whatever_way_it_is_escaped() {
    assert_eq!(find(r#"{"\u0074ype":"x"}"#, "/type").as_deref(), Some("x"));
    assert_eq!(find(r#"{"a\/b~\n":"x"}"#, "/a~1b~0\n").as_deref(), Some("x"));
    assert_eq!(find(r#"{"typ":1,"types":2,"\u0074yp":3,"\u0074ypes":4,"type":5}"#, "/type").as_deref(), Some("5"));
}

#[test]
fn what_stands_in_a_string_is_never_structure() {
    let body = r#"{"a":"\",\"type\":\"forged\"","b":["],\"type\":\"forged\""],"c":"}\\","type":"true"}"#;
    assert_eq!(find(body, "/type").as_deref(), Some("true"));
}

#[test]
fn a_member_of_an_inner_object_is_not_one_of_the_outer() {
    assert_eq!(find(r#"{"data":{"type":"inner"},"list":[{"type":"inner"}]}"#, "/type"), None);
}

#[test]
fn a_text_without_escapes_is_a_range_of_the_body() {
    let body = r#"{"a":"é 𝄞","b":"\u00e9"}"#.as_bytes();
    assert_eq!(json::find(body, &path_of("/a")), Some(Text::Plain(6..13)));
    assert_eq!(json::find(body, &path_of("/b")), Some(Text::Decoded("é".to_owned())));
}

#[test]
fn an_element_is_named_by_its_index_without_leading_zeros() {
    let body = r#"{"events":[{"type":"a"},{"type":"b"}],"object":{"0":"c","01":"d"}}"#;
    assert_eq!(find(body, "/events/1/type").as_deref(), Some("b"));
    for absent in ["/events/2/type", "/events/-/type", "/events/01/type", "/events/+1/type", "/events//type"] {
        assert_eq!(find(body, absent), None, "{absent}");
    }
    assert_eq!(find(body, "/object/0").as_deref(), Some("c"));
    assert_eq!(find(body, "/object/01").as_deref(), Some("d"));
}

#[test]
fn of_a_key_that_is_there_twice_the_first_counts() {
    assert_eq!(find(r#"{"a":"first","a":"second"}"#, "/a").as_deref(), Some("first"));
    assert_eq!(find(r#"{"a":{},"a":{"b":"second"}}"#, "/a/b"), None);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(find("\u{feff}{\"a\":\"x\"}", "/a").as_deref(), Some("x"));
    assert_eq!(find("\u{feff}\u{feff}{\"a\":\"x\"}", "/a"), None);
}

#[test]
fn the_empty_pointer_is_the_document() {
    assert_eq!(find(r#""x""#, "").as_deref(), Some("x"));
    assert_eq!(find("12", "").as_deref(), Some("12"));
    assert_eq!(find(r#"{"a":1}"#, ""), None);
}
