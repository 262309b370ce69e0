//! The bus between processes.

use std::cell::RefCell;
use std::rc::Rc;

use chaos::relay::Mode;
use chaos::services::Redis;
use chaos::services::Replicated;
use maple_expectation::stores::redis::events::Bus;
use maple_expectation::stores::redis::events::CHANNEL;
use maple_expectation::stores::redis::events::Event;
use tokio::task::spawn_local;

use crate::support::connected;
use crate::support::on_backplane;
use crate::support::redis;
use crate::support::relayed;
use crate::support::until;

struct Process {
    bus: Bus,
    heard: Rc<RefCell<Vec<Event>>>,
}

impl Process {
    /// One that listens already.
    async fn start(url: &str, instance_id: &str) -> Self {
        let bus = Bus::new(connected(url).await, instance_id);
        let heard = Rc::<RefCell<Vec<Event>>>::default();
        let ears = Rc::clone(&heard);
        spawn_local(bus.clone().listen(move |event| ears.borrow_mut().push(event)));
        let process = Self { bus, heard };
        process.hears(&Event::Reconnected).await;
        process
    }

    async fn hears(&self, event: &Event) {
        until("an event", async || self.heard.borrow().contains(event)).await;
    }
}

fn evict(key: &str) -> Event {
    Event::Evict { cache: "expectationV4".to_owned(), key: key.to_owned(), born_us: Some(7) }
}

#[test]
fn everybody_but_the_speaker_hears() {
    let server = redis();
    on_backplane(async {
        let (one, other) =
            (Process::start(&server.url(), "1").await, Process::start(&server.url(), "2").await);
        assert_eq!(one.bus.publish("expectationV4", Some("가 a"), Some(7)).await, Ok(2));
        other.hears(&evict("가 a")).await;
        assert_eq!(other.bus.publish("equipment", None, None).await, Ok(2));
        one.hears(&Event::Clear { cache: "equipment".to_owned() }).await;
        assert_eq!(
            *one.heard.borrow(),
            [Event::Reconnected, Event::Clear { cache: "equipment".to_owned() }]
        );
        assert_eq!(*other.heard.borrow(), [Event::Reconnected, evict("가 a")]);
    });
}

#[test]
fn what_is_no_message_is_counted_and_changes_nothing() {
    let server = redis();
    on_backplane(async {
        let client = connected(&server.url()).await;
        let bus = Bus::new(client.clone(), "1");
        spawn_local(bus.listen(|_| {}));
        until("it listens", async || client.probe().subscribed.get() == 1).await;
        for text in ["", "{}", r#"{"cacheName":1}"#] {
            server.command(&["PUBLISH", CHANNEL, text]).unwrap();
        }
        until("all came", async || client.probe().garbled.get() == 3).await;
    });
}

/// After `harm`, a process hears that it may have missed something, then again what others say.
fn recovers(server: &mut Redis, harm: impl FnOnce(&mut Redis)) {
    on_backplane(async {
        let process = Process::start(&server.url(), "1").await;
        process.heard.borrow_mut().clear();
        harm(server);
        process.hears(&Event::Reconnected).await;
        let other = Bus::new(connected(&server.url()).await, "2");
        other.publish("expectationV4", Some("a"), Some(7)).await.unwrap();
        process.hears(&evict("a")).await;
    });
}

#[test]
fn a_subscription_that_broke_is_made_again_and_says_so() {
    let mut server = redis();
    recovers(&mut server, |server| {
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    });
    recovers(&mut server, |server| {
        server.kill().unwrap();
        server.restart().unwrap();
    });
}

#[test]
fn the_subscription_follows_the_master() {
    let mut servers = Replicated::start().unwrap();
    let before = servers.master().unwrap();
    on_backplane(async {
        let process = Process::start(&servers.url(), "1").await;
        process.heard.borrow_mut().clear();
        servers.nodes[before].kill().unwrap();
        process.hears(&Event::Reconnected).await;
        let other = Bus::new(connected(&servers.url()).await, "2");
        other.publish("expectationV4", Some("a"), Some(7)).await.unwrap();
        process.hears(&evict("a")).await;
    });
}

#[test]
fn what_was_said_while_the_speaker_alone_was_cut_off_is_heard_later() {
    let server = redis();
    let (relay, relayed) = relayed(&server);
    on_backplane(async {
        let (one, other) =
            (Process::start(&relayed, "1").await, Process::start(&server.url(), "2").await);
        other.heard.borrow_mut().clear();
        relay.set(Mode::Refuse).unwrap();
        relay.reset().unwrap();
        for key in ["a", "b"] {
            assert!(one.bus.publish("expectationV4", Some(key), Some(7)).await.is_err());
        }
        assert!(other.heard.borrow().is_empty(), "it listens, and there is nothing to hear");
        relay.set(Mode::Pass).unwrap();
        other.hears(&evict("b")).await;
        assert_eq!(*other.heard.borrow(), [evict("a"), evict("b")], "and never doubted");
    });
}
