//! An answer from what is kept: a body, or one made from gear. The game is never asked.

use std::rc::Rc;
use std::time::Duration;

use super::Answer;
use super::Flow;
use super::Source;
use super::caches::BodyKey;
use super::caches::Fetched;
use super::caches::Found;
use crate::error::Fault;
use crate::expectation::character::Character;
use crate::expectation::character::Ocid;
use crate::expectation::ports::Body;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Workshop;
use crate::expectation::view::View;
use crate::limits::VIEW_AGE_MAX;

impl<G: GameApi + 'static, W: Workshop + 'static> Flow<G, W> {
    /// What is kept of a view, if that is younger than [`VIEW_AGE_MAX`].
    ///
    /// # Errors
    /// The workshop's.
    pub async fn kept(
        self: &Rc<Self>,
        character: Character,
        view: View,
    ) -> Result<Option<Answer>, Fault> {
        let key = BodyKey { character, view, stale: false };
        let now = self.clock.monotonic();
        let young = |found: &Found| found.age < VIEW_AGE_MAX;
        if let Some(Found { body, born, age }) = self.caches.body(&key, now).filter(young) {
            return self.kept_answer(key, body, (born, age), Source::HitL1).await.map(Some);
        }
        if let Some(Found { body, born, age }) = self.look_up(&key, now).await.filter(young) {
            return self.kept_answer(key, body, (born, age), Source::HitL2).await.map(Some);
        }
        let (flow, of) = (Rc::clone(self), key.clone());
        let work = async move {
            let Some(fetched) = flow.fetched(&of.character.ocid, now).await else {
                return Ok(None);
            };
            Ok(Some((flow.body(of, &fetched).await?, fetched)))
        };
        let Some((body, Fetched { born, source, .. })) =
            self.tower.once(&self.kept, key.clone(), work).await?
        else {
            return Ok(None);
        };
        let age = now.saturating_sub(born);
        self.kept_answer(key, body, (born, age), source).await.map(Some)
    }

    async fn kept_answer(
        self: &Rc<Self>,
        key: BodyKey,
        body: Body,
        (born, age): (Duration, Duration),
        source: Source,
    ) -> Result<Answer, Fault> {
        if age < self.fresh_limit(&body) {
            return Ok(self.fresh(body, source, age));
        }
        self.stale(key, body, born).await
    }

    /// Gear of whatever age up to the view's.
    async fn fetched(&self, ocid: &Ocid, now: Duration) -> Option<Fetched> {
        let young = |fetched: &Fetched| now.saturating_sub(fetched.born) < VIEW_AGE_MAX;
        if let Some(fetched) = self.caches.payload(ocid).filter(young) {
            return Some(fetched);
        }
        match self.shared_gear(ocid).await.filter(young) {
            Some(fetched) => Some(fetched),
            None => self.kept_gear(ocid, now).await.filter(young),
        }
    }
}
