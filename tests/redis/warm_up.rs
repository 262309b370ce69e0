//! The warm-up under its lock.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use chaos::services::Redis;
use maple_expectation::jobs::schedule::day_before;
use maple_expectation::jobs::warm_up::Settings;
use maple_expectation::jobs::warm_up::WarmUp;
use maple_expectation::jobs::warm_up::WarmUpProbe;
use maple_expectation::locks::tier::NoSecond;
use maple_expectation::stores::redis::popularity::Popularity;
use maple_expectation::stores::redis::popularity::day;
use shards::clock::SystemClock;
use tokio::task::spawn_local;

use crate::locks;
use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::unix_ms;
use crate::support::until;

struct Process {
    probe: Rc<WarmUpProbe>,
    readied: Rc<RefCell<Vec<String>>>,
}

/// Begins the warm-up of a process.
async fn process(server: &Redis, node: &str) -> Process {
    let probe = Rc::<WarmUpProbe>::default();
    let readied = Rc::<RefCell<Vec<String>>>::default();
    let moment = Duration::from_millis(1);
    let fresh = Duration::from_secs(60);
    let settings = Settings { top: 10, after: moment, pause: moment, fresh };
    let warm_up = WarmUp::new(
        locks::process(server, node, NoSecond).await,
        Popularity::new(connected(&server.url()).await),
        settings,
        Rc::new(SystemClock::new()),
        Rc::clone(&probe),
    );
    let names = Rc::clone(&readied);
    spawn_local(warm_up.run(async move |name| {
        names.borrow_mut().push(name);
        true
    }));
    Process { probe, readied }
}

#[test]
fn a_lock_whose_holder_is_gone_delays_the_run_and_does_not_cancel_it() {
    let server = redis();
    let key = format!("popular:characters:{}", day(day_before(unix_ms())));
    server.command(&["ZADD", &key, "2", "가", "1", "나"]).unwrap();
    // Of a process that was killed, or of a question whose answer was lost.
    server.command(&["SET", "lock:{popular-warmup-lock}", "nobody", "PX", "2000"]).unwrap();
    on_backplane(async {
        let processes = [process(&server, "1").await, process(&server, "2").await];
        let count = |count: fn(&WarmUpProbe) -> u64| -> u64 {
            processes.iter().map(|process| count(&process.probe)).sum()
        };
        until("both are done", async || {
            count(|probe| probe.succeeded.get() + probe.skipped.get() + probe.failed.get()) == 2
        })
        .await;
        let ended = (count(|probe| probe.succeeded.get()), count(|probe| probe.skipped.get()));
        assert_eq!(ended, (1, 1), "one runs, the other finds it done");
        let readied = processes.map(|process| process.readied.take()).concat();
        assert_eq!(readied, ["가", "나"]);
    });
}
