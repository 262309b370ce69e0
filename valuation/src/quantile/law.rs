//! The law of a total of independent climbs: least value, moments and Laplace transform.
//!
//! The transform of stage i, from the first try there to the first arrival above, is
//! e^(-s c) p / (1 - e^(-s c) (stay + destroy e^(-s d) R)), R being the product of the transforms of
//! the stages from the restart up to i. Everything is split into the part paid even with perfect
//! luck (`least`) and the excess over it, so a grid spends no cell on what is certain.

use crate::quantile::Stage;
use crate::quantile::complex::Complex;
use crate::sum::Sum;

/// Two tries at 0.5 reach 0.75, also when the last bit says otherwise.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// The law of one total. Immutable once built.
pub(super) struct Law {
    tracks: Vec<Track>,
    least: f64,
    /// P(excess = 0): every try succeeds.
    all_luck: f64,
    excess_mean: f64,
    excess_variance: f64,
}

/// Climbs that share their first stages. What happens up to a stage does not depend on how much
/// further the climb goes, so a common stage is evaluated once.
struct Track {
    stages: Vec<Stage>,
    /// How many climbs contain each stage.
    copies: Vec<u32>,
}

/// Mean and variance of something paid.
#[derive(Clone, Copy, Default)]
struct Moments {
    mean: f64,
    variance: f64,
}

impl Law {
    /// The law of the sum of these climbs.
    pub(super) fn new(climbs: impl Iterator<Item = Vec<Stage>>) -> Self {
        let mut tracks: Vec<Track> = Vec::new();
        for stages in climbs {
            check(&stages);
            match tracks.iter_mut().find(|track| track.shares_start(&stages)) {
                Some(track) => track.merge(&stages),
                None => tracks.push(Track { copies: vec![1; stages.len()], stages }),
            }
        }
        let (mut least, mut mean, mut variance) = (Sum::default(), Sum::default(), Sum::default());
        let mut all_luck = 1.0;
        for track in &tracks {
            for ((stage, copies), excess) in
                track.stages.iter().zip(&track.copies).zip(excess_moments(&track.stages))
            {
                let copies = f64::from(*copies);
                least.add(copies * stage.cost);
                mean.add(copies * excess.mean);
                variance.add(copies * excess.variance);
                all_luck *= stage.success.powf(copies);
            }
        }
        Self {
            tracks,
            least: least.value(),
            all_luck,
            excess_mean: mean.value(),
            excess_variance: variance.value(),
        }
    }

    /// Mesos paid when every try succeeds.
    pub(super) fn least(&self) -> f64 {
        self.least
    }

    /// Mean of what is paid above [`Self::least`], in mesos.
    pub(super) fn excess_mean(&self) -> f64 {
        self.excess_mean
    }

    /// Standard deviation, in mesos.
    pub(super) fn excess_deviation(&self) -> f64 {
        self.excess_variance.sqrt()
    }

    /// The most that one try can cost, in mesos: no two neighbouring totals are further apart once
    /// many tries add up.
    pub(super) fn try_cost_max(&self) -> f64 {
        let stages = self.tracks.iter().flat_map(|track| &track.stages);
        stages.map(|stage| stage.cost + stage.destroy_cost).fold(0.0, f64::max)
    }

    /// The quantile of the excess where it is known without inversion: nothing failed, nothing can
    /// cost extra, or only one try can fail and each failure costs the same.
    pub(super) fn exact_excess(&self, level: f64) -> Option<f64> {
        let level = level - ROUNDING;
        if level <= self.all_luck || self.excess_mean == 0.0 {
            return Some(0.0);
        }
        let (success, failure) = self.lone_risk()?;
        let tries = ((-level).ln_1p() / (-success).ln_1p()).ceil();
        Some((tries - 1.0) * failure)
    }

    /// Success probability and cost of a failure, if there is exactly one try that can fail.
    fn lone_risk(&self) -> Option<(f64, f64)> {
        let mut risks = self.tracks.iter().flat_map(|track| {
            let stages = track.stages.iter().zip(&track.copies).enumerate();
            stages.filter(|(_, (stage, _))| stage.success < 1.0)
        });
        let (index, (stage, copies)) = risks.next()?;
        if *copies > 1 || risks.next().is_some() {
            return None;
        }
        let falls_back_here = stage.restart == index && stay(stage) == 0.0;
        match (stage.destroy == 0.0, falls_back_here) {
            (true, _) => Some((stage.success, stage.cost)),
            (false, true) => Some((stage.success, stage.cost + stage.destroy_cost)),
            (false, false) => None,
        }
    }

    /// E e^(-s excess) at s = `damping` + i j `frequency_step`, for j = 0, 1, 2, .. (per meso).
    pub(super) fn sweep(&self, damping: f64, frequency_step: f64) -> Sweep<'_> {
        let wave = |mesos| Wave::new(damping * mesos, frequency_step * mesos);
        let stages = self.tracks.iter().flat_map(|track| &track.stages);
        let waves = stages.map(|stage| (wave(stage.cost), wave(stage.destroy_cost))).collect();
        Sweep { law: self, waves, arrivals: Vec::new() }
    }
}

