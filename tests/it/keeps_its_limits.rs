//! Sizes, times and numbers that a sender may not exceed.

use crate::gateway::Gateway;

const SOURCE: &str = "[[source]]\nname = \"s\"\nauth = \"none\"\nack = \"memory\"\nmax_body = \"1KiB\"\n";

#[test]
fn an_announced_body_over_the_limit_is_refused_before_it_is_read() {
    let gateway = Gateway::start(SOURCE);
    let mut client = gateway.client();
    client.send(b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 1025\r\nexpect: 100-continue\r\n\r\n");
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (413, "body_too_large"), "the final status, not 100");
    assert_eq!(gateway.post("/hooks/s", &[], &[b'a'; 1024]).status, 202);
}

#[test]
fn a_chunked_body_is_cut_off_at_the_limit() {
    let gateway = Gateway::start(SOURCE);
    let mut client = gateway.client();
    client.send(b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = [b"200\r\n".as_slice(), &[b'a'; 512], b"\r\n"].concat();
    client.send(&chunk);
    client.send(&chunk);
    client.send(b"1\r\na\r\n");
    assert_eq!(client.answer().unwrap().status, 413);
}

#[test]
fn a_chunked_body_within_the_limit_arrives_whole() {
    let gateway = Gateway::start(SOURCE);
    let mut client = gateway.client();
    client.send(b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send(b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 202);
    assert_eq!(gateway.metric("hookgate_body_bytes_total", &["source=\"s\""]), 5.0);
}

#[test]
fn a_client_that_expects_it_is_told_to_continue() {
    let gateway = Gateway::start(SOURCE);
    let mut client = gateway.client();
    client.send(b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 100);
    client.send(b"{}");
    assert_eq!(client.answer().unwrap().status, 202);
}

#[test]
fn bodies_over_the_memory_budget_are_refused_before_they_are_read_and_fit_again_later() {
    let gateway = Gateway::start_with("max_body = \"1KiB\"\nmemory_budget = \"1500B\"", SOURCE);
    let mut holding = gateway.client();
    holding.send(b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(holding.answer().unwrap().status, 100);
    assert_eq!(gateway.post("/hooks/s", &[], &[b'a'; 1000]).status, 202, "who only announces holds nothing");
    holding.send(&[b'a'; 100]);
    gateway.wait_for_metric("hookgate_memory_budget_used_bytes", &[], 1000.0);
    let refused = gateway.post("/hooks/s", &[], &[b'a'; 600]);
    assert_eq!((refused.status, refused.reason().as_str()), (503, "over_memory_budget"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(gateway.post("/hooks/s", &[], &[b'a'; 400]).status, 202);
    holding.send(&[b'a'; 900]);
    assert_eq!(holding.answer().unwrap().status, 202);
    assert_eq!(gateway.post("/hooks/s", &[], &[b'a'; 1000]).status, 202);
    gateway.wait_for_metric("hookgate_memory_budget_used_bytes", &[], 0.0);
}

#[test]
fn a_silent_connection_and_an_unfinished_head_are_closed() {
    let gateway = Gateway::start_with("head_timeout = \"100ms\"", SOURCE);
    let mut silent = gateway.client();
    let mut slow = gateway.client();
    slow.send(b"POST /hooks/s HTTP/1.1\r\nhost:");
    assert!(silent.is_closed());
    assert!(slow.is_closed());
    gateway.wait_for_metric("hookgate_head_timeouts_total", &[], 2.0);
}

#[test]
fn a_slow_body_is_answered_with_408_and_closed() {
    let gateway = Gateway::start_with("body_timeout = \"100ms\"", SOURCE);
    let mut slow = gateway.client();
    slow.send(b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
    let answer = slow.answer().unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (408, "body_timeout"));
    assert!(slow.is_closed());
    gateway.wait_for_metric("hookgate_memory_budget_used_bytes", &[], 0.0);
}

#[test]
fn an_idle_connection_is_kept_for_its_time_and_then_closed() {
    let gateway = Gateway::start_with("idle_timeout = \"200ms\"", SOURCE);
    let mut client = gateway.client();
    assert_eq!(client.post("/hooks/s", &[], b"{}").status, 202);
    assert_eq!(client.post("/hooks/s", &[], b"{}").status, 202);
    assert!(client.is_closed());
    gateway.wait_for_metric("hookgate_idle_timeouts_total", &[], 1.0);
}

#[test]
fn connections_over_the_limit_are_told_so_and_later_ones_fit() {
    let gateway = Gateway::start_with("max_connections = 2", SOURCE);
    let mut first = gateway.client();
    let mut second = gateway.client();
    assert_eq!(first.post("/hooks/s", &[], b"{}").status, 202);
    assert_eq!(second.post("/hooks/s", &[], b"{}").status, 202);
    let mut third = gateway.client();
    assert_eq!(third.answer().unwrap().status, 503);
    assert!(third.is_closed());
    drop(first);
    gateway.wait_for_metric("hookgate_connections_open", &[], 1.0);
    assert_eq!(gateway.post("/hooks/s", &[], b"{}").status, 202);
}

#[test]
fn clients_that_hang_up_leave_nothing_behind() {
    let gateway = Gateway::start(SOURCE);
    let parts: [&[u8]; 7] = [
        b"",
        b"POST /hooks",
        b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n",
        b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nabc",
        b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabcPOST /hooks/s HT",
        b"POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nabc",
    ];
    for part in parts.repeat(20) {
        let mut client = gateway.client();
        client.send(part);
    }
    gateway.wait_for_metric("hookgate_connections_total", &[], 140.0);
    gateway.wait_for_metric("hookgate_connections_open", &[], 0.0);
    gateway.wait_for_metric("hookgate_memory_budget_used_bytes", &[], 0.0);
    assert_eq!(gateway.metric("hookgate_events_accepted_total", &[]), 20.0, "only those that were whole");
    assert_eq!(gateway.metric("hookgate_requests_refused_total", &["reason=\"broken_body\""]), 60.0);
}

#[test]
fn requests_sent_without_waiting_are_answered_in_their_order() {
    let gateway = Gateway::start(&format!(
        "{SOURCE}delivery_id = {{ header = \"x-id\" }}\nreply = {{ body = \"{{id}}\", content_type = \"text/plain\" }}\n"
    ));
    let mut client = gateway.client();
    let id = |at: usize| at.to_string();
    let all: Vec<u8> =
        (0..1000).flat_map(|at| crate::client::request("POST", "/hooks/s", &[("x-id", &id(at))], b"{}")).collect();
    client.send(&all);
    for at in 0..1000 {
        assert_eq!(client.answer().unwrap().text(), id(at));
    }
}

#[test]
fn without_file_descriptors_it_serves_whom_it_has_and_recovers() {
    // What a process that leaves no dumps has open only root can see.
    let gateway = Gateway::start(&format!("{SOURCE}[process]\ncore_dumps = true\n"));
    let mut known = gateway.client();
    assert_eq!(known.post("/hooks/s", &[], b"{}").status, 202);
    gateway.limit_open_files(3);
    let waiting: Vec<_> = (0..10).map(|_| gateway.client()).collect();
    let warning = gateway.log().wait_for("cannot accept");
    assert!(warning.contains("max_connections"), "it says what to do: {warning}");
    assert_eq!(known.post("/hooks/s", &[], b"{}").status, 202);
    drop(waiting);
    assert_eq!(gateway.post("/hooks/s", &[], b"{}").status, 202);
    let text = gateway.log().text();
    assert!(text.matches("cannot accept").count() <= 3, "it is not said at every try:\n{text}");
}

#[test]
fn a_client_that_closes_its_side_after_the_request_still_gets_the_answer() {
    let gateway = Gateway::start(SOURCE);
    let mut client = gateway.client();
    client.send(b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}");
    client.finish_sending();
    assert_eq!(client.answer().unwrap().status, 202);
}

#[test]
fn a_sender_that_is_refused_while_it_sends_can_finish_and_read_why() {
    let gateway = Gateway::start(SOURCE);
    let body = vec![b'a'; 8 << 20];
    let mut announced = gateway.client();
    let head = format!("POST /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
    announced.send(head.as_bytes());
    announced.send_all(&body).expect("the connection is not reset under the sender");
    assert_eq!(announced.answer().unwrap().status, 413);

    let mut endless = gateway.client();
    endless.send(b"POST /nowhere HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n800000\r\n");
    endless.send_all(&body).expect("nor where nothing was announced");
    assert_eq!(endless.answer().unwrap().status, 404);
}

#[test]
fn a_refusal_says_whether_the_connection_stays() {
    let gateway = Gateway::start(SOURCE);
    let mut whole = gateway.client();
    for _ in 0..3 {
        let answer = whole.request("PUT", "/hooks/s", &[], b"{}");
        assert_eq!((answer.status, answer.header("connection")), (405, None), "its body was there: it can stay");
    }
    let unread: [&[u8]; 4] = [
        b"PUT /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n",
        b"PUT /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
        b"POST /nowhere HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
        b"POST /hooks/s HTTP/1.1\r\nhost: a\r\ncontent-length: 90000\r\n\r\nabc",
    ];
    for head in unread {
        let mut client = gateway.client();
        client.send(head);
        let answer = client.answer().unwrap();
        assert_eq!(answer.header("connection"), Some("close"), "{}", String::from_utf8_lossy(head));
        assert!(client.is_closed());
    }
}
