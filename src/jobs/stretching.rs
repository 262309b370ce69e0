//! While the store is away, what processes share is kept longer, and ends in its time again once the store is back. No
//! lock: with the store away there may be none, and done twice is as done once. That one process does it at a time only
//! spares Redis the work.

use std::time::Duration;

use tokio::time::sleep;

use crate::resilience::health::State;
use crate::stores::redis::client::Client;
use crate::stores::redis::stretch::Towards;
use crate::stores::redis::stretch::Walk;

/// Between two looks at the store, and before a failed try is repeated. The store's state is debounced already.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Between two pages of a walk, for those who wait for Redis: a million keys take half a minute.
const PAGE_PAUSE: Duration = Duration::from_millis(25);

/// Never ends. `state` tells where the store stands.
pub async fn run(client: Client, state: impl Fn() -> State) {
    // What was decided last, and whether times to live may be longer than usual.
    let (mut towards, mut longer) = (Towards::AsUsual, false);
    let mut walk: Option<Walk> = None;
    let mut pause = LOOK_PAUSE;
    loop {
        sleep(pause).await;
        pause = LOOK_PAUSE;
        let before = towards;
        towards = match state() {
            State::Degraded => Towards::Longer,
            State::Healthy => Towards::AsUsual,
            // What waited is not all there yet.
            State::Recovering => towards,
        };
        if towards != before {
            tracing::info!(?towards, "times to live of shared values");
        }
        longer |= towards == Towards::Longer;
        if walk.as_ref().is_none_or(|walk| walk.towards() != towards) {
            // In vain when Redis is away, too: tried again, as is what fails on the way.
            walk = match longer {
                true => Walk::begin(&client, towards).await.unwrap_or(None),
                false => None,
            };
        }
        let Some(walking) = &mut walk else { continue };
        match walking.page().await {
            Ok(true) => pause = PAGE_PAUSE,
            Ok(false) => {
                tracing::debug!(values = walking.changed(), ?towards, "went through all keys");
                longer = towards == Towards::Longer;
                walk = None;
            }
            Err(_) => {}
        }
    }
}
