//! Many senders that connect at once to a gateway that has much to do.

use crate::client::{Client, request};
use crate::gateway::Gateway;

const SOURCE: &str = "[[source]]\nname = \"s\"\nauth = \"none\"\nack = \"memory\"\nreply = { body = \"{id}\", content_type = \"text/plain\" }\n";

/// What each old connection has to have answered while the new ones are taken in.
const REQUESTS: usize = 200;

#[test]
fn new_connections_do_not_wait_until_old_ones_have_nothing_more_to_ask() {
    let gateway = Gateway::start_with("io_threads = 1", SOURCE);
    let mut old: Vec<Client> = (0..32).map(|_| gateway.client()).collect();
    for client in &mut old {
        assert_eq!(client.post("/hooks/s", &[], b"{}").status, 202);
    }

    // Without the gateway at work all of it is there when its next turn begins.
    gateway.freeze();
    let one = request("POST", "/hooks/s", &[], b"{}");
    old.iter_mut().for_each(|client| client.send(&one.repeat(REQUESTS)));
    let mut new: Vec<Client> = (0..64).map(|_| gateway.client()).collect();
    new.iter_mut().for_each(|client| client.send(&one));
    gateway.signal("CONT");

    // One thread makes ids in the order in which it answers.
    let id = |client: &mut Client| client.answer().unwrap().text();
    let last_of_old: Vec<String> =
        old.iter_mut().map(|client| (0..REQUESTS).map(|_| id(client)).max().unwrap()).collect();
    let last = last_of_old.iter().max().unwrap();
    let before = new.iter_mut().map(id).filter(|id| id < last).count();
    assert_eq!(before, 64, "of the new ones were answered before the last of the old ones");
}
