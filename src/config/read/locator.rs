//! Where a type or a delivery id is.

use crate::config::node::Node;
use crate::config::{Attribute, Locator, Place, Pointer, XmlPath};

/// A place, or a list of places of which the first that is there counts.
pub(super) fn locators(node: Node<'_>) -> Vec<Locator> {
    node.items().iter().filter_map(locator).collect()
}

fn locator(node: &Node<'_>) -> Option<Locator> {
    if !node.is_table() {
        return node.wrong_type("a place in the request", WRITE);
    }
    let mut table = node.table()?;
    let place = match table.one_of(["header", "path", "query", "json", "form", "xml", "cloudevent", "constant"]) {
        Some(("header", node)) => node.header_name().map(Place::Header),
        Some(("path", node)) => node.filled_text().map(|segment| Place::Path(segment.to_owned())),
        Some(("query", node)) => node.filled_text().map(|parameter| Place::Query(parameter.to_owned())),
        Some(("json", node)) => pointer(&node).map(Place::Json),
        Some(("form", node)) => node.filled_text().map(|field| Place::Form(field.to_owned())),
        Some(("xml", node)) => xml_path(&node).map(Place::Xml),
        Some(("cloudevent", node)) => attribute(&node).map(Place::CloudEvent),
        Some((_, node)) => node.filled_text().map(|text| Place::Constant(text.to_owned())),
        None => node.refuse("it is not said where to look", WRITE),
    };
    let append = table.get("append").and_then(|node| pointer(&node));
    table.finish();
    Some(Locator { place: place?, append })
}

/// A JSON pointer to a member.
pub(super) fn pointer(node: &Node<'_>) -> Option<Pointer> {
    let pointer = Pointer::parse(node.text()?);
    if pointer.is_none() {
        node.spot.problem(
            "this does not point to a member",
            "begin with a slash, as in \"/event/type\"; ~1 is a slash in a name",
        );
    }
    pointer
}

fn xml_path(node: &Node<'_>) -> Option<XmlPath> {
    match XmlPath::parse(node.text()?) {
        Ok(path) => Some(path),
        Err(help) => node.refuse("this does not lead to an element", help),
    }
}

fn attribute(node: &Node<'_>) -> Option<Attribute> {
    let attribute = Attribute::named(node.text()?);
    if attribute.is_none() {
        node.spot.problem("no attribute of a CloudEvent has this name", "write it as in \"type\", without ce-");
    }
    attribute
}

const WRITE: &str = "write one of { header = \"X-Event\" }, { path = \"segment\" }, { query = \"parameter\" }, \
                     { json = \"/type\" }, { form = \"field\" }, { xml = \"/Envelope/Body/Status\" }, \
                     { cloudevent = \"type\" }, { constant = \"text\" }";
