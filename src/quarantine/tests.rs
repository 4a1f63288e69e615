//! What the room promises: its bounds, whoever sends, and that what is no whole file is none.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::door::Network;
use super::shelf::{Holding, Kept, Shelf, TooLarge};
use super::*;
use crate::admit::Admission;
use crate::config::{ApiKey, Auth, Proof, ProofAuth, Scheme, Secret, Secrets};
use crate::event::{Budget, RecordPool};

fn config(dir: &Path) -> QuarantineConfig {
    QuarantineConfig { dir: dir.join("quarantine"), max_size: 1 << 20, max_events: 40, max_age: Duration::from_mins(1) }
}

fn sources() -> Vec<String> {
    vec!["a".to_owned(), "b".to_owned()]
}

fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

/// Ids sort by their numbers, which are seconds too.
fn entry(number: u64, source: &str, from: IpAddr, body: &[u8]) -> Entry {
    Entry {
        summary: Summary {
            id: format!("{number:026}"),
            source: source.to_owned(),
            reason: "wrong_signature".to_owned(),
            received_ms: number * 1000,
            address: from,
            bytes: body.len(),
        },
        method: "POST".to_owned(),
        target: "/hooks/a?b=c".to_owned(),
        headers: vec![("x-signature".to_owned(), b"\xff: 1".to_vec()), ("host".to_owned(), b"".to_vec())],
        body: body.to_vec(),
    }
}

fn open(config: &QuarantineConfig) -> (Store, Quarantine) {
    let (quarantine, inbox) = Quarantine::new(sources(), config);
    (inbox.store(), quarantine)
}

fn ids(store: &Store, source: &str) -> Vec<u64> {
    store.list(Some(source)).iter().map(|summary| summary.id.parse().unwrap()).collect()
}

fn losses(quarantine: &Quarantine, source: &str, reason: &str) -> u64 {
    let mut all = quarantine.counts().losses();
    all.find(|(of, why, _)| *of == source && *why == reason).unwrap().2
}

/// Bytes on the disk, in whole blocks.
fn on_disk(dir: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        bytes += if metadata.is_dir() { on_disk(&entry.path()) } else { metadata.len().next_multiple_of(4096) };
    }
    bytes
}

#[test]
fn what_is_kept_is_read_back_after_a_restart_and_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let kept = entry(1, "a", address(1), b"\0\xff\r\n{}");
    open(&config).0.keep(&kept);
    let (store, quarantine) = open(&config);
    assert_eq!(store.read(&kept.summary.id), Some(kept.clone()));
    assert_eq!(quarantine.counts().kept().next(), Some(("a", 1, 4096)));
    let file = config.dir.join("a").join(&kept.summary.id);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(file.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn what_a_crash_has_cut_off_is_taken_away_and_the_rest_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, _) = open(&config);
    (1..=4).for_each(|number| store.keep(&entry(number, "a", address(1), b"{}")));
    let file = |number: u64| config.dir.join(format!("a/{number:026}"));
    let whole = std::fs::read(file(1)).unwrap();
    std::fs::write(file(1), &whole[..whole.len() - 1]).unwrap();
    std::fs::write(file(2), b"").unwrap();
    std::fs::write(file(9).with_extension("part"), &whole).unwrap();
    let (store, _) = open(&config);
    assert_eq!(ids(&store, "a"), [3, 4]);
    assert_eq!(std::fs::read_dir(config.dir.join("a")).unwrap().count(), 2);
}

#[test]
fn one_source_takes_nothing_from_another_and_one_address_at_most_half() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, quarantine) = open(&config);
    store.keep(&entry(1, "b", address(1), b"{}"));
    store.keep(&entry(2, "a", address(1), b"{}"));
    store.keep(&entry(3, "a", address(1), b"{}"));
    for number in 10..500 {
        store.keep(&entry(number, "a", address(2), b"forged"));
        store.keep(&entry(number + 1000, "a", address(3), b"forged"));
    }
    assert_eq!(ids(&store, "b"), [1]);
    let of_a = ids(&store, "a");
    assert_eq!(of_a[..2], [2, 3], "whoever has little keeps it");
    assert_eq!(of_a.len(), 20, "the share of one of two sources");
    assert_eq!(of_a.iter().filter(|id| **id > 1000).count(), 9);
    assert_eq!(losses(&quarantine, "a", "displaced"), 2 + 980 - 20);
    let kept: Vec<_> = quarantine.counts().kept().map(|(source, events, _)| (source.to_owned(), events)).collect();
    assert_eq!(kept, [("a".to_owned(), 20), ("b".to_owned(), 1)]);
}

