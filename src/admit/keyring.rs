//! The keys of a source: one set for all its senders, one for each tenant, or one that the provider hands over; and when each
//! of them counts.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::SystemTime;

use super::AdmissionError;
use crate::config::{Secret, Secrets, Validity};
use crate::refusal::Refusal;

/// What a secret was made into, and when that counts.
pub(super) struct Timed<K> {
    key: K,
    validity: Validity,
}

impl<K> Timed<K> {
    pub(super) fn new(key: K, secret: &Secret) -> Self {
        Self { key, validity: secret.validity() }
    }

    /// The key, if it counts now.
    pub(super) fn at(&self, now: SystemTime) -> Option<&K> {
        self.validity.holds(now).then_some(&self.key)
    }
}

/// Sets of keys, each made of the secrets that belong together.
pub(super) enum Keyring<K> {
    One(K),
    OfTenants(HashMap<String, K>),
    Learned(OnceLock<K>),
}

impl<K> Keyring<K> {
    pub(super) fn new(
        secrets: &Secrets,
        make: impl Fn(&[Secret]) -> Result<K, AdmissionError>,
    ) -> Result<Self, AdmissionError> {
        Ok(match secrets {
            Secrets::Of(secrets) if secrets.is_empty() => return Err(AdmissionError::NoSecret { of: "the signature" }),
            Secrets::Of(secrets) => Keyring::One(make(secrets)?),
            Secrets::OfTenants(tenants) => {
                let tenants = tenants.iter().map(|(name, secrets)| Ok((name.clone(), make(secrets)?)));
                Keyring::OfTenants(tenants.collect::<Result<_, AdmissionError>>()?)
            }
            Secrets::Learned => Keyring::Learned(OnceLock::new()),
        })
    }

    /// The keys for a request to this tenant, or to none.
    pub(super) fn get(&self, tenant: Option<&str>) -> Result<&K, Refusal> {
        match self {
            Keyring::One(keys) => Ok(keys),
            Keyring::OfTenants(tenants) => tenant.and_then(|name| tenants.get(name)).ok_or(Refusal::UnknownPath),
            Keyring::Learned(keys) => keys.get().ok_or(Refusal::SecretUnknown),
        }
    }

    /// Takes keys that were handed over. `false` if there are some.
    pub(super) fn learn(&self, keys: K) -> bool {
        match self {
            Keyring::Learned(known) => known.set(keys).is_ok(),
            Keyring::One(_) | Keyring::OfTenants(_) => false,
        }
    }
}