/// Walks a law's transform up the frequencies. Endless.
pub(super) struct Sweep<'a> {
    law: &'a Law,
    /// Of the try and of the destruction, stage by stage through all tracks.
    waves: Vec<(Wave, Wave)>,
    /// Transforms of the stages below, within a track.
    arrivals: Vec<Complex>,
}

impl Iterator for Sweep<'_> {
    type Item = Complex;

    fn next(&mut self) -> Option<Complex> {
        let mut total = Complex::ONE;
        let mut waves = self.waves.iter_mut();
        for track in &self.law.tracks {
            self.arrivals.clear();
            for ((stage, copies), (attempt, spare)) in
                track.stages.iter().zip(&track.copies).zip(&mut waves)
            {
                let unpaid = attempt.advance();
                let paid = Complex::ONE - unpaid;
                // p / (1 - paid (stay + destroy fall)) with 1 = p + stay + destroy put in, so that
                // a small p does not drown in a difference of ones.
                let mut denominator = unpaid.scale(stay(stage));
                denominator.re += stage.success;
                if stage.destroy > 0.0 {
                    let destroyed = paid * (Complex::ONE - spare.advance());
                    let climb = self.arrivals[stage.restart..].iter();
                    let fall = climb.fold(destroyed, |product, arrival| product * *arrival);
                    denominator = denominator + (Complex::ONE - fall).scale(stage.destroy);
                }
                let excess = denominator.reciprocal().scale(stage.success);
                self.arrivals.push(paid * excess);
                total = total * excess.power(*copies);
            }
        }
        Some(total)
    }
}

/// 1 - e^(-s mesos) along a sweep. Kept as the difference from 1, which is exact to the last digits
/// for small arguments, and turned from one frequency to the next without trigonometry.
struct Wave {
    value: Complex,
    turn: Complex,
}

impl Wave {
    fn new(damping: f64, turn: f64) -> Self {
        let (half_sin, half_cos) = (0.5 * turn).sin_cos();
        let turn = Complex { re: 2.0 * half_sin * half_sin, im: 2.0 * half_sin * half_cos };
        Self { value: Complex { re: -(-damping).exp_m1(), im: 0.0 }, turn }
    }

    /// The value here; moves on to the next frequency.
    fn advance(&mut self) -> Complex {
        let here = self.value;
        // 1 - (1 - a)(1 - b) = a + b - ab
        self.value = here + self.turn - here * self.turn;
        here
    }
}

impl Track {
    fn shares_start(&self, stages: &[Stage]) -> bool {
        self.stages.iter().zip(stages).all(|(ours, theirs)| ours == theirs)
    }

    fn merge(&mut self, stages: &[Stage]) {
        for copies in self.copies.iter_mut().take(stages.len()) {
            *copies += 1;
        }
        let known = self.stages.len().min(stages.len());
        self.stages.extend_from_slice(&stages[known..]);
        self.copies.resize(self.stages.len(), 1);
    }
}

/// Probability to stay at the stage, never below 0 by rounding.
fn stay(stage: &Stage) -> f64 {
    (1.0 - stage.success - stage.destroy).max(0.0)
}

fn check(stages: &[Stage]) {
    for (index, stage) in stages.iter().enumerate() {
        let fits = stage.success > 0.0
            && stage.destroy >= 0.0
            && stage.success + stage.destroy <= 1.0 + 1e-12
            && (stage.destroy == 0.0 || stage.restart <= index)
            && [stage.cost, stage.destroy_cost].iter().all(|cost| *cost >= 0.0 && cost.is_finite());
        assert!(fits, "stage {index} is out of range: {stage:?}");
    }
}

/// Moments of what each stage costs above its one successful try.
///
/// The number of failures is geometric, and each costs a try and, when destroyed, the way back.
fn excess_moments(stages: &[Stage]) -> Vec<Moments> {
    let mut excess: Vec<Moments> = Vec::with_capacity(stages.len());
    for (index, stage) in stages.iter().enumerate() {
        let mut back = Moments { mean: stage.destroy_cost, variance: 0.0 };
        for (passed, again) in stages[..index].iter().zip(&excess).skip(stage.restart) {
            back.mean += passed.cost + again.mean;
            back.variance += again.variance;
        }
        let fail = 1.0 - stage.success;
        let destroyed = if fail > 0.0 { stage.destroy / fail } else { 0.0 };
        let failure = Moments {
            mean: stage.cost + destroyed * back.mean,
            variance: destroyed * (back.variance + (1.0 - destroyed) * back.mean * back.mean),
        };
        let failures = fail / stage.success;
        excess.push(Moments {
            mean: failures * failure.mean,
            variance: failures * (failure.variance + failure.mean * failure.mean / stage.success),
        });
    }
    excess
}