#[test]
fn a_share_that_has_become_smaller_holds_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    let (mut store, _) = open(&config);
    (1..=20).for_each(|number| store.keep(&entry(number, "a", address(number as u8 % 4), b"{}")));
    assert_eq!(ids(&store, "a").len(), 20);
    config.max_events = 8;
    let (store, _) = open(&config);
    assert_eq!(ids(&store, "a"), [17, 18, 19, 20]);
}

#[test]
fn what_is_too_old_or_dropped_is_gone_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, quarantine) = open(&config);
    (1..=5).for_each(|number| store.keep(&entry(number, "a", address(1), b"{}")));
    store.expire(UNIX_EPOCH + Duration::from_secs(63));
    assert_eq!(ids(&store, "a"), [3, 4, 5]);
    assert_eq!(losses(&quarantine, "a", "expired"), 2);
    assert!(store.remove(&format!("{:026}", 4)).is_some());
    assert!(store.remove(&format!("{:026}", 4)).is_none());
    assert_eq!(ids(&open(&config).0, "a"), [3, 5]);
}

#[test]
fn what_no_share_could_hold_displaces_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, quarantine) = open(&config(dir.path()));
    store.keep(&entry(1, "a", address(1), b"{}"));
    store.keep(&entry(2, "a", address(1), &vec![0; 257 << 10]));
    assert_eq!(ids(&store, "a"), [1]);
    assert_eq!(losses(&quarantine, "a", "too_large"), 1);
}

fn refused(pool: &RecordPool, bytes: usize) -> Draft {
    let mut draft = pool.draft();
    assert!(draft.reserve(bytes));
    draft.push_body(&vec![b'x'; bytes]);
    draft
}

fn head() -> Parts {
    http::Request::post("/hooks/a").body(()).unwrap().into_parts().0
}

#[test]
fn on_the_way_to_the_disk_each_source_and_each_address_has_places_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let budget = Arc::new(Budget::new(64 << 20));
    let pool = RecordPool::new(Arc::clone(&budget));
    let (quarantine, mut inbox) = Quarantine::new(sources(), &config(dir.path()));
    let keep = |source: usize, from: IpAddr, bytes: usize| {
        let came = (from, SystemTime::now());
        quarantine.keep(source, Refusal::WrongSignature, came, &head(), refused(&pool, bytes));
    };
    (0..1000).for_each(|_| keep(0, address(1), 10));
    assert_eq!(losses(&quarantine, "a", "busy"), 1000 - 64);
    keep(0, address(2), 10);
    keep(1, address(1), 10);
    assert_eq!((losses(&quarantine, "a", "busy"), losses(&quarantine, "b", "busy")), (1000 - 64, 0));
    assert!(!quarantine.would_take(0, address(1), 0), "which is counted too");
    let mut waiting = 0;
    while inbox.refused.try_recv().is_ok() {
        waiting += 1;
    }
    assert_eq!(waiting, 66);
    assert_eq!(budget.used(), 0, "what was written, and what was not taken, has given its memory back");
    keep(0, address(1), 10);
    assert_eq!(losses(&quarantine, "a", "busy"), 1001 - 64, "and its place");
    (0..1000).for_each(|_| keep(0, address(2), 200 << 10));
    assert!(budget.used() < 2 << 20, "{} bytes wait", budget.used());
    keep(0, address(3), 300 << 10);
    assert_eq!(losses(&quarantine, "a", "too_large"), 1);
}

