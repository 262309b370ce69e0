//! What the process says about itself over HTTP. Answered by the shard that was asked, without touching the flow.

use serde_json::Value;
use serde_json::json;

use crate::build;
use crate::http::Response;
use crate::routes::api::About;
use crate::routes::owner::Counters;
use crate::routes::respond;

/// `/actuator/health`: an answer at all means the shard serves.
pub(super) fn health(about: &About) -> Response {
    let document = json!({
        "status": "UP",
        "components": {
            "ping": { "status": "UP" },
            "shards": { "status": "UP", "details": { "count": about.shards } },
        },
    });
    respond::json(document.to_string())
}

/// `/actuator/info`.
pub(super) fn info(about: &About, driver: &str, counters: &[Option<Counters>]) -> Response {
    let shard = |(id, counters): (usize, &Option<Counters>)| -> Value {
        // A shard that did not answer in time is said to be silent, not to have counted nothing.
        counters.as_ref().map_or_else(
            || json!({ "shard": id, "silent": true }),
            |counters| {
                json!({
                    "shard": id,
                    "connectionsAccepted": counters.accepted,
                    "connectionsOpen": counters.open,
                    "panics": counters.panics,
                })
            },
        )
    };
    let document = json!({
        "app": {
            "name": "maple-expectation",
            "version": build::VERSION,
            "commit": build::COMMIT,
            "profile": build::PROFILE,
            "targetFeatures": build::TARGET_FEATURES,
            "fastBuild": build::is_fast(),
        },
        "runtime": { "driver": driver, "shards": about.shards },
        "ruleset": about.ruleset,
        "upstream": { "kind": about.upstream_kind, "url": about.upstream_url },
        "shards": counters.iter().enumerate().map(shard).collect::<Vec<_>>(),
    });
    respond::json(document.to_string())
}
