//! The read side: what is kept is shown, what is not is queued, and the queue's jobs are done. Showing never asks the
//! game. While a recalculation is on its way nothing is shown, on no process.

use std::time::Duration;

use super::Located;
use super::Owner;
use super::Question;
use super::Wanted;
use super::finding;
use super::located;
use super::texts;
use crate::error::Fault;
use crate::expectation::character::Character;
use crate::expectation::directory::Finding;
use crate::expectation::flow::Answer;
use crate::expectation::flow::Ask;
use crate::expectation::flow::Effort;
use crate::expectation::flow::Source;
use crate::expectation::jobs::Offered;
use crate::expectation::jobs::Wish;
use crate::expectation::name::CharacterName;
use crate::expectation::ports::GameApi;
use crate::expectation::ports::Workshop;
use crate::expectation::view::View;
use crate::routes::near::Finished;

/// What a reader gets.
#[derive(Debug)]
pub enum Viewed {
    /// What is kept.
    Ready(Finished, Source),
    /// Nothing yet: it is queued.
    Pending,
}

impl<G: GameApi + 'static, W: Workshop + 'static> Owner<G, W> {
    /// A document from what is kept, kept near when it is fresh; what is missing or old is queued.
    ///
    /// # Errors
    /// `NoSuchCharacter` when the game lately said so; `Overloaded` when the queue or a mailbox is full.
    pub async fn view(
        &self,
        name: CharacterName,
        wanted: Wanted<'_>,
        now: Duration,
    ) -> Result<Viewed, Fault> {
        let found = self.recall(&name).await?;
        let known = found.as_ref().and_then(|found| found.ocid.clone());
        // From before the queue is asked: a recalculation that comes in between wins.
        let valid = known.as_ref().map(|ocid| self.near.flag(ocid));
        if self.jobs.recalculating(name.as_str()).await {
            return Ok(Viewed::Pending);
        }
        if let (Some(ocid), Some(valid)) = (known, valid) {
            let character = Character { name: name.clone(), ocid };
            if let Some(answer) = self.kept(&character, wanted.view).await? {
                if answer.fresh_for.is_zero() {
                    // It may stay old for want of room.
                    self.jobs.offer(name.as_str(), Wish::Old).await;
                }
                let finished = self.finish(&character, wanted, &answer, (valid, now))?;
                return Ok(Viewed::Ready(finished, answer.source));
            }
        } else if found.is_some() {
            return Err(Fault::no_such_character(name.as_str()));
        }
        self.queue(&name, Wish::Missing).await?;
        Ok(Viewed::Pending)
    }

    /// Queues that a character is fetched and valued again. Of a name that nothing is known of there is no cool-down to
    /// claim; the job begins it.
    ///
    /// # Errors
    /// `CoolDown`; `Overloaded` when the queue or a mailbox is full.
    pub async fn recalculate(&self, name: CharacterName) -> Result<(), Fault> {
        let Some(Finding { ocid: Some(ocid), .. }) = self.recall(&name).await? else {
            return self.queue(&name, Wish::Forced).await;
        };
        let character = Character { name, ocid };
        let Some(owner) = self.elsewhere(character.ocid.as_str().as_bytes()) else {
            return self.own_recalculate(&character).await;
        };
        let (name, ocid) = texts(&character);
        self.hop(owner, |reply| Question::Recalculate { name, ocid, reply }).await
    }

    /// Queues the recalculation of a character that this shard owns; every near cache forgets it.
    pub(super) async fn own_recalculate(&self, character: &Character) -> Result<(), Fault> {
        let Character { name, ocid } = character;
        self.flow.claim_force(ocid).await?;
        if let Err(full) = self.queue(name, Wish::Forced).await {
            self.flow.give_back_force(ocid).await;
            return Err(full);
        }
        self.invalidate_everywhere(ocid).await;
        self.flow.announce(ocid).await;
        Ok(())
    }

    /// Does a job of the queue: makes a fresh valuation, which is kept for whoever asks next.
    pub(super) async fn value(&self, name: &str, force: bool) -> Result<(), Fault> {
        let name = CharacterName::parse(name)?;
        let effort = if force { Effort::Forced { claimed: true } } else { Effort::Fresh };
        let work = async |character: &Character| {
            let (character, view) = (character.clone(), View::Valuation);
            self.answer(Ask { character, view, effort }).await
        };
        match self.of_character(name, force, work).await? {
            (_, Answer { source: Source::Stale, .. }) => {
                Err(Fault::upstream_failed("there is only old gear"))
            }
            _ => Ok(()),
        }
    }

    /// What is kept of a name that this shard is the home of.
    pub(super) async fn home_recall(&self, name: &str) -> Result<Option<Located>, Fault> {
        let name = CharacterName::parse(name)?;
        Ok(self.directory.kept(&name).await.map(located))
    }

    async fn recall(&self, name: &CharacterName) -> Result<Option<Finding>, Fault> {
        // That nobody has the name its home may know better by now.
        if let Some(found) = self.directory.known(name).filter(|found| found.ocid.is_some()) {
            return Ok(Some(found));
        }
        let text = name.as_str().to_owned();
        let Some(home) = self.elsewhere(text.as_bytes()) else {
            return Ok(self.directory.kept(name).await);
        };
        let found = self.hop(home, |reply| Question::Recall { name: text, reply }).await?;
        found.map(|found| self.directory.learn(name, Ok(finding(found)))).transpose()
    }

    async fn kept(&self, character: &Character, view: View) -> Result<Option<Answer>, Fault> {
        let Some(owner) = self.elsewhere(character.ocid.as_str().as_bytes()) else {
            return self.flow.kept(character.clone(), view).await;
        };
        let (name, ocid) = texts(character);
        self.hop(owner, |reply| Question::Kept { name, ocid, view, reply }).await
    }

    async fn queue(&self, name: &CharacterName, wish: Wish) -> Result<(), Fault> {
        match self.jobs.offer(name.as_str(), wish).await {
            Offered::Accepted | Offered::Known => Ok(()),
            Offered::Full => Err(Fault::overloaded("valuations")),
        }
    }
}
