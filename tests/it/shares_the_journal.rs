//! One source that sends all it can, and another beside it.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::gateway::Gateway;
use crate::tells_the_truth_about_disks::{AFTER_START, can_trace, traced};

const CONFIG: &str = r#"
[[source]]
name = "flood"
auth = "none"
deadline = "20s"
[[source]]
name = "other"
auth = "none"
deadline = "1s"
[[route]]
name = "all"
from = { source = "*" }
to = "discard"
"#;

/// Of each sync.
const DELAY: Duration = Duration::from_millis(80);

/// Each of their events is a batch of its own: together they would wait for longer than the other source may.
const FLOODING: usize = 40;

/// Events of the other source. Few enough that one segment holds all that comes meanwhile: the next is made by slow syncs too.
const OTHERS: usize = 4;

#[test]
fn a_source_that_floods_the_journal_leaves_others_in_time() {
    if !can_trace() {
        return;
    }
    let fault = format!("inject=fdatasync:delay_exit={}:when={AFTER_START}+", DELAY.as_micros());
    let gateway = Gateway::start_under(&traced("trace=fdatasync", &["-e", &fault]), "", CONFIG);
    // Until it has found out how slow the disk has become.
    let mut slow = 0;
    while slow < 10 {
        let sent = Instant::now();
        assert_eq!(gateway.post("/hooks/other", &[], b"{}").status, 202);
        slow += usize::from(sent.elapsed() >= DELAY);
    }
    let large = vec![b'a'; 1_000_000];
    let (taken, refused, others) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..FLOODING {
            scope.spawn(|| {
                while others.load(SeqCst) < OTHERS {
                    let answer = gateway.post("/hooks/flood", &[], &large);
                    if answer.status == 202 {
                        taken.fetch_add(1, SeqCst);
                    } else {
                        assert_eq!((answer.status, answer.reason().as_str()), (503, "journal_behind"));
                        refused.fetch_add(1, SeqCst);
                        // No sender that is told to come again does so at once.
                        thread::sleep(Duration::from_millis(20));
                    }
                }
            });
        }
        scope.spawn(|| {
            crate::gateway::wait_until("the flood to be refused", || refused.load(SeqCst) > FLOODING);
            while others.load(SeqCst) < OTHERS {
                let answer = gateway.post("/hooks/other", &[], b"{}");
                if answer.status != 202 {
                    others.store(usize::MAX, SeqCst);
                    panic!("the other source was refused: {}", answer.reason());
                }
                others.fetch_add(1, SeqCst);
            }
        });
    });
    assert!(taken.load(SeqCst) > 0, "the flood goes on too");
}
