//! Who may send to a source.

use super::scheme::scheme;
use super::secret::{header_secrets, keys, secrets};
use super::senders::client_names;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::{ApiKey, Auth, BasicAuth, Preset, SignatureAuth};

/// Reads all that must be proven. At least one proof must be written, or `auth = "none"` alone.
pub(super) fn auth(table: &mut Table<'_>, preset: Option<&Preset>) -> Auth {
    let auth = Auth {
        signature: signature(table, preset),
        basic: basic(table),
        api_key: table.get("api_key").and_then(|node| api_key(&node)),
        bearer: table.get("bearer").map(header_secrets).unwrap_or_default(),
        client_names: table.get("client_cert").map(client_names).unwrap_or_default(),
    };
    if let Some(node) = table.get("bearer")
        && table.get("basic").is_some()
        && table.get("url_credential").is_none()
    {
        node.spot.problem(
            "one Authorization header cannot carry `bearer` and `basic`",
            "write one of them, or url_credential = \"parameter\" for the user and password",
        );
    }
    check_that_something_is_proven(table);
    auth
}

fn signature(table: &mut Table<'_>, preset: Option<&Preset>) -> Option<SignatureAuth> {
    let own = table.get("hmac");
    let scheme = match &own {
        Some(node) => scheme(node),
        None => preset.map(|preset| preset.scheme.clone()),
    };
    let signs = own.is_some() || table.get("preset").is_some();
    match table.get("secret") {
        None if signs && table.get("auth").is_none() => {
            let help = "write secret = { env = \"NAME\" } or { file = \"path\" }";
            table.spot.problem("`secret` is missing: the signature cannot be checked", help);
            None
        }
        None => None,
        Some(node) if !signs => {
            node.refuse("nothing is signed with this secret", "write preset = \"…\" or hmac = { … } beside it")
        }
        Some(node) => {
            let Some(scheme) = scheme else {
                secrets(node);
                return None;
            };
            Some(SignatureAuth { secrets: keys(node, &scheme.key), scheme })
        }
    }
}

fn basic(table: &mut Table<'_>) -> Option<BasicAuth> {
    let url_node = table.get("url_credential");
    let url_parameter = url_node.as_ref().and_then(Node::filled_text).map(ToOwned::to_owned);
    let Some(node) = table.get("basic") else {
        let help = "write basic = { user = \"…\", password = { env = \"NAME\" } } beside it";
        return url_node?.refuse("this names no credentials", help);
    };
    let mut basic = node.table()?;
    let user = basic.require("user", "user = \"name\"").and_then(|node| user(&node));
    let passwords = basic.require("password", "password = { env = \"NAME\" }").map(secrets);
    basic.finish();
    Some(BasicAuth { user: user?, passwords: passwords?, url_parameter })
}

/// A user of Basic credentials, which end at the first colon.
pub(super) fn user(node: &Node<'_>) -> Option<String> {
    let user = node.filled_text()?;
    if user.contains(':') {
        return node.refuse("a user with a colon cannot be told from its password", "write the part before the colon");
    }
    Some(user.to_owned())
}

fn api_key(node: &Node<'_>) -> Option<ApiKey> {
    let mut table = node.table()?;
    let header = table.require("header", "header = \"X-Api-Key\"").and_then(|node| node.header_name());
    let keys = table.require("key", "key = { env = \"NAME\" }").map(header_secrets);
    table.finish();
    Some(ApiKey { header: header?, keys: keys? })
}

fn check_that_something_is_proven(table: &mut Table<'_>) {
    let proof = PROOFS.into_iter().find(|key| table.get(key).is_some());
    match (table.get("auth"), proof) {
        (Some(node), proof) => {
            let is_none = node.choice(&[("none", ())]);
            if let (Some(()), Some(proof)) = (is_none, proof) {
                node.spot.problem(format!("auth = \"none\" stands beside `{proof}`"), "write only one of the two");
            }
        }
        (None, None) => table.spot.problem(
            "nothing says who may send",
            "write preset, hmac, basic, api_key, bearer or client_cert; or auth = \"none\" if anybody may",
        ),
        _ => {}
    }
}

/// The keys that ask a sender for a proof.
const PROOFS: [&str; 6] = ["preset", "hmac", "basic", "api_key", "bearer", "client_cert"];
