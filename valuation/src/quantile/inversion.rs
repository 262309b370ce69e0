//! From a transform back to a distribution, on a grid.
//!
//! Model: a normal error of [`SMEAR_CELLS`] is added to the total, so its law has a density whose
//! spectrum ends before the grid's highest frequency, atoms or not. Reading the same spectrum with
//! twice that error shows how much it matters: an atom off by e moves by e, a smooth law by three
//! times its bias. Only atoms closer together than the error stay unseen.
//! The density is damped by e^-(a k) before the discrete Fourier sum: what lies beyond the grid wraps
//! around onto it, but shrunk by e^-[`DAMPING`], so a grid may end in the middle of the mass.

use std::f64::consts::PI;

use crate::quantile::complex::Complex;
use crate::quantile::law::Law;

/// Standard deviation of the added error. At the highest frequency (pi per cell) the spectrum of a
/// normal law of this width is e^-28.
const SMEAR_CELLS: f64 = 2.4;

/// Cells kept free below 0 for the error's lower half: 10 deviations of the doubled error.
const SHIFT_CELLS: f64 = 48.0;

/// Wrapped mass counts e^-14 (1e-6), rounding errors e^14 times 1e-16 at most.
const DAMPING: f64 = 14.0;

/// Share of the cells that is read: the last ones carry the largest errors.
const READ_SHARE: f64 = 0.95;

/// Frequencies are summed until the spectrum falls to this share of its start.
const SPECTRUM_MIN: f64 = 1e-12;

/// A level counts as reached this far below itself, so that a distribution that reaches it exactly
/// is not sent a whole step further by the inversion's own error.
const LEVEL_SLACK: f64 = 1e-7;

/// The distribution function of an excess, at the cells of one range.
pub(super) struct Grid {
    cell: f64,
    /// Most that can be off without the two smears telling, in mesos.
    blind: f64,
    smeared: Cumulative,
    smeared_twice: Cumulative,
}

/// A quantile read from a grid.
pub(super) struct Reading {
    /// Mesos; may be a little below 0 where the true value is 0.
    pub(super) excess: f64,
    /// How far it may be off, in mesos.
    pub(super) error: f64,
}

impl Grid {
    /// The distribution of the law's excess over [0, `range`] mesos (a little less at the end), on
    /// `cells` cells, a power of two.
    pub(super) fn invert(law: &Law, range: f64, cells: usize) -> Self {
        let cell = range / cells as f64;
        let spectrum = damped_spectrum(law, cell, cells);
        Self {
            cell,
            blind: (SMEAR_CELLS * cell).min(law.try_cost_max()),
            smeared: Cumulative::of(&spectrum, cells, SMEAR_CELLS),
            smeared_twice: Cumulative::of(&spectrum, cells, 2.0 * SMEAR_CELLS),
        }
    }

    /// Smallest excess whose probability is at least `level`, None when beyond the grid.
    pub(super) fn quantile(&self, level: f64) -> Option<Reading> {
        let excess = self.smeared.quantile_cells(level - LEVEL_SLACK)? * self.cell;
        let moved = self.smeared_twice.quantile_cells(level - LEVEL_SLACK)? * self.cell;
        Some(Reading { excess, error: (excess - moved).abs().max(self.blind) })
    }
}

/// P(excess + error <= the upper edge of the cell), the first cell's middle being at minus the shift.
struct Cumulative(Vec<f64>);

impl Cumulative {
    fn of(spectrum: &[Complex], cells: usize, smear_cells: f64) -> Self {
        let mut density = vec![Complex::default(); cells];
        for (j, (slot, value)) in density.iter_mut().zip(spectrum).enumerate() {
            // The spectrum at -j is the conjugate: counted by doubling all but the first.
            let times = if j == 0 { 1.0 } else { 2.0 };
            let smeared = *value * smear(frequency(j, cells), cells, smear_cells);
            *slot = smeared.scale(times / cells as f64);
        }
        fourier(&mut density);
        let mut reached = 0.0;
        let read = (cells as f64 * READ_SHARE) as usize;
        let cumulative = density[..read].iter().enumerate().map(|(k, value)| {
            reached += value.re * (DAMPING / cells as f64 * k as f64).exp();
            reached
        });
        Self(cumulative.collect())
    }

    fn quantile_cells(&self, level: f64) -> Option<f64> {
        let k = self.0.iter().position(|reached| *reached >= level)?;
        let below = if k == 0 { 0.0 } else { self.0[k - 1] };
        let inside = (level - below) / (self.0[k] - below);
        Some(k as f64 - 0.5 + inside - SHIFT_CELLS)
    }
}

/// Radians per cell.
fn frequency(j: usize, cells: usize) -> f64 {
    2.0 * PI * j as f64 / cells as f64
}

/// Fourier coefficients of the damped law at frequencies 0, 1, .. up to where they no longer count.
fn damped_spectrum(law: &Law, cell: f64, cells: usize) -> Vec<Complex> {
    let mut spectrum: Vec<Complex> = Vec::new();
    let mut end = 0.0;
    let sweep = law.sweep(DAMPING / cells as f64 / cell, frequency(1, cells) / cell);
    for (j, value) in sweep.take(cells / 2).enumerate() {
        let smeared = value * smear(frequency(j, cells), cells, SMEAR_CELLS);
        if j == 0 {
            end = smeared.norm_squared() * SPECTRUM_MIN * SPECTRUM_MIN;
        } else if smeared.norm_squared() < end {
            break;
        }
        spectrum.push(value);
    }
    spectrum
}

/// Transform of the normal error, moved up by the shift. Frequency in radians per cell.
fn smear(frequency: f64, cells: usize, smear_cells: f64) -> Complex {
    let damping = DAMPING / cells as f64;
    let half_variance = 0.5 * smear_cells * smear_cells;
    let re = half_variance * (damping * damping - frequency * frequency) - damping * SHIFT_CELLS;
    let im = 2.0 * half_variance * damping * frequency - frequency * SHIFT_CELLS;
    Complex::unit(im).scale(re.exp())
}

/// In place: x[k] becomes the sum over j of x[j] e^(2 pi i j k / n). n is a power of two.
fn fourier(x: &mut [Complex]) {
    let n = x.len();
    debug_assert!(n.is_power_of_two());
    for i in 0..n {
        let mirrored = i.reverse_bits() >> (usize::BITS - n.trailing_zeros());
        if i < mirrored {
            x.swap(i, mirrored);
        }
    }
    let turns: Vec<Complex> =
        (0..n / 2).map(|j| Complex::unit(2.0 * PI * j as f64 / n as f64)).collect();
    let mut half = 1;
    while half < n {
        let stride = n / (2 * half);
        for block in x.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), turn) in low.iter_mut().zip(high).zip(turns.iter().step_by(stride)) {
                let turned = *b * *turn;
                (*a, *b) = (*a + turned, *a - turned);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::Complex;
    use super::PI;
    use super::fourier;

    #[test]
    fn the_transform_is_the_defining_sum() {
        let n = 32;
        let input: Vec<Complex> =
            (0..n).map(|i| Complex { re: (i * i % 7) as f64, im: (i % 5) as f64 - 2.0 }).collect();
        let mut output = input.clone();
        fourier(&mut output);
        for (k, value) in output.iter().enumerate() {
            let expected = input.iter().enumerate().fold(Complex::default(), |sum, (j, x)| {
                sum + *x * Complex::unit(2.0 * PI * (j * k) as f64 / n as f64)
            });
            assert!((*value - expected).norm_squared() < 1e-20, "bin {k}");
        }
    }
}
