//! Counts per address, in constant memory and without a lock, however many addresses there are.
//!
//! Each address has two of the slots, chosen by a keyed hash, and adds to both. What it holds is at most the smaller of the
//! two: another address that shares one slot with it, by chance and to nobody's knowledge, leaves it the other. Of ten
//! thousand addresses one in two would share a slot, and one in eight thousand both with the same other.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Which of [`SLOTS`] slots belong to an address.
#[derive(Debug, Default)]
pub(crate) struct AddressSlots(RandomState);

/// What each address holds of something, up to a limit.
#[derive(Debug)]
pub(crate) struct PerAddress {
    slots: AddressSlots,
    held: Box<[AtomicUsize]>,
    max: usize,
}

/// What one address holds; given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    table: Arc<PerAddress>,
    slots: [usize; 2],
    amount: usize,
}

/// 128 KiB for each thing that is counted.
pub(crate) const SLOTS: usize = 1 << 14;

impl AddressSlots {
    /// The slots of an address. Whoever has one IPv6 address has 2⁶⁴ of them: they count as one.
    pub(crate) fn of(&self, address: IpAddr) -> [usize; 2] {
        let hash = match address.to_canonical() {
            IpAddr::V4(address) => self.0.hash_one(u64::from(address.to_bits())),
            IpAddr::V6(address) => self.0.hash_one((address.to_bits() >> 64) as u64 | 1 << 63),
        };
        [hash as usize % SLOTS, (hash >> 32) as usize % SLOTS]
    }
}

impl PerAddress {
    /// Nothing held yet, and `max` the most for one address.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        let held = std::iter::repeat_with(AtomicUsize::default).take(SLOTS).collect();
        Arc::new(Self { slots: AddressSlots::default(), held, max })
    }

    /// A holding of nothing, to be grown.
    pub(crate) fn nothing(self: &Arc<Self>, address: IpAddr) -> Held {
        Held { table: Arc::clone(self), slots: self.slots.of(address), amount: 0 }
    }

    /// One more, or `None` if the address has all it may.
    pub(crate) fn one(self: &Arc<Self>, address: IpAddr) -> Option<Held> {
        let mut held = self.nothing(address);
        held.grow_to(1).then_some(held)
    }
}

impl Held {
    /// Takes more, up to `amount` in all, or nothing and `false`.
    pub(crate) fn grow_to(&mut self, amount: usize) -> bool {
        let more = amount.saturating_sub(self.amount);
        let before = self.slots.map(|slot| self.slot(slot).map_or(0, |held| held.fetch_add(more, Ordering::Relaxed)));
        self.amount += more;
        if before.into_iter().min().unwrap_or_default().saturating_add(more) <= self.table.max {
            return true;
        }
        self.give_back(more);
        false
    }

    fn give_back(&mut self, amount: usize) {
        for slot in self.slots {
            if let Some(held) = self.slot(slot) {
                held.fetch_sub(amount, Ordering::Relaxed);
            }
        }
        self.amount -= amount;
    }

    fn slot(&self, at: usize) -> Option<&AtomicUsize> {
        self.table.held.get(at)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_holds_no_more_than_it_may_and_others_are_not_touched() {
        let table = PerAddress::new(3);
        let mut first = table.nothing(address("203.0.113.7"));
        assert!(first.grow_to(2));
        let second = table.one(address("203.0.113.7")).expect("room for one");
        assert!(!first.grow_to(3));
        assert!(table.one(address("::ffff:203.0.113.7")).is_none(), "the same address, as a dual-stack socket sees it");
        assert!(table.one(address("203.0.113.8")).is_some());
        drop(second);
        assert!(first.grow_to(3));
        drop(first);
        assert!(table.held.iter().all(|held| held.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_count_as_one() {
        let table = PerAddress::new(1);
        let _held = table.one(address("2001:db8::1")).expect("room");
        assert!(table.one(address("2001:db8::ffff:1")).is_none());
        assert!(table.one(address("2001:db8:0:1::1")).is_some());
    }
}
