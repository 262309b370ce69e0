//! The numbers of starforce, as a ruleset writes them.

use serde::Deserialize;

use crate::rules::Problem;

/// Section `[starforce]`. Lists are by star, from star 0.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StarforceRules {
    /// Chance that an attempt gains a star, before star catch.
    pub success: Vec<f64>,
    /// Chance that it destroys the item, before star catch.
    pub destroy: Vec<f64>,
    /// Where a destroyed item goes on, with a spare.
    pub restart_star: u8,
    /// How a chain with restarts is solved.
    pub solution: Solution,
    /// Most stars by item level: the last entry not above the level counts.
    pub caps: Vec<Cap>,
    /// The meso fee of an attempt.
    pub fee: Fee,
    /// The minigame that raises the chance of success.
    pub star_catch: StarCatch,
    /// Protection against destruction, for a surcharge.
    pub safeguard: Safeguard,
    /// The shining event.
    pub event: Event,
    /// Discounts for customers.
    pub discounts: Discounts,
    /// Restoration of a destroyed item, where the game offers it.
    pub restore: Option<Restore>,
    /// Items whose stars are not bought.
    pub comes_with_stars: ComesWithStars,
    /// Names of superior items start with one of these.
    pub superior: Vec<String>,
}

/// How E(restart) is found from E(restart) = a E(restart) + b.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Solution {
    /// b / k, where k = 1 - a is carried as a product: no cancellation.
    Product,
    /// b / (1 - a): loses digits where a is near 1. The published numbers of the older world were computed so.
    Difference,
}

/// One step of the star caps.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// From this item level on.
    pub level_from: u32,
    /// Most stars.
    pub stars: u8,
}

/// The fee before discounts: `constant + L^3 (s + 1) / low_divisor` below `low_stars`, else
/// `constant + L^3 (s + 1)^exponent / divisors[s - low_stars]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fee {
    /// Mesos added to every attempt.
    pub constant: f64,
    /// Stars with the linear fee.
    pub low_stars: u8,
    /// Its divisor.
    pub low_divisor: f64,
    /// Exponent of the fee above.
    pub exponent: f64,
    /// Its divisors, from star `low_stars` on.
    pub divisors: Vec<f64>,
    /// L is the item level rounded down to a multiple of this.
    pub level_step: u32,
    /// Rounded half up to a multiple of this.
    pub round_to: f64,
    /// What is rounded.
    pub rounded: Rounded,
}

/// Which amount the game rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rounded {
    /// The fee before discounts and surcharge.
    Base,
    /// What one attempt costs in the end.
    Attempt,
}

/// Star catch: the chance of success times `factor`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StarCatch {
    /// At least 1.
    pub factor: f64,
    /// Always on (since 2026-03-19), whatever the options say.
    pub always: bool,
}

/// Safeguard: no destruction at some stars.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Safeguard {
    /// Stars at which it is offered.
    pub stars: Vec<u8>,
    /// Surcharge, in base fees.
    pub surcharge: f64,
    /// Whether discounts apply to the surcharge too.
    pub discounted: bool,
}

/// The shining event.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Factor on the chance of destruction.
    pub destroy_factor: f64,
    /// First star at which it holds.
    pub destroy_from: u8,
    /// Last star at which it holds.
    pub destroy_to: u8,
    /// Factor on the fee.
    pub fee_factor: f64,
    /// Factor on the mesos of a restoration, when both halves are on.
    pub restore_factor: f64,
}

/// Customer discounts; they add up.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discounts {
    /// They hold below this star only.
    pub below_star: u8,
    /// Parts of the fee.
    pub mvp_silver: f64,
    /// See `mvp_silver`.
    pub mvp_gold: f64,
    /// See `mvp_silver`.
    pub mvp_diamond: f64,
    /// See `mvp_silver`.
    pub pc_room: f64,
}

/// Restoration to the star at which the item broke.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// First star at which it is offered; the lists below start there.
    pub star_from: u8,
    /// Spare items each takes.
    pub spares: Vec<u8>,
    /// Mesos by item level, rounded down like the fee's.
    pub levels: Vec<RestoreLevel>,
}

/// Restoration at one item level.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreLevel {
    /// Item level, a multiple of the fee's `level_step`.
    pub level: u32,
    /// Mesos, by star from `star_from`.
    pub mesos: Vec<f64>,
}

/// Items whose stars come with them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComesWithStars {
    /// Equipment slot.
    pub slot: String,
    /// Their names start with one of these.
    pub names: Vec<String>,
}

/// No table of the game has more stars; keeps a wrong file from becoming a long computation.
const STARS_MAX: usize = 50;

impl StarforceRules {
    /// Most stars of an item of this level.
    #[must_use]
    pub fn cap(&self, level: u32) -> u8 {
        self.caps.iter().take_while(|cap| cap.level_from <= level).last().map_or(0, |cap| cap.stars)
    }

    /// Refuses values that no game has.
    ///
    /// # Errors
    /// The first problem, with its key.
    pub fn check(&self) -> Result<(), Problem> {
        self.check_chances()?;
        self.check_caps()?;
        self.check_fee()?;
        self.check_options()?;
        self.restore
            .as_ref()
            .map_or(Ok(()), |restore| restore.check(self.success.len(), self.fee.level_step))
    }

