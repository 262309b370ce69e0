//! Dials the connections that shards talk over themselves (`direct`), on the backplane: to the server that its own
//! connection leads to, for as long as that one lasts. So whatever is known there of masters and outages holds for them.

use std::net::TcpStream;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::stores::redis::client::Client;
use crate::stores::redis::link;

/// Connections, or that there is none now, that wait for the shard; it takes them at once.
const HANDED_MAX: usize = 4;
/// Before a connection that the shard has lost, or that could not be made, is dialled again.
const DIAL_PAUSE: Duration = Duration::from_millis(100);

/// A connection and its number, or none.
pub type Handed = Option<(TcpStream, u64)>;

/// The shard's end: takes connections, says which one it has lost.
pub struct Lines {
    handed: mpsc::Receiver<Handed>,
    lost: mpsc::Sender<u64>,
}

/// Says that a connection is lost.
pub(super) struct Lost(mpsc::Sender<u64>);

/// The backplane's end.
pub struct Dialler {
    handed: mpsc::Sender<Handed>,
    lost: mpsc::Receiver<u64>,
}

/// The two ends for one shard.
#[must_use]
pub fn pair() -> (Lines, Dialler) {
    let (handed, taken) = mpsc::channel(HANDED_MAX);
    let (lost, told) = mpsc::channel(HANDED_MAX);
    (Lines { handed: taken, lost }, Dialler { handed, lost: told })
}

impl Lines {
    /// What to talk over from now on; None when nothing will come any more.
    pub async fn next(&mut self) -> Option<Handed> {
        self.handed.recv().await
    }

    pub(super) fn lost(&self) -> Lost {
        Lost(self.lost.clone())
    }
}

impl Lost {
    pub(super) fn tell(&self, number: u64) {
        // Full of older ones or nobody there: one is enough to be dialled again, and without anybody nothing is.
        let _ = self.0.try_send(number);
    }
}

impl Dialler {
    /// Keeps the shard connected while `client` is. Ends with the shard.
    pub async fn run(mut self, client: Client) {
        let (mut links, config) = (client.links(), client.config());
        let mut number = 0;
        loop {
            let Ok(link) = links.wait_for(Option::is_some).await.map(|link| link.clone()) else {
                return;
            };
            let Some(link) = link else { continue };
            let limit = config.connect_timeout;
            let dialled = match link::dial_bare(&config.address, &link.node, limit).await {
                Ok(dialled) => dialled,
                Err(error) => {
                    tracing::debug!(%error, node = %link.node, "no connection to Redis for a shard");
                    sleep(DIAL_PAUSE).await;
                    continue;
                }
            };
            number += 1;
            if self.handed.send(Some((dialled, number))).await.is_err() {
                return;
            }
            tokio::select! {
                // Fails when the client has gone, as above.
                _ = links.wait_for(|now| now.as_ref().is_none_or(|now| now.number != link.number)) => {}
                () = lost(&mut self.lost, number) => sleep(DIAL_PAUSE).await,
            }
            if self.handed.send(None).await.is_err() {
                return;
            }
        }
    }
}

/// Waits until the shard has lost the connection of this number; for ever when there is no shard.
async fn lost(told: &mut mpsc::Receiver<u64>, number: u64) {
    loop {
        match told.recv().await {
            Some(lost) if lost == number => return,
            Some(_older) => {}
            None => std::future::pending().await,
        }
    }
}
