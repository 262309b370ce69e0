//! One list of what a queue of jobs does, for the one in memory and the one in Redis.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use maple_expectation::stores::queue::Depths;
use maple_expectation::stores::queue::Job;
use maple_expectation::stores::queue::Priority;
use maple_expectation::stores::queue::Published;
use maple_expectation::stores::queue::Queue;
use maple_expectation::stores::queue::Rules;
use maple_expectation::stores::queue::Tended;
use maple_expectation::stores::queue::memory::MemoryQueue;
use maple_expectation::stores::redis::queue::RedisQueue;
use shards::clock::SystemClock;
use tokio::time::sleep;

use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::until;

const RULES: Rules = Rules {
    high_max: 3,
    low_max: 4,
    retry: Duration::from_millis(40),
    tries_max: 3,
    in_work_max: Duration::from_millis(150),
    aside_max: 2,
};

fn needs(id: &str) -> String {
    format!("what {id} needs")
}

async fn publish(jobs: &impl Queue, priority: Priority, id: &str) -> Published {
    jobs.publish(priority, id, needs(id).as_bytes()).await.unwrap()
}

async fn consume(jobs: &impl Queue) -> Option<Job> {
    jobs.consume().await.unwrap()
}

/// The next job; its payload is checked.
async fn job(jobs: &impl Queue, id: &str, tried: u32) -> Job {
    let job = consume(jobs).await.unwrap();
    assert_eq!((job.id.as_str(), job.tried), (id, tried));
    assert_eq!(job.payload, needs(id));
    job
}

async fn tends_to(jobs: &impl Queue, expected: Tended) {
    let mut all = Tended::default();
    until("what is due", async || {
        let tended = jobs.tend().await.unwrap();
        all.retried += tended.retried;
        all.redriven += tended.redriven;
        all.put_aside += tended.put_aside;
        all == expected
    })
    .await;
}

async fn conforms<J: Queue>(make: impl AsyncFn() -> J) {
    order_and_bounds(&make().await).await;
    once_per_id(&make().await).await;
    promotion(&make().await).await;
    failures(&make().await).await;
    lost_workers(&make().await).await;
}

async fn order_and_bounds(jobs: &impl Queue) {
    use Priority::High;
    use Priority::Low;
    assert_eq!(consume(jobs).await, None);
    for (priority, id) in [(Low, "l1"), (High, "h1"), (Low, "l2"), (High, "h2"), (High, "h3")] {
        assert_eq!(publish(jobs, priority, id).await, Published::Taken, "{id}");
    }
    assert_eq!(publish(jobs, High, "h4").await, Published::Full);
    for id in ["l3", "l4"] {
        assert_eq!(publish(jobs, Low, id).await, Published::Taken, "the other list has room");
    }
    assert_eq!(publish(jobs, Low, "l5").await, Published::Full);
    for id in ["h1", "h2", "h3", "l1", "l2", "l3", "l4"] {
        let job = job(jobs, id, 1).await;
        assert!(jobs.ack(&job).await.unwrap());
        assert!(!jobs.ack(&job).await.unwrap(), "once");
    }
    assert_eq!(jobs.depths().await.unwrap(), Depths::default());
}

async fn once_per_id(jobs: &impl Queue) {
    assert_eq!(publish(jobs, Priority::Low, "가").await, Published::Taken);
    assert_eq!(publish(jobs, Priority::High, "가").await, Published::Known);
    let first = job(jobs, "가", 1).await;
    assert_eq!(publish(jobs, Priority::High, "가").await, Published::Known, "in work");
    assert!(jobs.nack(&first).await.unwrap());
    assert_eq!(publish(jobs, Priority::High, "가").await, Published::Known, "pausing");
    tends_to(jobs, Tended { retried: 1, ..Tended::default() }).await;
    let second = job(jobs, "가", 2).await;
    assert!(!jobs.nack(&first).await.unwrap() && !jobs.ack(&first).await.unwrap());
    assert!(jobs.ack(&second).await.unwrap());
    assert_eq!(publish(jobs, Priority::High, "가").await, Published::Taken);
    job(jobs, "가", 1).await;
}

