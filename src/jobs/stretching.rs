//! While the store is away, what processes share is kept longer, and ends in its time again once the store is back. Each
//! process does it for all, without a lock: with the store away there may be none, and done twice is as done once.

use std::time::Duration;

use tokio::time::sleep;

use crate::resilience::health::State;
use crate::stores::redis::client::Client;
use crate::stores::redis::stretch::Towards;
use crate::stores::redis::stretch::stretch;

/// Between two looks at the store, and before a failed try is repeated. The store's state is debounced already.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// While the store is away values are put that have the usual time to live: they are found by the next round.
const ROUNDS_OF: u32 = 10;

/// Never ends. `state` tells where the store stands.
pub async fn run(client: Client, state: impl Fn() -> State) {
    let (mut done, mut looks) = (Towards::AsUsual, 0);
    loop {
        sleep(LOOK_PAUSE).await;
        looks += 1;
        let wanted = match state() {
            State::Degraded => Towards::Longer,
            State::Healthy => Towards::AsUsual,
            // What waited is not all there yet.
            State::Recovering => done,
        };
        let again = wanted == Towards::Longer && looks >= ROUNDS_OF;
        if wanted == done && !again {
            continue;
        }
        // In vain when Redis is away, too: tried again.
        if let Ok(values) = stretch(&client, wanted).await {
            if wanted != done {
                tracing::info!(values, ?wanted, "times to live of shared values");
            }
            (done, looks) = (wanted, 0);
        }
    }
}