#[test]
fn no_credential_is_kept_and_the_signature_is() {
    let secret = || vec![Secret::new("hidden-key")];
    let scheme = Scheme::hmac_sha256(http::HeaderName::from_static("x-token-signature"));
    let secrets = Secrets::Of(secret());
    let proof = ProofAuth { proof: Proof::Signature(Box::new(scheme)), secrets, public_url: None, key_id: None };
    let api_key = ApiKey { header: http::HeaderName::from_static("x-partner"), keys: secret() };
    let auth = Auth { proof: Some(proof), api_key: Some(api_key), ..Auth::default() };
    let admission = Admission::new(&auth).unwrap();
    let mut request = http::Request::post("/hooks/a?b=c");
    for name in ["authorization", "proxy-authorization", "cookie", "x-partner", "X-Gitlab-Token", "x-api-key"] {
        request = request.header(name, "hidden-key");
    }
    request = request.header("x-token-signature", "00ff").header("x-event-key", "repo:push");
    let pool = RecordPool::new(Arc::new(Budget::new(1 << 20)));
    let dir = tempfile::tempdir().unwrap();
    let (quarantine, mut inbox) = Quarantine::new(sources(), &config(dir.path()));
    let (head, ()) = request.body(()).unwrap().into_parts();
    let came = (address(1), SystemTime::now());
    quarantine.keep(0, Refusal::WrongSignature, came, &head, refused(&pool, 3));
    let entry = Entry::of(&inbox.refused.try_recv().unwrap(), "0".repeat(26), "a", &admission);
    let names: Vec<&str> = entry.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-token-signature", "x-event-key"]);
    assert!(!entry.encode().windows(6).any(|bytes| bytes == b"hidden"));
    assert_eq!(entry.head().unwrap().uri.path_and_query().unwrap().as_str(), "/hooks/a?b=c");
}

proptest! {
    #[test]
    fn no_share_is_exceeded_and_no_address_has_more_than_half(
        steps in prop::collection::vec((0..6_u8, 1..40_u64, any::<bool>()), 1..300)
    ) {
        let share = Holding { events: 10, bytes: 100 };
        let mut shelf = Shelf::default();
        for (number, (from, bytes, removes)) in steps.into_iter().enumerate() {
            let one = Kept::new(entry(number as u64, "a", address(from), b"").summary, bytes);
            let before: Vec<String> = shelf.summaries().map(|summary| summary.id.clone()).collect();
            if removes && !before.is_empty() {
                shelf.remove(&before[number % before.len()]).unwrap();
                continue;
            }
            let displaced = shelf.make_room(&one, share).unwrap();
            shelf.insert(one);
            prop_assert_eq!(shelf.summaries().count(), before.len() + 1 - displaced.len());
            let all = shelf.holding();
            prop_assert!(all.events <= share.events && all.bytes <= share.bytes);
            prop_assert_eq!(all.events, shelf.summaries().count());
            for from in 0..6 {
                let of = shelf.summaries().filter(|summary| Network::of(summary.address) == Network::of(address(from)));
                prop_assert!(of.count() <= share.events / 2);
            }
        }
    }

    #[test]
    fn no_changed_file_is_taken_for_an_entry(at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<prop::sample::Index>()) {
        let file = entry(7, "a", address(1), b"{\"type\":\"a\"}").encode();
        prop_assert!(Entry::decode(&file).is_some());
        let mut changed = file.clone();
        changed[at.index(file.len())] ^= 1 << bit;
        prop_assert!(Entry::decode(&changed).is_none());
        prop_assert!(Entry::decode(&file[..cut.index(file.len())]).is_none());
    }
}

#[test]
fn more_than_half_of_a_share_is_too_large() {
    let share = Holding { events: 10, bytes: 100 };
    let one = Kept::new(entry(1, "a", address(1), b"").summary, 51);
    assert_eq!(Shelf::default().make_room(&one, share).unwrap_err(), TooLarge);
}

#[test]
fn the_disk_holds_no_more_than_its_bound_whoever_sends() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let (mut store, _) = open(&config);
    for number in 0..400 {
        let body = vec![0; (number as usize * 7919) % (200 << 10)];
        let source = if number % 3 == 0 { "a" } else { "b" };
        store.keep(&entry(number, source, address(number as u8 % 5), &body));
        assert!(on_disk(&config.dir) <= config.max_size, "after {number}");
    }
    assert!(on_disk(&config.dir) > config.max_size / 4);
}
