//! Secrets: what form they must have, and how many there may be. Never in the configuration itself, and no message here shows
//! a value.

use http::HeaderValue;

use super::secret_place::{WRITE, from_place};
use super::validity::{Ending, validity};
use super::weakness;
use crate::config::node::Node;
use crate::config::{KeyForm, Secret, Validity};

/// One secret, which no other can take the place of.
pub(super) fn secret(node: &Node<'_>) -> Option<Secret> {
    let secret = read(node)?;
    if secret.validity() != Validity::ALWAYS {
        let help = "leave valid_from and valid_until out; where several may stand, the next takes its place";
        return node.refuse("this secret stands alone, and nothing would take its place", help);
    }
    weakness::warn(node, &secret, secret.expose().len());
    Some(secret)
}

/// One secret, or several while they are rotated.
pub(super) fn secrets(node: Node<'_>) -> Vec<Secret> {
    checked(node, |secret| Ok(Some(secret.expose().len())))
}

/// Secrets that are keys of this form.
pub(super) fn keys(node: Node<'_>, form: &KeyForm) -> Vec<Secret> {
    checked(node, |secret| check_key(secret, form))
}

/// Keys of this form that sign what is sent: all of them, as long as they are there.
pub(super) fn signing_keys(node: Node<'_>, form: &KeyForm) -> Vec<Secret> {
    checked(node, |secret| match secret.validity() {
        Validity::ALWAYS => check_key(secret, form),
        _ => Err(("every delivery is signed with this secret", "leave valid_from and valid_until out")),
    })
}

/// Public keys of this form, or in PEM.
pub(super) fn public_keys(node: Node<'_>, form: &KeyForm) -> Vec<Secret> {
    let help = "write the key as the provider shows it, or name a file with its public key or certificate in PEM";
    checked(node, |secret| {
        if is_pem(secret) || form.decode(secret).is_some() { Ok(None) } else { Err(("this is not a public key", help)) }
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

/// How many bytes somebody would have to guess, `None` of a public key; or what is wrong, and what would be right.
type Verdict = Result<Option<usize>, (&'static str, &'static str)>;

fn check_key(secret: &Secret, form: &KeyForm) -> Verdict {
    match form.decode(secret) {
        Some(key) if key.expose().is_empty() => {
            Err(("the key in this secret is empty", "copy the whole secret from the provider"))
        }
        // The form is text where a token is signed with it.
        Some(_) if is_pem(secret) => Ok(None),
        Some(key) => Ok(Some(key.expose().len())),
        None => Err(match form {
            KeyForm::Hex => {
                ("this secret is not hexadecimal", "copy the provider's key as it is, or write key = \"text\"")
            }
            _ => ("this secret is not base64", "copy the provider's secret whole, with its prefix and padding"),
        }),
    }
}

fn fits_header(secret: &Secret) -> Verdict {
    match HeaderValue::from_bytes(secret.expose()) {
        Ok(_) => Ok(Some(secret.expose().len())),
        Err(_) => Err(("this secret cannot stand in a header", "look for line breaks or control characters in it")),
    }
}

fn is_pem(secret: &Secret) -> bool {
    secret.expose().trim_ascii_start().starts_with(b"-----BEGIN ")
}

fn checked(node: Node<'_>, check: impl Fn(&Secret) -> Verdict) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let mut endings = Vec::new();
    for item in node.items() {
        let Some(secret) = read(&item) else { continue };
        match check(&secret) {
            Ok(guess) => {
                if let Some(bytes) = guess {
                    weakness::warn(&item, &secret, bytes);
                }
                endings.push(Ending { spot: item.spot, validity: secret.validity() });
                secrets.push(secret);
            }
            Err((what, help)) => item.spot.problem(what, help),
        }
    }
    Ending::warn_of(&endings);
    secrets
}

/// One secret and the time in which it counts.
fn read(node: &Node<'_>) -> Option<Secret> {
    if node.is_text() {
        return node.refuse("a secret may not stand in the file itself", WRITE);
    }
    if !node.is_table() {
        return node.wrong_type("a reference to a secret", WRITE);
    }
    let mut table = node.table()?;
    let secret = from_place(node, &mut table);
    let validity = validity(&mut table);
    table.finish();
    Some(secret?.within(validity))
}