/// What waits with low priority comes with the others of high priority once somebody waits for it.
async fn promotion(jobs: &impl Queue) {
    use Priority::High;
    use Priority::Low;
    for (priority, id) in [(Low, "a"), (Low, "b"), (High, "c")] {
        assert_eq!(publish(jobs, priority, id).await, Published::Taken);
    }
    for _ in 0..2 {
        assert_eq!(publish(jobs, High, "b").await, Published::Known);
    }
    assert_eq!(jobs.depths().await.unwrap(), Depths { high: 2, low: 1, ..Depths::default() });
    assert_eq!(publish(jobs, High, "d").await, Published::Taken);
    assert_eq!(publish(jobs, High, "a").await, Published::Full, "no room to be promoted to");
    for id in ["c", "b", "d", "a"] {
        assert_eq!(jobs.payload(id).await.unwrap().as_deref(), Some(needs(id).as_bytes()));
        let job = job(jobs, id, 1).await;
        assert!(jobs.payload(id).await.unwrap().is_some(), "in work");
        assert!(jobs.ack(&job).await.unwrap());
        assert_eq!(jobs.payload(id).await.unwrap(), None);
    }
}

async fn failures(jobs: &impl Queue) {
    for id in ["a", "b", "c"] {
        publish(jobs, Priority::High, id).await;
        for tried in 1..=RULES.tries_max {
            let job = job(jobs, id, tried).await;
            assert!(jobs.nack(&job).await.unwrap());
            if tried < RULES.tries_max {
                assert_eq!(jobs.tend().await.unwrap(), Tended::default(), "not due at once");
                tends_to(jobs, Tended { retried: 1, ..Tended::default() }).await;
            }
        }
    }
    let aside = RULES.aside_max as u64;
    assert_eq!(jobs.depths().await.unwrap(), Depths { aside, ..Depths::default() });
}

async fn lost_workers(jobs: &impl Queue) {
    publish(jobs, Priority::Low, "a").await;
    for tried in 1..RULES.tries_max {
        let lost = job(jobs, "a", tried).await;
        assert_eq!(jobs.tend().await.unwrap(), Tended::default());
        assert_eq!(jobs.depths().await.unwrap(), Depths { in_work: 1, ..Depths::default() });
        tends_to(jobs, Tended { redriven: 1, ..Tended::default() }).await;
        assert!(!jobs.ack(&lost).await.unwrap(), "too late");
    }
    job(jobs, "a", RULES.tries_max).await;
    tends_to(jobs, Tended { put_aside: 1, ..Tended::default() }).await;
    assert_eq!(jobs.depths().await.unwrap(), Depths { aside: 1, ..Depths::default() });
    // It may be asked for anew.
    assert_eq!(publish(jobs, Priority::Low, "a").await, Published::Taken);
}

#[test]
fn the_queue_of_a_process_conforms() {
    on_backplane(conforms(async || MemoryQueue::new(RULES, Rc::new(SystemClock::new()))));
}

#[test]
fn the_queue_in_redis_conforms() {
    let server = redis();
    on_backplane(conforms(async || {
        server.command(&["FLUSHALL"]).unwrap();
        RedisQueue::new(connected(&server.url()).await, "v5", RULES)
    }));
}

#[test]
fn pauses_double_and_end() {
    let pauses: Vec<_> = (1..=3).map(|tried| RULES.pause(tried)).collect();
    assert_eq!(pauses, [Some(40), Some(80), None].map(|ms| ms.map(Duration::from_millis)));
}

/// Workers of several processes, of which one dies with what it has in hand: every job is done.
#[test]
fn jobs_of_a_worker_that_is_killed_are_done_by_others() {
    let server = redis();
    let rules = Rules { low_max: 100, ..RULES };
    on_backplane(async {
        let queue = async || RedisQueue::new(connected(&server.url()).await, "v5", rules);
        let (killed, one, other) = (queue().await, queue().await, queue().await);
        let ids: BTreeSet<_> = (0..50).map(|n| format!("{n}")).collect();
        for id in &ids {
            assert_eq!(publish(&one, Priority::Low, id).await, Published::Taken);
        }
        for _ in 0..10 {
            consume(&killed).await.unwrap();
        }
        drop(killed);
        let mut done = BTreeSet::new();
        while done.len() < ids.len() {
            for worker in [&one, &other] {
                worker.tend().await.unwrap();
                let Some(job) = consume(worker).await else { continue };
                assert!(worker.ack(&job).await.unwrap());
                assert!(done.insert(job.id), "done twice, though its worker lives");
            }
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(done, ids);
        assert_eq!(one.depths().await.unwrap(), Depths::default());
    });
}
