//! Bytes that two implementations of HTTP may read differently. Each has one right outcome, and never is there an event that
//! its sender did not post: behind every row stands another request, which is answered or not looked at, and nothing else.

mod framing;

mod heads;

mod http2;

mod row;

mod targets;

use crate::client::Client;
use crate::encrypted::{self, Authority};
use crate::gateway::Gateway;
use crate::processor::Processor;
use row::{Row, Then};

/// A source that takes whatever is a request, and one that asks for a proof.
fn config(processor: &Processor) -> String {
    format!(
        r#"
[[source]]
name = "s"
auth = "none"
ack = "memory"
event_type = {{ json = "/type" }}
[[source]]
name = "signed"
preset = "github"
secret = {{ file = "secret" }}
ack = "memory"
[[route]]
name = "all"
from = {{ source = "*" }}
to = {{ http = {:?} }}
"#,
        processor.url("/")
    )
}

/// What follows each row.
const SECOND: &[u8] = b"POST /hooks/s HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nsecond";

/// Beyond this a row is not sent byte by byte.
const FEW_BYTES: usize = 1000;

#[test]
fn by_lengths_and_codings() {
    all_come_out_right(&framing::rows());
}

#[test]
fn by_lines_and_names() {
    all_come_out_right(&heads::rows());
}

#[test]
fn by_targets_methods_and_hosts() {
    all_come_out_right(&targets::rows());
}

/// It is closed without an answer, or with one if it did not come at once.
#[test]
fn the_preface_of_http_2_begins_nothing_in_the_clear() {
    let processor = Processor::start();
    let gateway = Gateway::start(&config(&processor));
    let mut client = gateway.client();
    client.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SECOND].concat());
    assert!(std::iter::from_fn(|| client.answer()).all(|answer| answer.status == 400));
    assert_eq!(gateway.post("/hooks/s", &[], b"honest").status, 202);
    assert_eq!(delivered_since(0, &gateway, &processor), ["honest"]);
}

/// How a row is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    AtOnce,
    ByteByByte,
    Encrypted,
}

/// All rows that come out wrong are told at once.
fn all_come_out_right(rows: &[Row]) {
    let processor = Processor::start();
    let mut wrong = Vec::new();
    let gateway = Gateway::start(&config(&processor));
    for row in rows {
        wrong.extend(comes_out_wrong(&gateway, &processor, gateway.client(), row, Way::AtOnce));
        if row.bytes.len() < FEW_BYTES {
            wrong.extend(comes_out_wrong(&gateway, &processor, gateway.client(), row, Way::ByteByByte));
        }
    }

    let authority = Authority::new();
    let processor = Processor::start();
    let gateway = start_encrypted(&authority, &processor);
    for row in rows {
        let client = encrypted::client(gateway.address, authority.client(&[]));
        wrong.extend(comes_out_wrong(&gateway, &processor, client, row, Way::Encrypted));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn start_encrypted(authority: &Authority, processor: &Processor) -> Gateway {
    let keys = "tls = { cert = \"a.pem\", key = \"a.key\" }";
    Gateway::start_listening(keys, &config(processor), |dir| authority.write(dir, "a", "localhost"))
}

/// What comes of a row and of what follows it, if it is not what must come of it.
fn comes_out_wrong(
    gateway: &Gateway,
    processor: &Processor,
    mut client: Client,
    row: &Row,
    way: Way,
) -> Option<String> {
    // Shown if an answer that must come does not.
    println!("{}", row.name);
    let before = processor.received().len();
    let bytes = [&row.bytes, SECOND].concat();
    bytes.chunks(if way == Way::ByteByByte { 1 } else { bytes.len() }).for_each(|part| client.send(part));
    let goes_on = row.then == Then::GoesOn;
    let mut answers = row.answers.clone();
    answers.extend(goes_on.then_some(202));
    // A connection that must close does that of itself.
    if row.then != Then::Closes {
        client.finish_sending();
    }
    let came: Vec<u16> = std::iter::from_fn(|| client.answer()).map(|answer| answer.status).collect();

    let delivered = delivered_since(before, gateway, processor);
    let mut bodies = row.delivered.clone();
    bodies.extend(goes_on.then_some("second"));
    bodies.sort_unstable();

    // A body that was refused and had not come by then is not waited for.
    let may_close = way == Way::ByteByByte
        && row.delivered.is_empty()
        && delivered.is_empty()
        && !came.is_empty()
        && answers.starts_with(&came);
    if may_close || (came == answers && delivered == bodies) {
        return None;
    }
    let how = match way {
        Way::AtOnce => "",
        Way::ByteByByte => ", byte by byte",
        Way::Encrypted => ", encrypted",
    };
    Some(format!("{}{how}: answered with {came:?} for {answers:?}, and {delivered:?} delivered", row.name))
}

/// The bodies of all that was accepted since the processor had so much: each has been delivered, and nothing else.
fn delivered_since(before: usize, gateway: &Gateway, processor: &Processor) -> Vec<String> {
    let accepted = gateway.metric("hookgate_events_accepted_total", &[]) as usize;
    let received = processor.wait_for(accepted);
    let mut bodies: Vec<_> =
        received[before..].iter().map(|one| String::from_utf8_lossy(&one.body).into_owned()).collect();
    bodies.sort_unstable();
    bodies
}
