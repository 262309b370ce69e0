//! Expected totals of an absorbing chain of attempts: a failure keeps the star, a destruction restarts.
//!
//! With E(s) = a(s) E(restart) + b(s), going down from the target, one equation is left: E(restart) =
//! b / (1 - a). `a` comes close to 1 at high stars, so 1 - a is carried along as the product it is.

use super::attempt::Attempt;
use super::rules::Solution;

/// One star of a chain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Paid at every attempt.
    pub cost: f64,
    /// Chance to go one stage up.
    pub success: f64,
    /// Chance to be destroyed.
    pub destroy: f64,
    /// Paid after a destruction.
    pub destroy_cost: f64,
    /// Stage to go on from after a destruction; None is this very stage.
    pub restart: Option<u8>,
}

impl Stage {
    /// The stage of an attempt under a ruleset's restart star.
    #[must_use]
    pub fn of(attempt: &Attempt, restart_star: u8) -> Self {
        Self {
            cost: attempt.fee,
            success: attempt.success,
            destroy: attempt.destroy,
            destroy_cost: attempt.destroy_cost,
            restart: (!attempt.restored).then_some(restart_star),
        }
    }
}

/// Expected cost from stage 0 to the end of the chain. All restarts lead to the same stage.
#[must_use]
pub fn expected(stages: &[Stage], solution: Solution) -> f64 {
    from_each(stages, solution).first().copied().unwrap_or(0.0)
}

/// Expected destructions from stage 0 to the end of the chain.
#[must_use]
pub fn destroyed(stages: &[Stage], solution: Solution) -> f64 {
    let counting: Vec<Stage> =
        stages.iter().map(|stage| Stage { cost: 0.0, destroy_cost: 1.0, ..*stage }).collect();
    expected(&counting, solution)
}

/// Expected cost from each stage to the end.
pub(super) fn from_each(stages: &[Stage], solution: Solution) -> Vec<f64> {
    #[derive(Clone, Copy)]
    struct Line {
        a: f64,
        b: f64,
        /// 1 - a.
        k: f64,
    }
    let mut lines = vec![Line { a: 0.0, b: 0.0, k: 1.0 }; stages.len()];
    let mut next = Line { a: 0.0, b: 0.0, k: 1.0 };
    for (line, stage) in lines.iter_mut().zip(stages).rev() {
        let Stage { cost, success: p, destroy: d, destroy_cost, restart } = *stage;
        let paid = cost + d * destroy_cost;
        next = match restart {
            Some(_) => Line {
                a: (p * next.a + d) / (p + d),
                b: (paid + p * next.b) / (p + d),
                k: p * next.k / (p + d),
            },
            None => Line { b: next.b + paid / p, ..next },
        };
        *line = next;
    }
    let restart = stages.iter().find_map(|stage| stage.restart.filter(|_| stage.destroy > 0.0));
    let from_restart =
        restart.and_then(|restart| lines.get(usize::from(restart))).map_or(0.0, |line| {
            match solution {
                Solution::Product => line.b / line.k,
                Solution::Difference => line.b / (1.0 - line.a),
            }
        });
    lines.iter().map(|line| line.a * from_restart + line.b).collect()
}
