//! One connection that asks much at once, and others that ask beside it.

use crate::client::{Client, request};
use crate::gateway::Gateway;

const SOURCE: &str =
    "[[source]]\nname = \"s\"\nauth = \"none\"\nreply = { body = \"{id}\", content_type = \"text/plain\" }\n";

/// What one connection asks without waiting for answers.
const AT_ONCE: usize = 64;

#[test]
fn who_asks_much_at_once_is_answered_once_and_then_after_the_others() {
    for ack in ["memory", "durable"] {
        let gateway = Gateway::start_with("io_threads = 1", &format!("{SOURCE}ack = \"{ack}\"\n"));
        let mut greedy = gateway.client();
        let mut others: Vec<Client> = (0..8).map(|_| gateway.client()).collect();
        for client in others.iter_mut().chain([&mut greedy]) {
            assert_eq!(client.post("/hooks/s", &[], b"{}").status, 202);
        }

        // Without the gateway at work all of it is there when its next turn begins.
        gateway.freeze();
        let one = request("POST", "/hooks/s", &[], b"{}");
        greedy.send(&one.repeat(AT_ONCE));
        others.iter_mut().for_each(|client| client.send(&one));
        gateway.signal("CONT");

        // One thread makes ids in the order in which it takes events.
        let id = |client: &mut Client| client.answer().unwrap().text();
        let greedy: Vec<String> = (0..AT_ONCE).map(|_| id(&mut greedy)).collect();
        assert!(greedy.is_sorted(), "{greedy:?}");
        for other in others.iter_mut().map(id) {
            let before = greedy.iter().filter(|id| **id < other).count();
            assert!(before <= 1, "with {ack}, {before} of one connection were answered before another's only one");
        }
    }
}
