//! Secrets that work and are weak: short ones, and those that are more than one sender's.

use subtle::ConstantTimeEq;

use crate::config::Secret;
use crate::config::document::Spot;
use crate::config::node::Node;

/// Warns of a secret of which so many bytes have to be guessed.
pub(super) fn warn(node: &Node<'_>, secret: &Secret, bytes: usize) {
    if bytes < ENOUGH_BYTES {
        node.spot.warn(
            format!("this secret has only {bytes} bytes, and whoever has one signed request can try secrets at home"),
            format!("use at least {ENOUGH_BYTES} that nobody chose, as `openssl rand -hex 32` prints"),
        );
    }
    warn_of_repetition(node, secret);
}

/// Whoever knows a secret of two sources can send to both, in the name of the other.
fn warn_of_repetition(node: &Node<'_>, secret: &Secret) {
    let holder = holder(&node.spot);
    let mut known = node.spot.reading().secrets.borrow_mut();
    let same = known.iter().find(|(other, of)| {
        *of != holder
            && (holder.starts_with(SOURCE) || of.starts_with(SOURCE))
            && bool::from(other.expose().ct_eq(secret.expose()))
    });
    if let Some((_, other)) = same {
        let what = format!("this is the secret of {other} too: who knows it there can send here");
        node.spot.warn(what, "give each a secret of its own");
    }
    known.push((secret.clone(), holder));
}

/// Whose secret stands here: a section, or one tenant of it.
fn holder(spot: &Spot<'_>) -> String {
    match spot.path.strip_prefix("tenants.") {
        Some(tenant) => format!("{} tenant {}", spot.section, tenant.split('[').next().unwrap_or_default()),
        None => spot.section.to_string(),
    }
}

const SOURCE: &str = "[[source]]";

/// 128 bits, if nobody chose them.
const ENOUGH_BYTES: usize = 16;
