//! Who a character is: job, level, how far it got. Everything follows from its OCID.
//! `item` and `document` turn this into gear.

use super::dice::Dice;
use super::identity::Ocid;
use super::jobs::JOBS;
use super::jobs::Job;

/// How far a character got; decides grades, stars and sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Novice,
    Casual,
    Geared,
    Endgame,
}

/// What the choice of items depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wearer {
    pub(super) job: &'static Job,
    pub(super) rank: Rank,
    /// One garment instead of top and bottom.
    pub(super) overall: bool,
    /// Where the choice of rings and pendants begins: an item cannot be worn twice.
    pub(super) turn: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Character {
    pub(super) name: String,
    pub(super) world: &'static str,
    pub(super) gender: &'static str,
    pub(super) level: i32,
    pub(super) guild: Option<&'static str>,
    pub(super) wearer: Wearer,
    /// The preset worn now, 1..=3.
    pub(super) preset: usize,
    /// Seed of the items.
    pub(super) seed: u64,
}

/// The one to show: best gear, 22 stars and the grades to match.
pub(super) const SHOWCASE: &str = "강은호";

const WORLDS: [&str; 8] =
    ["스카니아", "베라", "루나", "크로아", "엘리시움", "이노시스", "오로라", "챌린저스"];
const GUILDS: [&str; 5] = ["새벽", "모래시계", "리프", "은하수", "단풍나무"];
/// Share of each rank among all characters, in percent.
const RANKS: [(Rank, usize); 4] =
    [(Rank::Novice, 8), (Rank::Casual, 30), (Rank::Geared, 40), (Rank::Endgame, 22)];

impl Character {
    pub(super) fn of(ocid: Ocid) -> Self {
        let name = ocid.name().unwrap_or_default();
        let seed = ocid.seed();
        let mut dice = Dice::of_part(seed, "character", 0);
        let job = &JOBS[dice.below(JOBS.len())];
        let rank = RANKS[dice.weighted(&RANKS.map(|(_, share)| share))].0;
        let (rank, job) = match Job::named("비숍") {
            Some(bishop) if name == SHOWCASE => (Rank::Endgame, bishop),
            _ => (rank, job),
        };
        let level = match rank {
            Rank::Novice => dice.between(150, 199),
            Rank::Casual => dice.between(200, 259),
            Rank::Geared => dice.between(240, 284),
            Rank::Endgame => dice.between(270, 295),
        };
        let overall = matches!(rank, Rank::Casual | Rank::Geared) && dice.percent(25);
        Self {
            name,
            world: dice.pick(&WORLDS),
            gender: dice.pick(&["남", "여"]),
            level,
            guild: dice.percent(80).then(|| dice.pick(&GUILDS)),
            wearer: Wearer { job, rank, overall, turn: dice.below(64) },
            preset: dice.between(1, 3) as usize,
            seed,
        }
    }

    pub(super) fn is_showcase(&self) -> bool {
        self.name == SHOWCASE
    }

    /// Which make of the item in a slot a preset holds: 0 is the main one. One slot in six of the
    /// other presets differs, as when a player keeps a second set for hunting.
    pub(super) fn variant(&self, slot: &str, preset: usize) -> u64 {
        let mut dice = Dice::of_part(self.seed, slot, 100 + preset as u64);
        if preset != self.preset && dice.percent(100 / 6) { preset as u64 } else { 0 }
    }
}
