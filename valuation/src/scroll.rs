//! Amazing enhancement scrolls (놀장): the fee per scroll, and a fixed price for each failure (C17). The item's true
//! level counts, nothing is destroyed, there is no cap but the scroll's own.

use serde::Deserialize;

use crate::rules::Problem;

/// Section `[scroll]`. Lists are by star, from star 0.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScrollRules {
    /// Chance that a scroll gains a star, before star catch. As many as scrolls can give.
    pub success: Vec<f64>,
    /// Factor of star catch on it.
    pub star_catch_factor: f64,
    /// Mesos added to every fee.
    pub fee_constant: f64,
    /// Stars with the linear fee, and its divisor.
    pub fee_low_stars: u8,
    /// See `fee_low_stars`.
    pub fee_low_divisor: f64,
    /// Exponent of the fee above.
    pub fee_exponent: f64,
    /// Its divisors, from star `fee_low_stars` on.
    pub fee_divisors: Vec<f64>,
    /// The fee is rounded half up to a multiple of this.
    pub fee_round_to: f64,
    /// Factor on the fee (event discount).
    pub fee_factor: f64,
    /// Mesos lost with each failure.
    pub failure_price: f64,
    /// Expected attempts and failures are rounded half up to this many significant digits: the model's published
    /// totals are made with decimals of that length.
    pub mean_digits: i32,
}

/// One star: the attempts are geometric with `success`; each costs `fee`, each failure `failure_price` more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScrollStar {
    /// Chance of one scroll.
    pub success: f64,
    /// Mesos for each attempt.
    pub fee: f64,
    /// Mesos for each failure.
    pub failure_price: f64,
}

impl ScrollRules {
    /// Most stars.
    #[must_use]
    pub fn stars_max(&self) -> u8 {
        u8::try_from(self.success.len()).unwrap_or(u8::MAX)
    }

    /// Refuses values that no game has.
    ///
    /// # Errors
    /// The first problem, with its key.
    pub fn check(&self) -> Result<(), Problem> {
        if self.success.is_empty() || self.success.len() > 50 {
            return Err(Problem::new("success", "1 to 50 stars"));
        }
        if let Some(at) = self.success.iter().position(|p| !(*p > 0.0 && *p <= 1.0)) {
            return Err(Problem::new(format!("success[{at}]"), "above 0, at most 1"));
        }
        let wanted = self.success.len().saturating_sub(usize::from(self.fee_low_stars));
        if self.fee_divisors.len() != wanted {
            let message = format!("one for each star from fee_low_stars: {wanted}");
            return Err(Problem::new("fee_divisors", message));
        }
        if let Some(at) = self.fee_divisors.iter().position(|d| !(d.is_finite() && *d > 0.0)) {
            return Err(Problem::new(format!("fee_divisors[{at}]"), "above 0"));
        }
        let positive = [
            ("star_catch_factor", self.star_catch_factor),
            ("fee_low_divisor", self.fee_low_divisor),
            ("fee_exponent", self.fee_exponent),
            ("fee_round_to", self.fee_round_to),
        ];
        if let Some((key, _)) =
            positive.iter().find(|(_, value)| !(value.is_finite() && *value > 0.0))
        {
            return Err(Problem::new(*key, "above 0"));
        }
        if !(1..=15).contains(&self.mean_digits) {
            return Err(Problem::new("mean_digits", "1 to 15"));
        }
        let from_zero = [
            ("fee_constant", self.fee_constant),
            ("fee_factor", self.fee_factor),
            ("failure_price", self.failure_price),
        ];
        match from_zero.iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
            Some((key, _)) => Err(Problem::new(*key, "0 or more")),
            None => Ok(()),
        }
    }
}

/// The stars from 0 to `stars` of an item of `level`. At most [`ScrollRules::stars_max`].
pub fn stages(rules: &ScrollRules, level: u32, stars: u8) -> impl Iterator<Item = ScrollStar> {
    let level = f64::from(level.max(1));
    let cube = level * level * level;
    rules.success.iter().take(usize::from(stars)).enumerate().map(move |(star, success)| {
        let next = star as f64 + 1.0;
        let raw = match star.checked_sub(usize::from(rules.fee_low_stars)) {
            None => cube * next / rules.fee_low_divisor,
            Some(at) => cube * next.powf(rules.fee_exponent) / rules.fee_divisors[at],
        };
        let round = rules.fee_round_to;
        let fee = ((rules.fee_constant + raw) / round + 0.5).floor() * round;
        ScrollStar {
            success: (success * rules.star_catch_factor).min(1.0),
            fee: fee * rules.fee_factor,
            failure_price: rules.failure_price,
        }
    })
}

/// Expected mesos from 0 to `stars`.
#[must_use]
pub fn expected(rules: &ScrollRules, level: u32, stars: u8) -> f64 {
    stages(rules, level, stars)
        .map(|star| {
            let mean = |of_success: f64| significant(of_success / star.success, rules.mean_digits);
            star.fee * mean(1.0) + star.failure_price * mean(1.0 - star.success)
        })
        .sum()
}

/// Rounds a positive number half up to `digits` significant digits.
fn significant(value: f64, digits: i32) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let scale = 10_f64.powi(digits - 1 - value.log10().floor() as i32);
    (value * scale + 0.5).floor() / scale
}
