//! What the process says about itself over HTTP. Answered by the shard that was asked, without touching the flow.

use serde_json::Value;
use serde_json::json;

use crate::build;
use crate::http::Response;
use crate::metrics::scrape::ShardScrape;
use crate::routes::api::About;
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
pub(super) fn info(about: &About, shards: &[Option<ShardScrape>]) -> Response {
    let shard = |(id, seen): (usize, &Option<ShardScrape>)| -> Value {
        // A shard that did not answer in time is said to be silent, not to have counted nothing.
        seen.as_ref().map_or_else(
            || json!({ "shard": id, "silent": true }),
            |seen| {
                json!({
                    "shard": id,
                    "driver": seen.driver,
                    "connectionsAccepted": seen.runtime.accepted,
                    "connectionsOpen": seen.runtime.open,
                    "panics": seen.runtime.panics,
                })
            },
        )
    };
    let driver = shards.iter().flatten().map(|seen| seen.driver.as_str()).next();
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
        "shards": shards.iter().enumerate().map(shard).collect::<Vec<_>>(),
    });
    respond::json(document.to_string())
}