    fn check_chances(&self) -> Result<(), Problem> {
        if self.success.is_empty() || self.success.len() > STARS_MAX {
            return Err(Problem::new("success", format!("1 to {STARS_MAX} stars")));
        }
        if self.destroy.len() != self.success.len() {
            let wanted = self.success.len();
            return Err(Problem::new("destroy", format!("as many values as success: {wanted}")));
        }
        for (star, (success, destroy)) in self.success.iter().zip(&self.destroy).enumerate() {
            if !(*success > 0.0 && *success <= 1.0) {
                return Err(Problem::new(format!("success[{star}]"), "above 0, at most 1"));
            }
            if !(*destroy >= 0.0 && success + destroy <= 1.0) {
                let message = "from 0, with success at most 1 together";
                return Err(Problem::new(format!("destroy[{star}]"), message));
            }
        }
        if usize::from(self.restart_star) >= self.success.len() {
            return Err(Problem::new("restart_star", "a star of the table"));
        }
        // A destruction must never gain stars: the chain and its quantiles rely on it.
        let below = &self.destroy[..usize::from(self.restart_star)];
        match below.iter().position(|destroy| *destroy > 0.0) {
            Some(star) => Err(Problem::new(format!("destroy[{star}]"), "0 below restart_star")),
            None => Ok(()),
        }
    }

    fn check_caps(&self) -> Result<(), Problem> {
        if self.caps.first().is_none_or(|cap| cap.level_from != 0) {
            return Err(Problem::new("caps", "the first entry starts at level 0"));
        }
        if let Some(at) =
            self.caps.windows(2).position(|pair| pair[0].level_from >= pair[1].level_from)
        {
            return Err(Problem::new(format!("caps[{}].level_from", at + 1), "must ascend"));
        }
        match self.caps.iter().position(|cap| usize::from(cap.stars) > self.success.len()) {
            Some(at) => {
                Err(Problem::new(format!("caps[{at}].stars"), "more stars than success lists"))
            }
            None => Ok(()),
        }
    }

    fn check_fee(&self) -> Result<(), Problem> {
        let fee = &self.fee;
        let positive = |key: &str, value: f64| {
            let sound = value.is_finite() && value > 0.0;
            if sound { Ok(()) } else { Err(Problem::new(key, "above 0")) }
        };
        positive("fee.low_divisor", fee.low_divisor)?;
        positive("fee.exponent", fee.exponent)?;
        positive("fee.round_to", fee.round_to)?;
        positive("fee.level_step", f64::from(fee.level_step))?;
        if !(fee.constant.is_finite() && fee.constant >= 0.0) {
            return Err(Problem::new("fee.constant", "0 or more"));
        }
        let wanted = self.success.len().saturating_sub(usize::from(fee.low_stars));
        if fee.divisors.len() != wanted {
            return Err(Problem::new(
                "fee.divisors",
                format!("one for each star from low_stars: {wanted}"),
            ));
        }
        for (at, divisor) in fee.divisors.iter().enumerate() {
            positive(&format!("fee.divisors[{at}]"), *divisor)?;
        }
        Ok(())
    }

    fn check_options(&self) -> Result<(), Problem> {
        let part = |key: &str, value: f64| {
            let sound = (0.0..=1.0).contains(&value);
            if sound { Ok(()) } else { Err(Problem::new(key, "from 0 to 1")) }
        };
        part("event.destroy_factor", self.event.destroy_factor)?;
        part("event.fee_factor", self.event.fee_factor)?;
        part("event.restore_factor", self.event.restore_factor)?;
        let discounts = &self.discounts;
        for (key, value) in [
            ("discounts.mvp_silver", discounts.mvp_silver),
            ("discounts.mvp_gold", discounts.mvp_gold),
            ("discounts.mvp_diamond", discounts.mvp_diamond),
            ("discounts.pc_room", discounts.pc_room),
        ] {
            // Two of them together must leave something to pay.
            if !(0.0..0.5).contains(&value) {
                return Err(Problem::new(key, "from 0, below 0.5"));
            }
        }
        if !(1.0..=2.0).contains(&self.star_catch.factor) {
            return Err(Problem::new("star_catch.factor", "from 1 to 2"));
        }
        if !(self.safeguard.surcharge.is_finite() && self.safeguard.surcharge >= 0.0) {
            return Err(Problem::new("safeguard.surcharge", "0 or more"));
        }
        Ok(())
    }
}

impl Restore {
    fn check(&self, stars: usize, level_step: u32) -> Result<(), Problem> {
        let wanted = self.spares.len();
        if usize::from(self.star_from) + wanted > stars {
            return Err(Problem::new("restore.spares", "more stars than success lists"));
        }
        for (at, level) in self.levels.iter().enumerate() {
            let key = format!("restore.levels[{at}]");
            if !level.level.is_multiple_of(level_step) {
                return Err(Problem::new(format!("{key}.level"), "a multiple of fee.level_step"));
            }
            if level.mesos.len() != wanted
                || level.mesos.iter().any(|mesos| !(mesos.is_finite() && *mesos >= 0.0))
            {
                return Err(Problem::new(
                    format!("{key}.mesos"),
                    format!("{wanted} amounts of 0 or more"),
                ));
            }
        }
        Ok(())
    }
}
