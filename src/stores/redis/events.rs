//! What processes tell each other: forget this. What is published while somebody does not listen is lost to him, so each
//! time the subscription is made again everything must be forgotten, and a [`Event::Reconnected`] says so. What could
//! not be published is kept (`unsaid`) and published when Redis can be had again.
//!
//! The channel is [`CHANNEL`], the messages JSON. A process does not hear itself.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::PubSubSink;
use serde::Deserialize;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::stores::redis::client::Again;
use crate::stores::redis::client::Client;
use crate::stores::redis::client::Trouble;
use crate::stores::redis::link;
use crate::stores::redis::link::Link;
use crate::stores::redis::unsaid::News;
use crate::stores::redis::unsaid::Unsaid;

/// Where invalidations are published.
pub const CHANNEL: &str = "{cache}:invalidation";
/// Pause before a subscription is tried again on a connection that is there.
const SUBSCRIBE_PAUSE: Duration = Duration::from_millis(100);
/// Pause before unsaid news is tried again on a connection that is there.
const UNSAID_PAUSE: Duration = Duration::from_millis(100);

/// What another process says, or what is to be made of its silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Forget this key.
    Evict {
        /// Of which cache; one that this build does not know is possible.
        cache: String,
        /// Which.
        key: String,
        /// What was born before this is obsolete, unix microseconds; without it, everything is.
        born_us: Option<u64>,
    },
    /// Forget a whole cache.
    Clear {
        /// Which.
        cache: String,
    },
    /// Nothing was heard for a while: forget everything.
    Reconnected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "EVICT")]
    Evict,
    #[serde(rename = "CLEAR_ALL")]
    ClearAll,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    cache_name: String,
    key: Option<String>,
    source_instance_id: String,
    r#type: Kind,
    /// Unix milliseconds.
    timestamp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    born_us: Option<u64>,
}

/// One end of the bus: publishes, and listens.
#[derive(Clone)]
pub struct Bus {
    client: Client,
    instance_id: Rc<str>,
    unsaid: Rc<RefCell<Unsaid>>,
    kept: Rc<Notify>,
}

impl Bus {
    /// Over this client. `instance_id` is different in every process that runs now.
    #[must_use]
    pub fn new(client: Client, instance_id: &str) -> Self {
        let (unsaid, kept) = Default::default();
        Self { client, instance_id: instance_id.into(), unsaid, kept }
    }

    /// Tells the others to forget a key, or of it what was born before a time; with `None` a whole cache. Returns when Redis has passed it on, with the
    /// number of those who listened; this process is among them while its own subscription stands.
    ///
    /// # Errors
    /// [`Trouble`]; then it is kept and published later, while [`listen`](Self::listen) runs.
    pub async fn publish(
        &self,
        cache: &str,
        key: Option<&str>,
        born_us: Option<u64>,
    ) -> Result<u64, Trouble> {
        let news = News { cache: cache.to_owned(), key: key.map(str::to_owned), born_us };
        let heard = self.say(&news).await;
        if heard.is_err() {
            self.unsaid.borrow_mut().keep(news);
            self.kept.notify_one();
        }
        heard
    }

    async fn say(&self, news: &News) -> Result<u64, Trouble> {
        let probe = self.client.probe();
        let message = Message {
            cache_name: news.cache.clone(),
            key: news.key.clone(),
            source_instance_id: self.instance_id.to_string(),
            r#type: if news.key.is_some() { Kind::Evict } else { Kind::ClearAll },
            timestamp: self.client.clock().unix_ms(),
            born_us: news.born_us,
        };
        let text = serde_json::to_string(&message).expect("strings and numbers are JSON");
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(CHANNEL).arg(text);
        let heard = self.client.command(Again::Safe, &publish).await;
        match heard {
            Ok(_) => probe.published.add(1),
            Err(_) => probe.publish_failures.add(1),
        }
        heard
    }

