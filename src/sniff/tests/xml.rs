//! What is found in XML, and what is not.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::config::XmlPath;
use crate::sniff::xml;

fn find(body: &str, path: &str) -> Option<String> {
    let path = XmlPath::parse(path).unwrap();
    xml::find(body.as_bytes(), &path).map(|text| text.in_body(body.as_bytes()).to_owned())
}

#[test]
fn an_element_is_found_whatever_prefixes_its_sender_uses() {
    let body = fs::read_to_string(fixtures().join("constructed/salesforce.outbound-message.xml")).unwrap();
    let under = |rest: &str| find(&body, &format!("/Envelope/Body/notifications/{rest}"));
    assert_eq!(under("OrganizationId").as_deref(), Some("00D000000000000EAA"));
    assert_eq!(under("Notification/Id").as_deref(), Some("04l000000000001AAA"));
    assert_eq!(under("Notification/sObject/@type").as_deref(), Some("sf:Account"));
    assert_eq!(under("Notification/sObject/Name").as_deref(), Some("Acme & Sons"));
    assert_eq!(under("SessionId/@nil").as_deref(), Some("true"));
    for absent in ["Notification/Name", "sObject/Id", "Notification", "@xmlns", "Notification/sObject/@sf", "Nothing"] {
        assert_eq!(under(absent), None, "{absent}");
    }
}

#[test]
fn the_first_element_of_the_path_counts() {
    assert_eq!(find("<a><b>1</b><b>2</b></a>", "/a/b").as_deref(), Some("1"));
    assert_eq!(find("<a><b><x>0</x></b><c><d>1</d></c><b><d>2</d></b></a>", "/a/b/d").as_deref(), Some("2"));
    assert_eq!(find("<a><a><b>inner</b></a><b>outer</b></a>", "/a/b").as_deref(), Some("outer"));
    assert_eq!(find("<a><b/><b>2</b></a>", "/a/b").as_deref(), None, "the first is empty");
}

#[test]
fn a_text_is_what_stands_in_the_element() {
    for (content, text) in [
        ("\n  paid\r\n ", "paid"),
        ("<![CDATA[a<b]]>", "a<b"),
        ("a<![CDATA[&amp;]]>b", "a&amp;b"),
        ("&lt;&#65;&#x42;&amp;&apos;", "<AB&'"),
        ("pa<!-- <b>no</b> -->id<?pi no?>", "paid"),
        ("ß", "ß"),
    ] {
        assert_eq!(find(&format!("<a><b>{content}</b></a>"), "/a/b").as_deref(), Some(text), "{content}");
    }
    let body = "<?xml version='1.0'?><a><b> paid </b></a>";
    let path = XmlPath::parse("/a/b").unwrap();
    assert_eq!(
        xml::find(body.as_bytes(), &path),
        Some(Text::Plain(28..32)),
        "what need not be decoded lies in the body"
    );
}

#[test]
fn what_is_no_text_is_not_found() {
    for body in [
        "<a><b>x<c/></b></a>",
        "<a><b>x<c>y</c></b></a>",
        "<a><b>&unknown;</b></a>",
        "<a><b>&#0;</b></a>",
        "<a><b>x & y</b></a>",
        "<a><b>x",
        "<a><b>x</c></a>",
        "<a><x></a><b>x</b></a>",
        "<c/><a><b>x</b></a>",
        "<c></c><a><b>x</b></a>",
        "x<a><b>x</b></a>",
        "&lt;<a><b>x</b></a>",
        "<a><!-- <b>x</b> --></a>",
        "<a><![CDATA[<b>x</b>]]></a>",
        "<a c='&lt;b>x&lt;/b>'/>",
        r#"{"a":{"b":"x"}}"#,
        "",
    ] {
        assert_eq!(find(body, "/a/b"), None, "{body}");
    }
}

