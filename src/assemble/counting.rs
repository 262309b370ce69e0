//! What the metrics are made from: each shard's counters, taken there, and those of the threads they share, put together
//! on the backplane.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use shards::mailbox::Reason;
use shards::runtime::Shard;

use super::backing::Kept;
use super::jobs::Counted;
use crate::backplane::Backplane;
use crate::compute::Compute;
use crate::error::Fault;
use crate::http::probe::EdgeProbe;
use crate::metrics::names;
use crate::metrics::scrape::ComputeScrape;
use crate::metrics::scrape::ProcessScrape;
use crate::metrics::scrape::Scrape;
use crate::metrics::scrape::ShardScrape;
use crate::routes::owner::Owner;
use crate::stores::queue::orders::QueuedJobs;
use crate::stores::redis::direct::Direct;
use crate::stores::redis::shared::SharedRedis;
use crate::upstream::probe::UpstreamSnapshot;

/// Everything that counts beside the shards.
pub(super) struct Counting {
    pub(super) backplane: Backplane,
    pub(super) compute: Compute,
    pub(super) kept: Kept,
    pub(super) shared: Option<SharedRedis>,
    pub(super) jobs: Counted,
    pub(super) valuations: QueuedJobs,
}

/// How a shard takes its own counters.
pub(super) fn report(
    shard: &Shard,
    edge: &Rc<EdgeProbe>,
    owner: &Rc<Owner<Backplane, Compute>>,
    direct: Option<Rc<Direct>>,
) -> Box<dyn Fn() -> ShardScrape> {
    let (shard, edge, owner) = (shard.clone(), Rc::clone(edge), Rc::clone(owner));
    Box::new(move || ShardScrape {
        shard: shard.id.index(),
        driver: shard.driver.to_string(),
        runtime: shard.probe.snapshot(),
        edge: edge.snapshot(),
        flow: owner.flow().probe().snapshot(),
        held: owner.flow().sizes(),
        near: owner.near_sizes(),
        direct: direct.as_ref().map(|direct| direct.probe().snapshot()).unwrap_or_default(),
        resolving: owner.directory().in_flight() as u64,
        mailbox_full: owner.mailboxes().refused(Reason::Full),
        mailbox_closed: owner.mailboxes().refused(Reason::Closed),
        ..ShardScrape::default()
    })
}

type Rendered = Pin<Box<dyn Future<Output = Result<String, Fault>>>>;

/// How the metrics of the process are made from the shards' reports: on the backplane.
pub(super) fn renderer(counting: Counting) -> impl Fn(Vec<Option<ShardScrape>>) -> Rendered {
    let counting = Rc::new(counting);
    move |reports| {
        let counting = Rc::clone(&counting);
        Box::pin(async move {
            let shared = match &counting.shared {
                Some(shared) => shared.snapshot().await,
                None => None,
            };
            let jobs = counting.jobs.snapshot().await;
            let valuations = counting.valuations.snapshot().await.unwrap_or_default();
            let store = counting.kept.snapshot();
            let (pending, done, busy_us) = counting.compute.load();
            let render = move |upstream: &UpstreamSnapshot| {
                let silent = reports.iter().filter(|report| report.is_none()).count();
                names::render(&Scrape {
                    shards: reports.into_iter().flatten().collect(),
                    silent,
                    upstream: *upstream,
                    compute: ComputeScrape { pending, done, busy_us },
                    store,
                    shared,
                    jobs,
                    valuations,
                    process: ProcessScrape::read(),
                })
            };
            counting.backplane.render(render).await
        })
    }
}