    /// Listens and hands on what it hears; `hear` must not wait. Never ends. The subscription is a connection of its
    /// own, to the same server as the client's, made again whenever either breaks. Says meanwhile what is unsaid.
    pub async fn listen(self, hear: impl FnMut(Event)) {
        tokio::join!(self.hear_all(hear), self.say_unsaid());
    }

    /// Never ends. Said twice, when only the answer was lost, is as good as once.
    async fn say_unsaid(&self) {
        loop {
            self.kept.notified().await;
            loop {
                let first = self.unsaid.borrow().first();
                let Some(news) = first else { break };
                self.client.connected().await;
                match self.say(&news).await {
                    Ok(_) => self.unsaid.borrow_mut().said(&news),
                    Err(_) => sleep(UNSAID_PAUSE).await,
                }
            }
        }
    }

    async fn hear_all(&self, mut hear: impl FnMut(Event)) {
        let mut links = self.client.links();
        loop {
            let link = match links.wait_for(Option::is_some).await {
                Ok(link) => link.clone(),
                // The client is gone; it is in here.
                Err(_) => return,
            };
            let Some(link) = link else { continue };
            if let Err(error) = self.subscribed(&link, &mut hear).await {
                tracing::warn!(%error, "no subscription to Redis");
            }
            sleep(SUBSCRIBE_PAUSE).await;
        }
    }

    /// Subscribes and hands on messages until the subscription or the client's connection ends.
    async fn subscribed(
        &self,
        link: &Link,
        hear: &mut impl FnMut(Event),
    ) -> redis::RedisResult<()> {
        let config = self.client.config();
        let listener = link::listen(&config.address, &link.node, config.connect_timeout).await?;
        let (mut sink, mut messages) = listener.split();
        link::within(config.connect_timeout, sink.subscribe(CHANNEL)).await?;
        self.client.probe().subscribed.add(1);
        hear(Event::Reconnected);
        let mut links = self.client.links();
        let newer = links.wait_for(|now| now.as_ref().is_none_or(|now| now.number != link.number));
        let mut newer = std::pin::pin!(newer);
        let mut silent = std::pin::pin!(self.until_silent(&mut sink));
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.heard(message.get_payload_bytes(), hear),
                    None => return Ok(()),
                },
                _ = &mut newer => return Ok(()),
                () = &mut silent => return Ok(()),
            }
        }
    }

    /// Returns when the subscription's connection does not answer any more.
    async fn until_silent(&self, sink: &mut PubSubSink) {
        let config = self.client.config();
        loop {
            sleep(config.heartbeat).await;
            match timeout(config.command_timeout, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }

    fn heard(&self, payload: &[u8], hear: &mut impl FnMut(Event)) {
        let probe = self.client.probe();
        let Ok(message) = serde_json::from_slice::<Message>(payload) else {
            probe.garbled.add(1);
            return;
        };
        if *message.source_instance_id == *self.instance_id {
            probe.own.add(1);
            return;
        }
        probe.received.add(1);
        let (cache, born_us) = (message.cache_name, message.born_us);
        hear(match (message.r#type, message.key) {
            (Kind::Evict, Some(key)) => Event::Evict { cache, key, born_us },
            // Without a key there is no telling which: rather all.
            (Kind::Evict, None) | (Kind::ClearAll, _) => Event::Clear { cache },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_the_specification() {
        let message = Message {
            cache_name: "expectationV4".to_owned(),
            key: None,
            source_instance_id: "a".to_owned(),
            r#type: Kind::ClearAll,
            timestamp: 7,
            born_us: None,
        };
        let text = concat!(
            r#"{"cacheName":"expectationV4","key":null,"sourceInstanceId":"a","#,
            r#""type":"CLEAR_ALL","timestamp":7}"#
        );
        assert_eq!(serde_json::to_string(&message).unwrap(), text);
        assert_eq!(serde_json::from_str::<Message>(text).unwrap(), message);
    }
}
