//! Floods of HTTP/2, each as its inventors describe it: the connection that sends one ends, and whoever has another is served
//! meanwhile. What it cost the gateway is printed (`--nocapture`), and is not held to anything.

use std::thread;
use std::time::{Duration, Instant};

use crate::encrypted::{
    Authority, CONTINUATION, END_HEADERS, END_STREAM, Frames, HEADERS, PING, POST, PRIORITY, RST_STREAM, SETTINGS,
    frame,
};
use crate::gateway::Gateway;
use crate::speaks_http2::start;

const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 8;

/// Requests that an honest client makes meanwhile, at least.
const HONEST: usize = 20;

/// How often a flood's frames are sent, if nobody stops it.
const TIMES: u32 = 2000;

/// Sends `opening` and then the same frames over and over; the connection ends, while another is served.
fn flood(name: &str, opening: &[u8], frames: impl Fn(u32) -> Vec<u8> + Sync) -> Gateway {
    let authority = Authority::new();
    let gateway = start(&authority, "");
    let mut honest = crate::encrypted::client(gateway.address, authority.client(&[]));
    assert_eq!(honest.post("/hooks/s", &[], b"{}").status, 202);
    let mut attacker = Frames::connect(gateway.address, &authority);
    let (ticks, began) = (gateway.ticks(), Instant::now());
    let (mut answered, mut slowest) = (0, Duration::ZERO);
    let sent = thread::scope(|scope| {
        let attacking = scope.spawn(|| {
            let mut sent = 0;
            if attacker.send(opening).is_ok() {
                for at in 0..TIMES {
                    let frames = frames(at);
                    if attacker.send(&frames).is_err() {
                        break;
                    }
                    sent += frames.len();
                }
            }
            assert!(attacker.ends());
            sent
        });
        while answered < HONEST || !attacking.is_finished() {
            let asked = Instant::now();
            assert_eq!(honest.post("/hooks/s", &[], b"{}").status, 202);
            slowest = slowest.max(asked.elapsed());
            answered += 1;
            // A client of its kind does not make the flood's cost invisible.
            thread::sleep(Duration::from_millis(1));
        }
        attacking.join().unwrap()
    });
    let status = gateway.proc("status");
    let memory = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned();
    println!(
        "{name}: ended after {sent} bytes and {:.2} s; {} ms of processor time, {} at most, {} now; {answered} honest \
         requests answered, the slowest in {:.1} ms",
        began.elapsed().as_secs_f64(),
        (gateway.ticks() - ticks) * 10,
        memory("VmHWM:"),
        memory("VmRSS:"),
        slowest.as_secs_f64() * 1e3,
    );
    gateway
}

/// What each of a hundred streams gets.
fn each_of_hundred(at: u32, frames: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..100).flat_map(|one| frames((at * 100 + one) * 2 + 1)).collect()
}

/// CVE-2023-44487.
#[test]
fn a_rapid_reset() {
    flood("rapid reset", b"", |at| {
        each_of_hundred(at, |stream| {
            [frame(HEADERS, END_HEADERS, stream, POST), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        })
    });
}

/// CVE-2025-8671: the same, but it is this side that is made to reset.
#[test]
fn resets_that_are_provoked() {
    flood("provoked resets", b"", |at| {
        each_of_hundred(at, |stream| {
            [frame(HEADERS, END_HEADERS, stream, POST), frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
        })
    });
}

/// CVE-2024-27316 and its like.
#[test]
fn a_head_without_end() {
    let field = frame(CONTINUATION, 0, 1, b"\0\x01a\x01b").repeat(100);
    flood("CONTINUATION", &frame(HEADERS, 0, 1, POST), |_| field.clone());
}

#[test]
fn a_head_without_end_of_frames_without_bytes() {
    let nothing = frame(CONTINUATION, 0, 1, b"").repeat(100);
    flood("empty CONTINUATION", &frame(HEADERS, 0, 1, POST), |_| nothing.clone());
}

#[test]
fn a_body_of_frames_without_bytes() {
    let nothing = frame(DATA, 0, 1, b"").repeat(100);
    flood("empty DATA", &frame(HEADERS, END_HEADERS, 1, POST), |_| nothing.clone());
}

#[test]
fn frames_that_belong_to_no_request() {
    let windows = frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
    for (name, frames) in [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, b"\0\x04\0\x01\0\0")),
        ("PRIORITY", frame(PRIORITY, 0, 1, b"\0\0\0\0\x10")),
        ("WINDOW_UPDATE", windows),
        ("frames that nobody knows", frame(0xfe, 0, 0, &[0; 1000])),
    ] {
        let many = frames.repeat(500);
        flood(name, b"", |_| many.clone()).wait_for_metric("hookgate_http2_floods_total", &[], 1.0);
    }
}

/// A hundred answers for which there is no room in the client's windows.
fn without_room() -> Vec<u8> {
    let requests = each_of_hundred(0, |stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, POST));
    [frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\0"), requests].concat()
}

/// CVE-2019-9511 and CVE-2019-9517: answers are asked for and not taken.
#[test]
fn windows_of_nothing() {
    flood("windows of nothing", &without_room(), |_| Vec::new());
}

/// Every setting of the window is one for each of the waiting answers.
#[test]
fn windows_that_open_and_close() {
    let both = [frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\x01"), frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\0")].concat();
    let many = both.repeat(250);
    flood("windows that open and close", &without_room(), |_| many.clone());
}

/// One large field that a byte stands for, ten thousand times: 30 MB of head in 10 kB.
#[test]
fn heads_that_grow_when_they_are_decoded() {
    let length = 3000;
    let large =
        [&[0x40, 1, b'x', 0x7f, (length - 127) as u8 | 0x80, ((length - 127) >> 7) as u8], &*vec![b'a'; length]]
            .concat();
    let first = frame(HEADERS, END_HEADERS | END_STREAM, 1, &[POST, &large].concat());
    let bomb = [POST, &[0xbe; 10_000]].concat();
    flood("heads that grow", &first, |at| frame(HEADERS, END_HEADERS | END_STREAM, at * 2 + 3, &bomb));
}

/// A table of fields that changes its size with every head.
#[test]
fn heads_that_change_the_table() {
    let sizes = [[0x20, 0x3f, 0xe1, 0x1f].repeat(1000), POST.to_vec()].concat();
    flood("changes of the table", b"", |at| frame(HEADERS, END_HEADERS | END_STREAM, at * 2 + 1, &sizes));
}