#[test]
fn a_document_type_ends_the_search_and_nothing_is_expanded() {
    let laughs = r#"<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;">]><a><b>&m;</b></a>"#;
    assert_eq!(find(laughs, "/a/b"), None);
    assert_eq!(find(r#"<!DOCTYPE a SYSTEM "file:///etc/passwd"><a><b>x</b></a>"#, "/a/b"), None);
    assert_eq!(find(r#"<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a><b>&e;</b></a>"#, "/a/b"), None);
    assert_eq!(find("<a><!DOCTYPE a><b>x</b></a>", "/a/b"), None);
}

#[test]
fn depth_is_bounded() {
    let deep = |levels: usize| format!("<a>{}{}<b>x</b></a>", "<d>".repeat(levels), "</d>".repeat(levels));
    assert_eq!(find(&deep(255), "/a/b").as_deref(), Some("x"));
    assert_eq!(find(&deep(256), "/a/b"), None);
    assert_eq!(find(&deep(10_000), "/a/b"), None);
    assert_eq!(find(&"<a>".repeat(100_000), "/a/b"), None);
}

#[test]
fn an_encoding_that_is_not_read_is_not_guessed() {
    let body = |encoding: &str, text: &str| format!("<?xml version='1.0' encoding='{encoding}'?><a><b>{text}</b></a>");
    assert_eq!(find(&body("UTF-8", "ß"), "/a/b").as_deref(), Some("ß"));
    assert_eq!(find(&body("iso-8859-1", "x"), "/a/b").as_deref(), Some("x"));
    assert_eq!(find(&body("ISO-8859-1", "ß"), "/a/b"), None, "these bytes mean something else there");
    assert_eq!(find(&body("UTF-7", "+AGE-"), "/a/b"), None);
    assert_eq!(find("\u{feff}<a><b>x</b></a>", "/a/b").as_deref(), Some("x"));
    let utf16: Vec<u8> = "<a><b>x</b></a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(xml::find(&utf16, &XmlPath::parse("/a/b").unwrap()), None);
    assert_eq!(xml::find(b"<a><b>\xff</b></a>", &XmlPath::parse("/a/b").unwrap()), None);
}

/// Elements as a tree, of which the test knows what is in it without parsing.
#[derive(Debug, Clone)]
enum Node {
    Text(String),
    Element(&'static str, Vec<Node>),
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let text = "[a-z&<>'\"é ]{1,6}".prop_map(Node::Text);
    let node = text.prop_recursive(4, 24, 4, |inner| {
        (prop::sample::select(vec!["a", "b", "c"]), prop::collection::vec(inner, 0..4))
            .prop_map(|(name, children)| Node::Element(name, children))
    });
    prop::collection::vec(node, 0..5)
}

fn written(nodes: &[Node], to: &mut String) {
    for node in nodes {
        match node {
            Node::Text(text) => to.push_str(&text.replace('&', "&amp;").replace('<', "&#60;").replace('"', "&quot;")),
            Node::Element(name, children) => {
                to.extend(["<p:", name, " x='>&amp;/'>"]);
                written(children, to);
                to.extend(["</p:", name, " >"]);
            }
        }
    }
}

/// What stands in the first element of a path.
fn expected<'tree>(nodes: &'tree [Node], path: &[&str]) -> Option<&'tree [Node]> {
    let Some((first, rest)) = path.split_first() else { return Some(nodes) };
    nodes.iter().find_map(|node| match node {
        Node::Element(name, children) if name == first => expected(children, rest),
        _ => None,
    })
}

/// `None` where there is an element among them.
fn text_of(nodes: &[Node]) -> Option<String> {
    let texts = nodes.iter().map(|node| match node {
        Node::Text(text) => Some(text.as_str()),
        Node::Element(..) => None,
    });
    texts.collect()
}

proptest! {
    #[test]
    fn every_path_into_any_tree_is_answered_as_the_tree_has_it(
        nodes in nodes(),
        path in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4),
    ) {
        let mut body = String::from("<?xml version=\"1.0\"?>\n<p:root xmlns:p='urn:x'>");
        written(&nodes, &mut body);
        body.push_str("</p:root>");
        let found = find(&body, &format!("/root/{}", path.join("/")));
        let expected = expected(&nodes, &path).and_then(text_of).map(|text| text.trim_matches(' ').to_owned());
        prop_assert_eq!(found, expected, "{}", body);
    }

    #[test]
    fn any_bytes_are_survived(body in "[<>/!?&;#x\\[\\]CDATA'\"= ab\\-]{0,60}", more in prop::collection::vec(any::<u8>(), 0..40)) {
        let path = XmlPath::parse("/a/b").unwrap();
        let _ = xml::find(body.as_bytes(), &path);
        let _ = xml::find(format!("<a>{body}").as_bytes(), &path);
        let _ = xml::find(&[body.as_bytes(), &more].concat(), &path);
    }

    #[test]
    fn a_body_that_is_cut_off_is_never_misread(cut: prop::sample::Index) {
        let body = fs::read_to_string(fixtures().join("constructed/salesforce.outbound-message.xml")).unwrap();
        let path = "/Envelope/Body/notifications/Notification/Id";
        let found = find(&body[..cut.index(body.len())], path);
        prop_assert!(found.is_none() || found.as_deref() == Some("04l000000000001AAA"));
    }
}
