//! Names, places, load and wakes.

use super::*;

#[test]
fn workers_are_named_after_their_pool_and_sit_where_they_are_told() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = {
        let seen = Arc::clone(&seen);
        sink(move |_| {
            let cores = rustix::thread::sched_getaffinity(None).unwrap();
            let name = std::thread::current().name().map(str::to_owned);
            seen.lock().unwrap().push((name, cores.count(), cores.is_set(first_core())));
            Outcome::Delivered
        })
    };
    let mut config = config(vec![RouteConfig { pool: 1, ..route("a") }]);
    config.pools.push(pool("billing"));
    let mut bench = Bench::with(&config, vec![record], &[vec![], vec![Some(first_core())]]);
    bench.offer("1").unwrap();
    bench.wait_for("a", "it is delivered", |status| status.delivered == 1);
    assert_eq!(*seen.lock().unwrap(), [(Some("billing-0".into()), 1, true)]);
}

fn first_core() -> usize {
    let cores = rustix::thread::sched_getaffinity(None).unwrap();
    (0..rustix::thread::CpuSet::MAX_CPU).find(|&core| cores.is_set(core)).unwrap()
}

#[test]
fn a_spinning_worker_delivers_too() {
    let mut config = config(vec![route("a")]);
    config.pools[0].spin = Duration::from_millis(2);
    let mut bench = Bench::with(&config, vec![sink(ok)], &[vec![None]]);
    for id in 0..50 {
        bench.offer(&id.to_string()).unwrap();
        bench.wait_for("a", "it is delivered", |status| status.delivered == id + 1);
    }
}

#[test]
fn under_load_each_event_is_delivered_exactly_once() {
    const PRODUCERS: usize = 4;
    const EACH: usize = 100_000;
    let delivered: Arc<Vec<AtomicUsize>> = Arc::new((0..PRODUCERS * EACH).map(|_| AtomicUsize::new(0)).collect());
    let record = {
        let delivered = Arc::clone(&delivered);
        let answer = Arc::new(move |delivery: &Delivery| {
            let id: usize = delivery.event().id().parse().unwrap();
            delivered[id].fetch_add(1, Ordering::Relaxed);
            Outcome::Delivered
        });
        Arc::new(move || -> Box<dyn Sink> {
            Box::new(Scripted { batch_max: 16, answer: Arc::clone(&answer), gate: None })
        })
    };
    let small = RouteConfig { queue: QueueConfig { events: 512, bytes: 1 << 20 }, in_flight: 4, ..route("a") };
    let bench = Bench::new(2, vec![(small, record)]);
    std::thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let mut intake = bench.routes.intake();
            scope.spawn(move || {
                let mut events = Events::new();
                for at in 0..EACH {
                    let event = events.make(&(producer * EACH + at).to_string(), b"");
                    while intake.offer(0, &event).is_err() {
                        intake.wake_workers();
                        std::thread::yield_now();
                    }
                    if at % 7 == 0 {
                        intake.wake_workers();
                    }
                }
                intake.wake_workers();
            });
        }
    });
    assert_eq!(bench.routes.drain(Duration::from_mins(1)), []);
    assert!(delivered.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    assert_eq!(bench.status("a").delivered, (PRODUCERS * EACH) as u64);
}

/// Many small rounds, each of which ends with all workers asleep: one lost wake in any of them and the round never ends.
#[test]
fn no_wake_is_lost() {
    const PRODUCERS: usize = 3;
    const ROUNDS: usize = 1_000;
    let tries_again = sink(|delivery| match delivery.attempt() {
        1 if delivery.event().id() == "3" => failed(FailureKind::Timeout),
        _ => Outcome::Delivered,
    });
    // One of its two permits is out all the time: no delivery that ends by itself makes up for a wake that was lost.
    let gate = closed_gate();
    let hanging: SinkFactory = {
        let gate = Arc::clone(&gate);
        Arc::new(move || Box::new(HangsOn { id: "hang", gate: Arc::clone(&gate) }))
    };
    let narrow = RouteConfig { in_flight: 1, ..route("narrow") };
    let half = RouteConfig { in_flight: 2, ..route("half") };
    let mut bench = Bench::new(3, vec![(narrow, tries_again), (half, hanging), (route("wide"), sink(ok))]);
    bench.offer("hang").unwrap();
    bench.wait_for("half", "it hangs", |status| status.in_flight == 1 && status.waiting == 0);
    std::thread::scope(|scope| {
        // A round that never ends fails the test here, which drops the senders and so ends the producers.
        let starts: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let mut intake = bench.routes.intake();
                let (start, started) = crossbeam_channel::bounded(1);
                scope.spawn(move || {
                    let mut events = Events::new();
                    for round in started {
                        for at in 0..=(round + producer) % 4 {
                            intake.offer(0, &events.make(&at.to_string(), b"")).unwrap();
                            intake.wake_workers();
                            (0..fastrand::u32(..200)).for_each(|_| std::hint::spin_loop());
                        }
                    }
                });
                start
            })
            .collect();
        let mut expected = 1;
        for round in 0..ROUNDS {
            for start in &starts {
                start.send(round).unwrap();
            }
            expected += (0..PRODUCERS).map(|producer| (round + producer) as u64 % 4 + 1).sum::<u64>();
            for (route, hangs) in [("narrow", 0), ("half", 1), ("wide", 0)] {
                bench.wait_for(route, "the round ends", |status| status.delivered == expected - hangs);
            }
        }
    });
    gate.add_permits(1);
    assert_eq!(bench.routes.drain(Duration::from_mins(1)), []);
}

/// One event at a time, each at a random moment of the worker's way from a delivery to its sleep.
#[test]
fn an_event_that_comes_while_the_worker_falls_asleep_is_delivered() {
    let delivered = Arc::new(AtomicUsize::new(0));
    let count = {
        let delivered = Arc::clone(&delivered);
        sink(move |_| {
            delivered.fetch_add(1, Ordering::SeqCst);
            Outcome::Delivered
        })
    };
    let mut bench = Bench::new(1, vec![(route("a"), count)]);
    for round in 1..=20_000 {
        bench.offer("1").unwrap();
        let give_up = Instant::now() + Duration::from_mins(1);
        while delivered.load(Ordering::SeqCst) < round {
            assert!(Instant::now() < give_up, "never delivered");
            std::thread::yield_now();
        }
        (0..fastrand::u32(..2_000)).for_each(|_| std::hint::spin_loop());
    }
}

/// Holds one event until its gate is opened and delivers all others.
struct HangsOn {
    id: &'static str,
    gate: Arc<Semaphore>,
}

impl Sink for HangsOn {
    fn batch_max(&self) -> usize {
        1
    }

    fn deliver<'sink>(&'sink self, batch: &'sink [Delivery]) -> LocalFuture<'sink, Outcomes> {
        Box::pin(async move {
            if batch.iter().any(|delivery| delivery.event().id() == self.id) {
                self.gate.acquire().await.unwrap().forget();
            }
            Outcomes::All(Outcome::Delivered)
        })
    }
}
