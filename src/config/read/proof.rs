//! What a provider proves itself with: `hmac`, `signature`, `token` or `jwt`.

use super::locator::pointer;
use super::scheme::{mac_scheme, public_key_scheme};
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::{JwtScheme, Proof, TokenPlace};

/// The keys of a table that describe a proof, of which one may be written.
pub(super) const PROOF_KEYS: [&str; 4] = ["hmac", "signature", "token", "jwt"];

/// A proof that is wrong, which has been reported.
pub(super) struct Reported;

/// The proof that is written in this table, if one is.
pub(super) fn proof(table: &mut Table<'_>) -> Option<Result<Proof, Reported>> {
    let (key, node) = table.one_of(PROOF_KEYS)?;
    let signature = |scheme| Proof::Signature(Box::new(scheme));
    let proof = match key {
        "hmac" => mac_scheme(&node).map(signature),
        "signature" => public_key_scheme(&node).map(signature),
        "token" => token(&node).map(Proof::Token),
        _ => jwt(&node).map(Proof::Jwt),
    };
    Some(proof.ok_or(Reported))
}

fn token(node: &Node<'_>) -> Option<TokenPlace> {
    let mut table = node.table()?;
    let each = table.get("each").and_then(|node| pointer(&node));
    let place = match table.one_of(["header", "json"]) {
        Some(("header", node)) => node.header_name().map(TokenPlace::Header),
        Some((_, node)) => pointer(&node).map(|pointer| TokenPlace::Json { pointer, each }),
        None => node.refuse("it is not said where the token is", "write header = \"X-Token\" or json = \"/token\""),
    };
    table.finish();
    place
}

fn jwt(node: &Node<'_>) -> Option<JwtScheme> {
    let mut table = node.table()?;
    let header = table.require("header", "header = \"X-Signature-Jwt\"").and_then(|node| node.header_name());
    let body_hash = table.get("body_hash").and_then(|node| node.filled_text()).map(ToOwned::to_owned);
    table.finish();
    Some(JwtScheme { header: header?, body_hash })
}
