//! Retries, dead letters, sinks that misbehave.

use super::*;

#[test]
fn a_failed_event_is_tried_again_until_it_is_delivered() {
    let third_time = sink(|delivery| match delivery.attempt() {
        3 => Outcome::Delivered,
        _ => failed(FailureKind::Timeout),
    });
    let mut bench = Bench::new(2, vec![(route("a"), third_time)]);
    for id in 0..100 {
        bench.offer(&id.to_string()).unwrap();
    }
    let status = bench.wait_for("a", "all are delivered", |status| status.delivered == 100);
    let timeouts = status.failures.iter().find(|(kind, _)| *kind == "timeout").unwrap().1;
    assert_eq!((timeouts, status.dead, status.queued_events, status.parked), (200, 0, 0, 0));
}

#[test]
fn an_event_that_has_had_its_attempts_becomes_a_dead_letter_that_tells_them_all() {
    let statuses = [500, 502, 503, 503, 504];
    let failing = sink(move |delivery| failed(FailureKind::Status(statuses[delivery.attempt() as usize - 1])));
    let mut bench = Bench::new(1, vec![(route("a"), failing)]);
    bench.offer("evt_1").unwrap();
    bench.wait_for("a", "it is dead", |status| status.dead == 1 && status.queued_events == 0);
    let letters = bench.dead_letters("a");
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(letter["id"], "evt_1");
    assert_eq!(letter["type"], "invoice.paid");
    assert_eq!(letter["source"], "billing");
    assert_eq!(letter["route"], "a");
    assert_eq!(letter["method"], "POST");
    assert_eq!(letter["target"], "/hooks/billing");
    assert_eq!(letter["headers"][0], serde_json::json!(["content-type", "application/json"]));
    assert_eq!(letter["body"], "body");
    assert_eq!(letter["reason"], "attempts");
    let outcomes: Vec<_> = letter["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["status 500", "status 502", "status 503", "status 503", "status 504"]);
    assert_eq!(letter["attempts"][3]["detail"], "answered: status 503");
    assert!(letter["attempts"][0]["at"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_body_that_is_not_text_is_kept_as_base64() {
    let mut bench = Bench::new(1, vec![(route("a"), sink(|_| failed(FailureKind::Status(422))))]);
    let event = bench.events.make("1", b"\xff\x00");
    bench.intake.offer(0, &event).unwrap();
    bench.intake.wake_workers();
    bench.wait_for("a", "it is dead", |status| status.dead == 1);
    let letter = &bench.dead_letters("a")[0];
    assert_eq!((&letter["body_base64"], letter.get("body")), (&Value::from("/wA="), None));
}

#[test]
fn a_final_status_leads_straight_to_the_dead_letters() {
    let mut bench = Bench::new(1, vec![(route("a"), sink(|_| failed(FailureKind::Status(422))))]);
    bench.offer("1").unwrap();
    bench.wait_for("a", "it is dead", |status| status.dead == 1);
    let letter = &bench.dead_letters("a")[0];
    assert_eq!((letter["reason"].as_str(), letter["attempts"].as_array().unwrap().len()), (Some("final_status"), 1));
}

#[test]
fn a_panicking_sink_has_failed_and_its_worker_lives_on() {
    let panics = sink(|delivery| {
        assert!(delivery.event().id() != "bad", "cannot handle this");
        Outcome::Delivered
    });
    let mut bench = Bench::new(1, vec![(route("a"), panics)]);
    bench.offer("bad").unwrap();
    bench.offer("good").unwrap();
    bench.wait_for("a", "one dead, one delivered", |status| status.dead == 1 && status.delivered == 1);
    let letter = &bench.dead_letters("a")[0];
    assert_eq!(letter["attempts"][4]["outcome"], "handler failed");
    assert_eq!(letter["attempts"][4]["detail"], "panicked: cannot handle this");
}

#[test]
fn an_event_for_which_the_sink_gives_no_outcome_has_failed() {
    struct Silent;
    impl Sink for Silent {
        fn batch_max(&self) -> usize {
            8
        }
        fn deliver<'sink>(&'sink self, _: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
            Box::pin(async { Outcomes::Each(Vec::new()) })
        }
    }
    let mut bench = Bench::new(1, vec![(route("a"), Arc::new(|| Box::new(Silent)))]);
    bench.offer("1").unwrap();
    bench.wait_for("a", "it is dead", |status| status.dead == 1);
}

#[test]
fn dead_letters_that_cannot_be_written_stay_in_memory_until_they_can() {
    let mut bench = Bench::new(1, vec![(route("a"), sink(|_| failed(FailureKind::Status(422))))]);
    let in_the_way = bench.dir.path().join("dead/a.ndjson");
    std::fs::create_dir(&in_the_way).unwrap();
    bench.offer("1").unwrap();
    bench.offer("2").unwrap();
    bench.wait_for("a", "both have failed", |status| status.failures.iter().map(|(_, count)| count).sum::<u64>() == 2);
    let status = bench.status("a");
    assert_eq!((status.dead, status.queued_events), (0, 2));
    std::fs::remove_dir(&in_the_way).unwrap();
    bench.wait_for("a", "both are written", |status| status.dead == 2 && status.queued_events == 0);
    assert_eq!(bench.dead_letters("a").len(), 2);
}

#[test]
fn a_directory_that_cannot_be_written_to_is_an_error_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Routes::start(&config(vec![]), vec![], &[vec![]], &file.join("dead")).unwrap_err();
    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
}

#[test]
fn a_route_without_workers_is_an_error_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let error = Routes::start(&config(vec![route("a")]), vec![sink(ok)], &[vec![]], dir.path()).unwrap_err();
    assert!(matches!(error, RoutesError::NoWorkers { .. }), "{error}");
}

#[test]
fn a_batch_is_one_failure_whatever_is_in_it() {
    let gate = closed_gate();
    let mut config = RouteConfig { in_flight: 1, ..route("a") };
    config.breaker = BreakerConfig { failures: 3, probe_every: Duration::from_hours(1), ..config.breaker };
    config.retry = RetryConfig { first: Duration::from_hours(1), max: Duration::from_hours(1), ..config.retry };
    let mut bench = Bench::new(1, vec![(config, gated_batches(16, &gate, |_| failed(FailureKind::Status(503))))]);
    let failures = |status: &RouteStatus| status.failures.iter().map(|(_, count)| count).sum::<u64>();
    assert!(bench.routes.pause("a"));
    for (round, expected) in [(0, 16), (1, 32)] {
        for id in 0..16 {
            bench.offer(&format!("{round}-{id}")).unwrap();
        }
        bench.routes.resume("a");
        gate.add_permits(1);
        let status = bench.wait_for("a", "all of them have failed", |status| failures(status) == expected);
        assert!(!status.breaker_open, "{round}");
        assert!(bench.routes.pause("a"));
    }
    bench.offer("last").unwrap();
    bench.routes.resume("a");
    gate.add_permits(1);
    bench.wait_for("a", "it opens with the third", |status| status.breaker_open);
}

#[test]
fn a_batch_of_which_something_was_taken_or_refused_for_good_leaves_the_breaker_closed() {
    for taken in [Outcome::Delivered, failed(FailureKind::Status(422))] {
        let gate = closed_gate();
        let mut config = RouteConfig { in_flight: 1, ..route("a") };
        config.breaker = BreakerConfig { failures: 1, ..config.breaker };
        config.retry.attempts = 1;
        let answer = move |delivery: &Delivery| match delivery.event().id() {
            "last" => taken.clone(),
            _ => failed(FailureKind::Status(503)),
        };
        let mut bench = Bench::new(1, vec![(config, gated_batches(16, &gate, answer))]);
        assert!(bench.routes.pause("a"));
        for id in ["1", "2", "3", "last"] {
            bench.offer(id).unwrap();
        }
        bench.routes.resume("a");
        gate.add_permits(1);
        // Their only attempt counts, though the breaker would open with the first failure.
        let status = bench.wait_for("a", "they are dead", |status| status.dead + status.delivered == 4);
        assert!(!status.breaker_open && status.dead >= 3);
    }
}

#[test]
fn a_batch_is_full_with_four_mebibytes() {
    let gate = closed_gate();
    let queue = QueueConfig { events: 100, bytes: 1 << 30 };
    let config = RouteConfig { in_flight: 1, queue, ..route("a") };
    let mut bench = Bench::new(1, vec![(config, gated_batches(16, &gate, ok))]);
    assert!(bench.routes.pause("a"));
    for id in 0..7 {
        let event = bench.events.make(&id.to_string(), &vec![b'a'; 2 << 20]);
        bench.intake.offer(0, &event).unwrap();
    }
    bench.routes.resume("a");
    for delivered in [2, 4, 6, 7] {
        bench.wait_for("a", "a batch is out", |status| status.in_flight == 1);
        gate.add_permits(1);
        bench.wait_for("a", "it is delivered", |status| status.delivered == delivered);
    }
}
