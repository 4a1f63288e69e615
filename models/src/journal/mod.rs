//! Receipts: an io thread hands events over and gives up on some, the journal thread takes them and tells what became of them.

#[path = "../../../src/journal/receipt.rs"]
mod receipt;

mod record {
    use crate::event::Event;

    pub(super) fn event_length(_: &Event) -> usize {
        1
    }
}

mod id_hash {
    #[derive(Debug)]
    pub(super) struct IdHash;
}

mod shared;

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use loom::future::block_on;

use self::receipt::{Entrance, Outcome, Outcomes, Receipt};
use self::shared::Shared;
use crate::event::{Event, Sequence};
use crate::refusal::Refusal;
use crate::sync::{end_spawned, run_spawned};

/// What a client does after it has sent an event.
#[derive(Clone, Copy)]
enum Client {
    /// Waits for its answer.
    Stays,
    /// Hangs up at once.
    Leaves,
    /// Hangs up after it has waited a little.
    LeavesLater,
    /// Waits beyond its deadline.
    IsLate,
}

use Client::{IsLate, Leaves, LeavesLater, Stays};

#[test]
fn each_receipt_resolves_to_what_became_of_its_own_event() {
    explore(&[Stays]);
}

#[test]
fn a_slot_whose_client_has_left_is_never_met_by_its_completion_again() {
    explore(&[Leaves]);
}

#[test]
fn nor_one_whose_client_has_left_while_it_waited() {
    explore(&[LeavesLater]);
}

#[test]
fn an_event_is_withdrawn_at_its_deadline_or_taken_and_never_both() {
    explore(&[IsLate]);
}

#[test]
fn a_slot_is_used_by_one_after_the_other() {
    explore(&[LeavesLater, IsLate]);
    explore(&[IsLate, Leaves]);
}

/// The events of these clients one after the other on one io thread, and then one more that stays.
fn explore(clients: &'static [Client]) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(move || {
        end_spawned();
        let shared = Arc::new(Shared::default());
        let entrance = Entrance::new(Arc::clone(&shared));
        let journal = {
            let shared = Arc::clone(&shared);
            loom::thread::spawn(move || journal(&shared, clients.len() + 1))
        };
        let clients = (0..).zip(clients.iter().copied().chain([Stays]));
        let answers: Vec<_> = clients.map(|(number, client)| serve(&entrance, &shared, number, client)).collect();
        let recorded = journal.join().unwrap();
        all_slots_come_back(&shared);
        for (number, answer) in (0..).zip(answers) {
            match answer {
                Answer::None => {}
                Answer::Told(outcome) => {
                    assert_eq!(outcome, Outcome::Safe(Sequence(number)), "nobody has refused it");
                    assert!(recorded.contains(&number), "success without a record");
                }
                Answer::Late { outcome, before_it_was_taken } => {
                    assert_eq!(outcome == Outcome::Safe(Sequence(number)), outcome != BEHIND, "of another event");
                    assert!(outcome == BEHIND || recorded.contains(&number), "success without a record");
                    assert!(!(before_it_was_taken && recorded.contains(&number)), "withdrawn and recorded");
                }
            }
        }
        end_spawned();
    });
}

/// What a client was told.
enum Answer {
    /// It has not waited for it.
    None,
    Told(Outcome),
    /// After its deadline: whether the journal had begun to take the event by then is known too.
    Late {
        outcome: Outcome,
        before_it_was_taken: bool,
    },
}

const BEHIND: Outcome = Outcome::Refused(Refusal::JournalBehind);

/// The io thread, for one request.
fn serve(entrance: &Entrance, shared: &Shared, number: u64, client: Client) -> Answer {
    let now = Instant::now();
    let mut receipt = entrance.submit(Event { number, received_at: now }, 0, now + Duration::from_secs(1), false);
    match client {
        Stays => Answer::Told(resolve(receipt)),
        Leaves => Answer::None,
        LeavesLater => block_on(poll_fn(|context| {
            let polled = Pin::new(&mut receipt).poll(context);
            run_spawned(context);
            Poll::Ready(if let Poll::Ready(outcome) = polled { Answer::Told(outcome) } else { Answer::None })
        })),
        IsLate => {
            entrance.sweep(now + Duration::from_secs(2));
            let before_it_was_taken = !shared.is_being_taken(number);
            Answer::Late { outcome: resolve(receipt), before_it_was_taken }
        }
    }
}

fn resolve(mut receipt: Receipt) -> Outcome {
    block_on(poll_fn(|context| {
        run_spawned(context);
        Pin::new(&mut receipt).poll(context)
    }))
}

fn all_slots_come_back(shared: &Shared) {
    block_on(poll_fn(|context| {
        run_spawned(context);
        if shared.open_receipts() == 0 { Poll::Ready(()) } else { Poll::Pending }
    }));
}

/// The journal thread, until so many events have come: a batch is what is there. Returns the numbers it has recorded.
fn journal(shared: &Shared, mut expected: usize) -> BTreeSet<u64> {
    let mut recorded = BTreeSet::new();
    let mut outcomes = Outcomes::default();
    while expected > 0 {
        for submission in shared.gather() {
            expected -= 1;
            shared.takes(submission.event.number);
            let outcome = if submission.state.take() {
                recorded.insert(submission.event.number);
                Outcome::Safe(Sequence(submission.event.number))
            } else {
                BEHIND
            };
            outcomes.note(shared, submission.ticket, outcome);
        }
        outcomes.send();
    }
    recorded
}
