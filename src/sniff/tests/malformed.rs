//! What is not JSON, or not all of it.

use std::fs;

use super::*;

#[test]
fn what_is_wrong_on_the_way_ends_it() {
    for body in [
        r#"{"a":nul,"b":"x"}"#,
        r#"{"a":01,"b":"x"}"#,
        r#"{"a":1.,"b":"x"}"#,
        r#"{"a":+1,"b":"x"}"#,
        r#"{"a":-,"b":"x"}"#,
        r#"{"a":1e,"b":"x"}"#,
        r#"{"a":1 "b":"x"}"#,
        r#"{"a":1,,"b":"x"}"#,
        r#"{,"b":"x"}"#,
        r#"{"a","b":"x"}"#,
        r#"{"a"::1,"b":"x"}"#,
        r#"{a:1,"b":"x"}"#,
        r#"{'a':1,"b":"x"}"#,
        r#"{"\x":1,"b":"x"}"#,
        r#"{"\ud800":1,"b":"x"}"#,
        r#"{"a":undefined,"b":"x"}"#,
        r#"{"a":truefalse,"b":"x"}"#,
        r#"{}"b":"x"}"#,
        r#"["b","x"]"#,
        "<b>x</b>",
        "",
    ] {
        assert_eq!(find(body, "/b"), None, "{body}");
    }
}

#[test]
fn a_text_that_is_not_one_is_not_found() {
    for body in [
        &br#"{"b":"\x"}"#[..],
        br#"{"b":"\ud834"}"#,
        b"{\"b\":\"\xff\"}",
        b"{\"b\":\"\\n\xff\"}",
        b"{\"b\":\"\xc3\"}",
        b"{\"b\":\"a\nb\"}",
        b"{\"b\":\"\0\"}",
        br#"{"b":12x}"#,
        br#"{"b":0123}"#,
        br#"{"b":12"#,
        br#"{"b":"12"#,
    ] {
        assert_eq!(text_at(body, &path_of("/b")), None, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = |levels: usize| format!("{}1{}", r#"{"a":["#.repeat(levels), "]}".repeat(levels));
    let levels = 100_000;
    let body = format!(r#"{{"deep":{},"type":"x"}}"#, deep(levels));
    assert_eq!(find(&body, "/type").as_deref(), Some("x"));
    assert_eq!(find(&"[".repeat(levels), "/type"), None);
    assert_eq!(find(&r#"{"a":["#.repeat(levels), "/type"), None);
    assert_eq!(find(&deep(levels), &"/a/0".repeat(levels)).as_deref(), Some("1"));
}

#[test]
fn a_body_that_is_cut_off_is_never_misread() {
    for name in ["stripe/source.mandate_notification.json", "github/push.json"] {
        let body = fs::read(fixtures().join(name)).unwrap();
        for pointer in
            ["/type", "/id", "/ref", "/livemode", "/repository/id", "/head_commit/author/name", "/sender/login"]
        {
            let path = path_of(pointer);
            let whole = text_at(&body, &path);
            for cut in 0..body.len() {
                let found = text_at(&body[..cut], &path);
                assert!(found.is_none() || found == whole, "{name} cut at {cut}: {pointer} gives {found:?}");
            }
        }
    }
}
