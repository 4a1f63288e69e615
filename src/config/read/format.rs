//! `format` and `split`: what a source's requests carry, beyond one event each.

use crate::config::table::Table;
use crate::config::{Attribute, Auth, Locator, Place, Split};

/// What the two keys say.
#[derive(Default)]
pub(super) struct Format {
    pub(super) split: Option<Split>,
    pub(super) cloudevents: bool,
    /// Where the type is, if the format says so.
    pub(super) event_type: Option<Vec<Locator>>,
    /// Where the id is, likewise.
    pub(super) delivery_id: Option<Vec<Locator>>,
}

pub(super) fn format(table: &mut Table<'_>, auth: &Auth) -> Format {
    let split = table.get("split");
    let Some(node) = table.get("format") else {
        let split = split.and_then(|node| match Split::parse(node.text()?) {
            Some(split) => Some(split),
            None => node.refuse(
                "this does not say what to take apart",
                "write \"/items\" for the array that is there, \"\" for a body that is one, or \"lines\"",
            ),
        });
        return Format { split, ..Format::default() };
    };
    if let Some(split) = split {
        split.spot.problem("batches of CloudEvents are taken apart as they are", "leave `split` out");
    }
    if node.choice(&[("cloudevents", ())]).is_none() {
        return Format::default();
    }
    if auth.api_key.as_ref().is_some_and(|key| key.header.as_str().starts_with("ce-")) {
        node.spot
            .problem("the key's header would be kept as an attribute", "let the sender put its key in another header");
    }
    let at = |name| Attribute::named(name).map(|it| vec![Locator { place: Place::CloudEvent(it), append: None }]);
    Format { split: Some(Split::CloudEvents), cloudevents: true, event_type: at("type"), delivery_id: at("id") }
}
