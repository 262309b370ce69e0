//! Dials the connections that shards talk over themselves (`direct`), on the backplane: to the server that its own
//! connection leads to, for as long as that one lasts. So whatever is known there of masters and outages holds for them,
//! and what they find out about silence is known there.

use std::net::TcpStream;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::stores::redis::client::Client;
use crate::stores::redis::link;

/// What waits for the shard, which takes it at once.
const HANDED_MAX: usize = 4;
/// Before a connection that has ended is dialled again; doubles while it cannot be made, up to [`DIAL_PAUSE_MAX`].
const DIAL_PAUSE: Duration = Duration::from_millis(100);
/// Longest such pause.
const DIAL_PAUSE_MAX: Duration = Duration::from_secs(2);

/// What a shard is told.
#[derive(Debug)]
pub enum Handed {
    /// To talk over this from now on; its number grows from one to the next.
    Line(TcpStream, u64),
    /// That what it talks over does not count any more.
    Gone,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It broke, or what came over it could not be understood.
    Broken,
    /// Nothing came over it for too long.
    Silent,
}

/// The shard's end: takes connections, says which one has ended.
pub struct Lines {
    handed: mpsc::Receiver<Handed>,
    ended: watch::Sender<(u64, End)>,
}

/// The backplane's end.
pub struct Dialler {
    handed: mpsc::Sender<Handed>,
    ended: watch::Receiver<(u64, End)>,
}

/// The two ends for one shard.
#[must_use]
pub fn pair() -> (Lines, Dialler) {
    let (handed, taken) = mpsc::channel(HANDED_MAX);
    let (ended, told) = watch::channel((0, End::Broken));
    (Lines { handed: taken, ended }, Dialler { handed, ended: told })
}

impl Lines {
    /// What to talk over from now on; None when nothing will come any more.
    pub async fn next(&mut self) -> Option<Handed> {
        self.handed.recv().await
    }

    /// Says how connections end.
    pub(super) fn ended(&self) -> watch::Sender<(u64, End)> {
        self.ended.clone()
    }
}

impl Dialler {
    /// Keeps the shard connected while `client` is. Never ends while there is a shard.
    pub async fn run(mut self, client: Client) {
        let mut links = client.links();
        let (mut number, mut pause) = (0, DIAL_PAUSE);
        loop {
            // Never fails: the client, which sends, is held here.
            let present = links.wait_for(Option::is_some).await;
            let Ok(Some((node, link))) =
                present.map(|link| link.as_ref().map(|link| (link.node.clone(), link.number)))
            else {
                return;
            };
            let dialled = match client.breaker() {
                "closed" => {
                    let config = client.config();
                    // No longer than a command may take: who is as slow as that is of no use here.
                    link::dial_bare(&config.address, &node, config.command_timeout).await
                }
                _ => Err(link::left_alone()),
            };
            let dialled = match dialled {
                Ok(dialled) => dialled,
                Err(error) => {
                    // Once per outage, then only when somebody looks closer.
                    match pause {
                        DIAL_PAUSE => {
                            tracing::warn!(%error, %node, "a shard has no connection to Redis")
                        }
                        _ => tracing::debug!(%error, %node, "a shard has no connection to Redis"),
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(DIAL_PAUSE_MAX);
                    continue;
                }
            };
            pause = DIAL_PAUSE;
            number += 1;
            if self.handed.send(Handed::Line(dialled, number)).await.is_err() {
                return;
            }
            tokio::select! {
                _ = links.wait_for(|now| now.as_ref().is_none_or(|now| now.number != link)) => {}
                how = ended(&mut self.ended, number) => {
                    if how == End::Silent {
                        client.suspect(link);
                    }
                    sleep(DIAL_PAUSE).await;
                }
            }
            if self.handed.send(Handed::Gone).await.is_err() {
                return;
            }
        }
    }
}

/// Waits until the connection of this number has ended; for ever when there is no shard.
async fn ended(told: &mut watch::Receiver<(u64, End)>, number: u64) -> End {
    match told.wait_for(|(ended, _)| *ended >= number).await.map(|told| told.1) {
        Ok(how) => how,
        Err(_) => std::future::pending().await,
    }
}
