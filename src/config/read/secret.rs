//! Secrets: from a variable or a file, never from the configuration itself. No message here shows a value.

use std::path::Path;

use http::HeaderValue;

use crate::config::node::Node;
use crate::config::{KeyForm, Secret};

/// One secret.
pub(super) fn secret(node: &Node<'_>) -> Option<Secret> {
    if node.is_text() {
        return node.refuse("a secret may not stand in the file itself", WRITE);
    }
    if !node.is_table() {
        return node.wrong_type("a reference to a secret", WRITE);
    }
    let mut table = node.table()?;
    let place = table.one_of(["env", "file"]);
    table.finish();
    match place {
        Some(("env", name)) => from_variable(&name),
        Some((_, file)) => from_file(&file),
        None => node.refuse("it is not said where the secret is", WRITE),
    }
}

/// One secret, or several while they are rotated.
pub(super) fn secrets(node: Node<'_>) -> Vec<Secret> {
    node.items().iter().filter_map(secret).collect()
}

/// Secrets that are keys of this form.
pub(super) fn keys(node: Node<'_>, form: &KeyForm) -> Vec<Secret> {
    checked(node, |secret| match form.decode(secret) {
        Some(key) if !key.expose().is_empty() => Ok(()),
        Some(_) => Err(("the key in this secret is empty", "copy the whole secret from the provider")),
        None => Err(match form {
            KeyForm::Hex => {
                ("this secret is not hexadecimal", "copy the provider's key as it is, or write key = \"text\"")
            }
            _ => ("this secret is not base64", "copy the provider's secret whole, with its prefix and padding"),
        }),
    })
}

/// Public keys of this form, or in PEM.
pub(super) fn public_keys(node: Node<'_>, form: &KeyForm) -> Vec<Secret> {
    let help = "write the key as the provider shows it, or name a file with its public key or certificate in PEM";
    checked(node, |secret| {
        let is_pem = secret.expose().trim_ascii_start().starts_with(b"-----BEGIN ");
        if is_pem || form.decode(secret).is_some() { Ok(()) } else { Err(("this is not a public key", help)) }
    })
}

/// A secret that is sent or expected in a header.
pub(super) fn header_secret(node: &Node<'_>) -> Option<Secret> {
    let secret = secret(node)?;
    fits_header(&secret).map_err(|(what, help)| node.spot.problem(what, help)).ok()?;
    Some(secret)
}

/// Secrets of which any may stand in a header.
pub(super) fn header_secrets(node: Node<'_>) -> Vec<Secret> {
    checked(node, fits_header)
}

fn fits_header(secret: &Secret) -> Result<(), (&'static str, &'static str)> {
    HeaderValue::from_bytes(secret.expose())
        .map(drop)
        .map_err(|_| ("this secret cannot stand in a header", "look for line breaks or control characters in it"))
}

fn checked(node: Node<'_>, check: impl Fn(&Secret) -> Result<(), (&'static str, &'static str)>) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for item in node.items() {
        if let Some(secret) = secret(&item) {
            match check(&secret) {
                Ok(()) => secrets.push(secret),
                Err((what, help)) => item.spot.problem(what, help),
            }
        }
    }
    secrets
}

fn from_variable(node: &Node<'_>) -> Option<Secret> {
    let name = node.text()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        // It may be the secret itself, so it is not shown.
        return node
            .refuse("this is not the name of a variable", "write letters, digits and '_', as in \"GITHUB_SECRET\"");
    }
    let set_it = || format!("set {name} for the process that runs hookgate, or read the secret from a file");
    match (node.spot.reading().variable)(name) {
        None => node.refuse(format!("the environment variable {name} is not set"), set_it()),
        Some(value) if value.is_empty() => node.refuse(format!("the environment variable {name} is empty"), set_it()),
        Some(value) => Some(Secret::new(value.into_encoded_bytes())),
    }
}

fn from_file(node: &Node<'_>) -> Option<Secret> {
    let path = node.path()?;
    let mut bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let help = "name a file that this user may read; a relative path starts beside the main file";
            return node.refuse(format!("{} cannot be read: {error}", path.display()), help);
        }
    };
    // Editors and `echo` end a file with a newline that is not meant.
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return node.refuse(format!("{} is empty", path.display()), "write the secret into it");
    }
    if is_open_to_all(&path) {
        node.spot.warn(
            format!("every user of this machine may read {}", path.display()),
            format!("run `chmod o-r {}`", path.display()),
        );
    }
    Some(Secret::new(bytes))
}

#[cfg(unix)]
fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_: &Path) -> bool {
    false
}

const WRITE: &str = "write { env = \"NAME\" } or { file = \"path\" }, or a list of these while rotating";
