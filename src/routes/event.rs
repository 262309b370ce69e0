//! What shards send each other, and what a shard does with it.

use std::rc::Rc;

use futures_channel::oneshot;

use crate::expectation::ports::GameApi;
use crate::expectation::ports::Workshop;
use crate::metrics::scrape::ShardScrape;
use crate::routes::owner::Owner;
use crate::routes::owner::Question;
use crate::routes::reports::Counters;

/// A message to a shard. Owned and `Send`.
pub enum Event {
    /// For the shard as an owner of characters.
    Question(Question),
    /// What the receiver has counted.
    Report {
        /// Where it goes.
        reply: oneshot::Sender<ShardScrape>,
    },
}

/// Does what another shard asks.
pub async fn work<G, W>(event: Event, owner: Rc<Owner<G, W>>, counters: Rc<Counters>)
where
    G: GameApi + 'static,
    W: Workshop + 'static,
{
    match event {
        Event::Question(question) => owner.work(question).await,
        Event::Report { reply } => {
            // Whoever asked may have given up waiting.
            let _ = reply.send(counters.report());
        }
    }
}
