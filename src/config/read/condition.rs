//! `where = [{ json = "/data/amount", gt = 10000 }, …]`

use super::locator::pointer;
use crate::config::node::Node;
use crate::config::{Comparison, Condition, Number, Scalar, Test};

/// What must hold, all of it; a single table counts as a list of one.
pub(super) fn conditions(node: Node<'_>) -> Vec<Condition> {
    node.items().iter().filter_map(condition).collect()
}

fn condition(node: &Node<'_>) -> Option<Condition> {
    let mut table = node.table()?;
    let member = table.require("json", "json = \"/data/amount\"").and_then(|node| pointer(&node));
    let mut tests = Vec::new();
    if let Some(node) = table.get("exists") {
        tests.extend(node.flag().map(Test::Exists));
    }
    if let Some(node) = table.get("eq") {
        tests.extend(scalar(&node).map(|value| Test::OneOf(vec![value])));
    }
    if let Some(node) = table.get("one_of") {
        tests.push(Test::OneOf(node.items().iter().filter_map(scalar).collect()));
    }
    if let Some(node) = table.get("prefix") {
        tests.extend(node.filled_text().map(|text| Test::Prefix(text.to_owned())));
    }
    for (key, comparison) in
        [("gt", Comparison::Gt), ("ge", Comparison::Ge), ("lt", Comparison::Lt), ("le", Comparison::Le)]
    {
        if let Some(node) = table.get(key) {
            tests.extend(number(&node).map(|number| Test::Compares(comparison, number)));
        }
    }
    let known = ["exists", "eq", "one_of", "prefix", "gt", "ge", "lt", "le"];
    if !known.iter().any(|key| table.get(key).is_some()) {
        node.spot.problem("it is not said what the member must be", WRITE);
    }
    table.finish();
    Some(Condition { member: member?, tests })
}

fn scalar(node: &Node<'_>) -> Option<Scalar> {
    if node.is_text() {
        return node.text().map(|text| Scalar::Text(text.to_owned()));
    }
    if let Some(flag) = node.as_flag() {
        return Some(Scalar::Flag(flag));
    }
    match node.any_number() {
        Some(number) => Some(Scalar::Number(number)),
        None => node.wrong_type("a string, a number, true or false", "write it as in \"paid\" or 10000"),
    }
}

fn number(node: &Node<'_>) -> Option<Number> {
    let number = node.any_number();
    if number.is_none() {
        return node.wrong_type("a number", "write it without quotes, as in 10000 or 0.5");
    }
    number
}

const WRITE: &str = "write one of exists = true, eq = \"paid\", one_of = [\"paid\", \"open\"], prefix = \"in_\", gt = 10000, \
                     ge, lt, le";
