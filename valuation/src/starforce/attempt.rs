//! One attempt at one star: what it costs and what may come of it, with events and choices (C12, C13, C15).

use super::rules::Rounded;
use super::rules::StarforceRules;

/// What a player does at a star.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Choice {
    /// Pay the fee; after a destruction restart with a spare.
    Plain,
    /// Pay a surcharge against destruction.
    Safeguard,
    /// After a destruction pay for the item to come back at the star where it broke.
    Restore,
}

impl Choice {
    /// In the order that settles ties (C16).
    pub const ALL: [Self; 3] = [Self::Plain, Self::Safeguard, Self::Restore];

    /// Name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Safeguard => "safeguard",
            Self::Restore => "restore",
        }
    }
}

/// Customer grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Mvp {
    #[default]
    None,
    Silver,
    Gold,
    Diamond,
}

/// The circumstances of a player.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Fewer destructions (one half of the shining event).
    pub destroy_event: bool,
    /// Lower fees (the other half).
    pub discount_event: bool,
    /// Star catch, where the ruleset leaves it to the player.
    pub star_catch: bool,
    /// Customer grade.
    pub mvp: Mvp,
    /// Playing in a PC room.
    pub pc_room: bool,
    /// Mesos for a spare item.
    pub spare_price: f64,
}

/// C13: the shining event with star catch, no customer discounts, spares for nothing.
impl Default for Options {
    fn default() -> Self {
        Self {
            destroy_event: true,
            discount_event: true,
            star_catch: true,
            mvp: Mvp::None,
            pc_room: false,
            spare_price: 0.0,
        }
    }
}

/// One attempt. What is neither success nor destruction keeps the star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt {
    /// Mesos, whatever comes of it.
    pub fee: f64,
    /// Chance to gain a star.
    pub success: f64,
    /// Chance to be destroyed.
    pub destroy: f64,
    /// Mesos for going on after a destruction.
    pub destroy_cost: f64,
    /// Whether it then stands at the same star (restored) instead of the restart star.
    pub restored: bool,
}

/// The fee before any discount or surcharge; rounded where the ruleset rounds it. Mesos.
#[must_use]
pub fn base_fee(rules: &StarforceRules, level: u32, star: u8) -> f64 {
    let fee = &rules.fee;
    let level = f64::from(level / fee.level_step * fee.level_step);
    let cube = level * level * level;
    let next = f64::from(star) + 1.0;
    let raw = if star < fee.low_stars {
        fee.constant + cube * next / fee.low_divisor
    } else {
        fee.constant
            + cube * next.powf(fee.exponent) / fee.divisors[usize::from(star - fee.low_stars)]
    };
    if fee.rounded == Rounded::Base { half_up(raw, fee.round_to) } else { raw }
}

/// The attempt at `star`; None when the game does not offer the choice there.
#[must_use]
pub fn attempt(
    rules: &StarforceRules,
    level: u32,
    star: u8,
    choice: Choice,
    options: &Options,
) -> Option<Attempt> {
    let at = usize::from(star);
    let (success, mut destroy) = (*rules.success.get(at)?, rules.destroy[at]);
    let event = &rules.event;
    if options.destroy_event && (event.destroy_from..=event.destroy_to).contains(&star) {
        destroy *= event.destroy_factor;
    }
    let safeguarded = choice == Choice::Safeguard;
    if safeguarded {
        if !rules.safeguard.stars.contains(&star) {
            return None;
        }
        destroy = 0.0;
    }
    let (success, destroy) = star_catch(rules, options, success, destroy);
    let destroy_cost = match choice {
        Choice::Restore => restore_cost(rules, level, star, options)?,
        Choice::Plain | Choice::Safeguard => options.spare_price,
    };
    let fee = fee(rules, level, star, safeguarded, options);
    Some(Attempt { fee, success, destroy, destroy_cost, restored: choice == Choice::Restore })
}

/// The rest of a higher success is shared between destroying and keeping in their old ratio.
fn star_catch(rules: &StarforceRules, options: &Options, success: f64, destroy: f64) -> (f64, f64) {
    if !rules.star_catch.always && !options.star_catch {
        return (success, destroy);
    }
    let keep = 1.0 - success - destroy;
    let raised = (success * rules.star_catch.factor).min(1.0);
    let (rest, failures) = (1.0 - raised, keep + destroy);
    let destroy = if failures > 0.0 { rest * destroy / failures } else { 0.0 };
    (raised, destroy)
}

fn fee(rules: &StarforceRules, level: u32, star: u8, safeguarded: bool, options: &Options) -> f64 {
    let base = base_fee(rules, level, star);
    let mut part = 1.0;
    if star < rules.discounts.below_star {
        part -= match options.mvp {
            Mvp::None => 0.0,
            Mvp::Silver => rules.discounts.mvp_silver,
            Mvp::Gold => rules.discounts.mvp_gold,
            Mvp::Diamond => rules.discounts.mvp_diamond,
        };
        part -= if options.pc_room { rules.discounts.pc_room } else { 0.0 };
    }
    let event = if options.discount_event { rules.event.fee_factor } else { 1.0 };
    let surcharge = if safeguarded { rules.safeguard.surcharge } else { 0.0 };
    let cost = if rules.safeguard.discounted {
        base * (1.0 + surcharge) * part * event
    } else {
        base * part * event + base * surcharge
    };
    if rules.fee.rounded == Rounded::Attempt { half_up(cost, rules.fee.round_to) } else { cost }
}

fn restore_cost(rules: &StarforceRules, level: u32, star: u8, options: &Options) -> Option<f64> {
    let restore = rules.restore.as_ref()?;
    let at = usize::from(star.checked_sub(restore.star_from)?);
    let step = rules.fee.level_step;
    let row = restore.levels.iter().find(|row| row.level == level / step * step)?;
    let (mesos, spares) = (row.mesos.get(at)?, restore.spares.get(at)?);
    let both = options.destroy_event && options.discount_event;
    let factor = if both { rules.event.restore_factor } else { 1.0 };
    Some(mesos * factor + f64::from(*spares) * options.spare_price)
}

fn half_up(value: f64, step: f64) -> f64 {
    ((value + step / 2.0) / step).floor() * step
}
