//! Ids of deliveries as hashes of 128 bits.
//!
//! The key is secret: nobody outside can make two ids meet. It is kept in the index pages and nowhere else, so that a later
//! process can take up what they hold.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip128::SipHasher13;

/// What turns ids into hashes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct IdKey(pub(super) [u8; 16]);

/// An id, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct IdHash(u64, u64);

impl IdKey {
    /// One that nobody knows.
    pub(super) fn draw() -> Self {
        use std::hash::BuildHasher;
        let [high, low] = [(); 2].map(|()| std::hash::RandomState::new().hash_one(std::process::id()));
        Self((u128::from(high) << 64 | u128::from(low)).to_le_bytes())
    }

    pub(super) fn hash(&self, id: impl AsRef<[u8]>) -> IdHash {
        let hash = SipHasher13::new_with_key(&self.0).hash(id.as_ref());
        IdHash(hash.h1, hash.h2)
    }
}

/// It could be guessed from nothing else.
impl std::fmt::Debug for IdKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdKey")
    }
}

impl IdHash {
    pub(super) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.1) << 64 | u128::from(self.0)).to_le_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_le_bytes(bytes);
        Self(both as u64, (both >> 64) as u64)
    }
}

/// A map by hashes of ids. They are spread evenly, and need not be hashed once more.
pub(super) type ByIdHash<V> = HashMap<IdHash, V, BuildHasherDefault<AsItIs>>;

/// Takes the first number it is given for the hash of it.
#[derive(Debug, Default)]
pub(super) struct AsItIs(Option<u64>);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0.get_or_insert(number);
    }

    fn finish(&self) -> u64 {
        self.0.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_same_for_the_same_key_alone() {
        let [one, other] = [IdKey([1; 16]), IdKey([2; 16])];
        assert_eq!(one.hash("evt_1"), IdKey([1; 16]).hash("evt_1"));
        assert_ne!(one.hash("evt_1"), one.hash("evt_2"));
        assert_ne!(one.hash("evt_1"), other.hash("evt_1"));
        assert_ne!(IdKey::draw(), IdKey::draw());
    }

    #[test]
    fn a_hash_comes_back_from_its_bytes() {
        let hash = IdKey::draw().hash("evt_1");
        assert_eq!(IdHash::from_bytes(hash.to_bytes()), hash);
    }
}
