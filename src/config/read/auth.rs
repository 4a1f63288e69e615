//! Who may send to a source.

use super::proof::{PROOF_KEYS, proof};
use super::secret::{header_secrets, keys, public_keys, secrets};
use super::senders::client_names;
use crate::config::node::Node;
use crate::config::table::Table;
use crate::config::{
    ApiKey, Auth, BasicAuth, Handshake, KeyForm, Preset, Proof, ProofAuth, Secret, Secrets, TokenPlace,
};

/// Reads all that must be proven. At least one proof must be written, or `auth = "none"` alone.
pub(super) fn auth(table: &mut Table<'_>, preset: Option<&Preset>, path: &str, handshakes: &[Handshake]) -> Auth {
    let auth = Auth {
        proof: provider_proof(table, preset, path, handshakes),
        basic: basic(table),
        api_key: table.get("api_key").and_then(|node| api_key(&node)),
        bearer: table.get("bearer").map(header_secrets).unwrap_or_default(),
        verify_token: table.get("verify_token").map(secrets).unwrap_or_default(),
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
    if table.get("verify_token").is_none() && handshakes.iter().any(Handshake::wants_verify_token) {
        table.spot.problem(
            "`verify_token` is missing: the provider's handshake cannot be checked",
            "write verify_token = { env = \"NAME\" }, the text that you give the provider beside the URL",
        );
    }
    check_that_something_is_proven(table, preset);
    auth
}

fn provider_proof(
    table: &mut Table<'_>,
    preset: Option<&Preset>,
    path: &str,
    handshakes: &[Handshake],
) -> Option<ProofAuth> {
    let own = proof(table);
    let is_own = own.is_some();
    let proof = match own {
        Some(own) => own.ok(),
        None => preset.map(|preset| preset.proof.clone()),
    };
    let signs = is_own || (table.get("preset").is_some() && proof != Some(Proof::Own));
    let public_url = table.get("public_url").and_then(|node| public_url(&node));
    let key_id = table.get("key_id").and_then(|node| node.filled_text()).map(ToOwned::to_owned);
    let written = table.one_of(["secret", "tenants"]);
    let secrets = match written {
        None if signs && handshakes.iter().any(|handshake| handshake.learn.is_some()) => Secrets::Learned,
        None if signs && table.get("auth").is_none() => {
            let help = "write secret = { env = \"NAME\" } or { file = \"path\" }";
            table.spot.problem("`secret` is missing: the signature cannot be checked", help);
            return None;
        }
        None => return None,
        Some((_, node)) if !signs => {
            return node.refuse("nothing is signed with this secret", "write preset = \"…\" or hmac = { … } beside it");
        }
        Some(("tenants", node)) => Secrets::OfTenants(tenants(&node, proof.as_ref(), path)),
        Some((_, node)) => Secrets::Of(secrets_for(node, proof.as_ref())),
    };
    let proof = proof?;
    if let Proof::Signature(scheme) = &proof {
        if scheme.signs_url() && table.get("public_url").is_none() {
            table.spot.problem(
                "`public_url` is missing: the provider signs the URL that it posts to",
                "write public_url = \"https://hooks.example.com\", the scheme and host of that URL",
            );
        }
        if scheme.wants_key_id() && table.get("key_id").is_none() {
            table.spot.problem(
                "`key_id` is missing: the provider signs it or sends it with the signature",
                "write key_id = \"…\", as `hookgate presets show` says what it is",
            );
        }
    }
    Some(ProofAuth { proof, secrets, public_url, key_id })
}

/// Secrets of the form that a proof takes.
fn secrets_for(node: Node<'_>, proof: Option<&Proof>) -> Vec<Secret> {
    match proof {
        Some(Proof::Signature(scheme)) if scheme.algorithm.is_mac() => keys(node, &scheme.key),
        Some(Proof::Signature(scheme)) => public_keys(node, &scheme.key),
        Some(Proof::Token(TokenPlace::Header(_))) => header_secrets(node),
        Some(_) => keys(node, &KeyForm::Text),
        None => secrets(node),
    }
}

/// `tenants = { acme = { env = "ACME_SECRET" } }`
fn tenants(node: &Node<'_>, proof: Option<&Proof>, path: &str) -> Vec<(String, Vec<Secret>)> {
    if !path.split('/').any(|segment| segment == "{tenant}") {
        let help = "write path = \"/hooks/{tenant}\", or secret = { … } instead";
        node.spot.problem("the path has no segment {tenant} to choose a secret by", help);
    }
    let Some(table) = node.table() else { return Vec::new() };
    let tenants = table.all();
    if tenants.is_empty() {
        node.spot.problem("there is no tenant", "write { name = { env = \"NAME\" }, … }");
    }
    tenants.into_iter().map(|(name, node)| (name.to_owned(), secrets_for(node, proof))).collect()
}

/// Scheme and authority, nothing behind them.
fn public_url(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match authority {
        Some(authority) if !authority.is_empty() && !authority.contains(['/', '?', '#', ' ']) => Some(text.to_owned()),
        _ => node.refuse(
            "this is not the scheme and host of a URL",
            "write them as the provider knows them, as in \"https://hooks.example.com\"; the path comes from the request",
        ),
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

fn check_that_something_is_proven(table: &mut Table<'_>, preset: Option<&Preset>) {
    let proves = |key: &str| key != "preset" || preset.is_none_or(|preset| preset.proof != Proof::Own);
    let keys = PROOF_KEYS.into_iter().chain(OTHER_PROOFS);
    let written: Vec<&str> = keys.filter(|key| table.get(key).is_some() && proves(key)).collect();
    match (table.get("auth"), written.first()) {
        (Some(node), proof) => {
            let is_none = node.choice(&[("none", ())]);
            if let (Some(()), Some(proof)) = (is_none, proof) {
                node.spot.problem(format!("auth = \"none\" stands beside `{proof}`"), "write only one of the two");
            }
        }
        (None, None) if preset.is_some() => table.spot.problem(
            "nothing says who may send: this provider signs nothing",
            "write the credentials that you gave it, as basic, api_key or bearer; or auth = \"none\" if anybody may",
        ),
        (None, None) => table.spot.problem(
            "nothing says who may send",
            "write preset, hmac, basic, api_key, bearer or client_cert; or auth = \"none\" if anybody may",
        ),
        _ => {}
    }
}

/// The keys that ask a sender for a proof, besides the provider's own.
const OTHER_PROOFS: [&str; 5] = ["preset", "basic", "api_key", "bearer", "client_cert"];
