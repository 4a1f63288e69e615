//! What was acknowledged against what has arrived. No I/O, no clock.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use serde::Serialize;

use super::receiver::Arrival;
use crate::load::{Acknowledged, Ids};

/// What became of the events at one processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    /// Different events that have arrived.
    pub(crate) arrived: usize,
    /// Requests in which events have: fewer than these where a route delivers batches.
    pub(crate) requests: usize,
    /// Acknowledged, and did not arrive.
    pub(crate) lost: usize,
    /// Some of their ids.
    pub(crate) lost_ids: Vec<String>,
    /// Deliveries of what had arrived before.
    pub(crate) duplicated: usize,
    /// Events that were acknowledged before another one was even sent, and arrived after it.
    pub(crate) out_of_order: usize,
    /// Arrived, although their sender was not told that they were taken.
    pub(crate) unacknowledged: usize,
}

impl Verdict {
    pub(crate) fn of(acknowledged: &[Acknowledged], arrivals: &[Arrival]) -> Self {
        let mut first = HashMap::with_capacity(arrivals.len());
        for (place, arrival) in arrivals.iter().enumerate() {
            first.entry(&arrival.id).or_insert(place);
        }
        let known: HashSet<_> = acknowledged.iter().map(|event| &event.id).collect();
        let lost: Vec<_> = acknowledged.iter().filter(|event| !first.contains_key(&event.id)).collect();
        let name = |event: &&Acknowledged| String::from_utf8_lossy(&event.id).into_owned();
        Self {
            arrived: first.len(),
            requests: arrivals.chunk_by(|one, next| one.request == next.request).count(),
            lost: lost.len(),
            lost_ids: lost.iter().take(IDS_MAX).map(name).collect(),
            duplicated: arrivals.len() - first.len(),
            out_of_order: out_of_order(acknowledged, &first),
            unacknowledged: first.keys().filter(|id| !known.contains(*id)).count(),
        }
    }
}

/// Events that arrived after one that was sent when they had been acknowledged. Requests that were under way together have
/// no order. `first` has of each event its place among the arrivals.
fn out_of_order(acknowledged: &[Acknowledged], first: &HashMap<&[u8; Ids::WIDTH], usize>) -> usize {
    let mut sent: Vec<(Instant, usize)> =
        acknowledged.iter().filter_map(|event| Some((event.sent, *first.get(&event.id)?))).collect();
    sent.sort_unstable();
    // From each on: the earliest arrival of those that were sent then or later.
    let mut earliest = None;
    for (_, arrived) in sent.iter_mut().rev() {
        let least = earliest.map_or(*arrived, |earliest| (*arrived).min(earliest));
        earliest = Some(least);
        *arrived = least;
    }
    acknowledged
        .iter()
        .filter(|event| {
            let later = sent.partition_point(|(sent, _)| *sent <= event.answered);
            let overtaking = sent.get(later).map(|(_, arrived)| *arrived);
            first.get(&event.id).zip(overtaking).is_some_and(|(own, other)| other < *own)
        })
        .count()
}

const IDS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(n: u8) -> [u8; Ids::WIDTH] {
        [b'0' + n; Ids::WIDTH]
    }

    /// Sent and answered at these milliseconds.
    fn acknowledged(start: Instant, events: &[(u8, u64, u64)]) -> Vec<Acknowledged> {
        let at = |ms| start + Duration::from_millis(ms);
        events
            .iter()
            .map(|&(n, sent, answered)| Acknowledged { id: id(n), sent: at(sent), answered: at(answered) })
            .collect()
    }

    /// Requests, each with the events that came in it.
    fn arrivals(requests: &[&[u8]]) -> Vec<Arrival> {
        let numbered = requests.iter().enumerate();
        numbered.flat_map(|(request, order)| order.iter().map(move |&n| Arrival { id: id(n), request })).collect()
    }

    fn one_by_one(order: &[u8]) -> Vec<Arrival> {
        arrivals(&order.iter().map(std::slice::from_ref).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_missing_and_what_comes_twice_is_counted() {
        let start = Instant::now();
        let events = acknowledged(start, &[(1, 0, 1), (2, 0, 1), (3, 0, 1)]);
        let verdict = Verdict::of(&events, &one_by_one(&[3, 1, 3, 9]));
        assert_eq!((verdict.arrived, verdict.lost, verdict.duplicated, verdict.unacknowledged), (3, 1, 1, 1));
        assert_eq!((verdict.requests, verdict.lost_ids), (4, vec!["2".repeat(Ids::WIDTH)]));
    }

    #[test]
    fn what_comes_in_batches_is_counted_by_the_event() {
        let start = Instant::now();
        let events = acknowledged(start, &[(1, 0, 1), (2, 2, 3), (3, 4, 5), (4, 6, 7)]);
        let verdict = Verdict::of(&events, &arrivals(&[&[2, 1], &[3, 2, 3]]));
        assert_eq!((verdict.arrived, verdict.requests, verdict.duplicated, verdict.lost), (3, 2, 2, 1));
        assert_eq!(verdict.out_of_order, 1, "a later event stands before an earlier one in the same request");
    }

    #[test]
    fn an_event_that_is_overtaken_by_a_later_one_is_out_of_order() {
        let start = Instant::now();
        let events = acknowledged(start, &[(1, 0, 1), (2, 2, 3), (3, 4, 5)]);
        let out_of_order = |order: &[u8]| Verdict::of(&events, &one_by_one(order)).out_of_order;
        assert_eq!(out_of_order(&[1, 2, 3]), 0);
        assert_eq!(out_of_order(&[2, 1, 3]), 1);
        assert_eq!(out_of_order(&[3, 1, 2]), 2, "both were overtaken by the third");
        assert_eq!(out_of_order(&[1, 3]), 0, "one that is lost is not out of order");
    }

    #[test]
    fn requests_that_were_under_way_together_have_no_order() {
        let start = Instant::now();
        let events = acknowledged(start, &[(1, 0, 5), (2, 1, 6)]);
        assert_eq!(Verdict::of(&events, &one_by_one(&[2, 1])).out_of_order, 0);
    }
}
