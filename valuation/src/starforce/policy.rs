//! The cheapest choice at each star (C16), by policy iteration: value the policy, improve every star, repeat until
//! nothing improves. Each round is at least as cheap as the one before and there are finitely many policies.

use super::attempt::Attempt;
use super::attempt::Choice;
use super::attempt::Options;
use super::attempt::attempt;
use super::chain::Stage;
use super::chain::from_each;
use super::rules::StarforceRules;

/// A fixed choice per star.
pub(super) struct Policy {
    /// Expected mesos from 0.
    pub(super) cost: f64,
    /// At each star with more than one choice.
    pub(super) choices: Vec<(u8, Choice)>,
}

/// Less than this part cheaper is a tie, which the earlier choice wins: below it is rounding.
const TIE: f64 = 1e-12;

pub(super) fn cheapest(rules: &StarforceRules, level: u32, stars: u8, options: &Options) -> Policy {
    let offered: Vec<Vec<(Choice, Attempt)>> = (0..stars)
        .map(|star| {
            let at = |choice| attempt(rules, level, star, choice, options).map(|it| (choice, it));
            // Where nothing can be destroyed there is nothing to choose.
            let choices = Choice::ALL.into_iter().filter_map(at);
            let plain_is_safe = rules.destroy[usize::from(star)] == 0.0;
            choices.take(if plain_is_safe { 1 } else { Choice::ALL.len() }).collect()
        })
        .collect();
    let mut picked = vec![0; offered.len()];
    loop {
        let stages: Vec<Stage> = offered
            .iter()
            .zip(&picked)
            .map(|(choices, pick)| Stage::of(&choices[*pick].1, rules.restart_star))
            .collect();
        let values = from_each(&stages, rules.solution);
        let improved = improve(rules, &offered, &values);
        if improved == picked || worse(rules, &offered, &improved, &values) {
            let choices = offered.iter().zip(&picked).zip(0_u8..);
            let choices = choices.filter(|((offered, _), _)| offered.len() > 1);
            return Policy {
                cost: values.first().copied().unwrap_or(0.0),
                choices: choices.map(|((offered, pick), star)| (star, offered[*pick].0)).collect(),
            };
        }
        picked = improved;
    }
}

/// At each star the choice that is cheapest if all others stay as they were valued.
fn improve(
    rules: &StarforceRules,
    offered: &[Vec<(Choice, Attempt)>],
    values: &[f64],
) -> Vec<usize> {
    let value_at = |star: usize| values.get(star).copied().unwrap_or(0.0);
    let restart = value_at(usize::from(rules.restart_star));
    offered
        .iter()
        .enumerate()
        .map(|(star, choices)| {
            let costs = choices.iter().map(|(_, attempt)| {
                let paid = attempt.fee + attempt.destroy * attempt.destroy_cost;
                let gained = attempt.success * value_at(star + 1);
                if attempt.restored {
                    (paid + gained) / attempt.success
                } else {
                    (paid + gained + attempt.destroy * restart)
                        / (attempt.success + attempt.destroy)
                }
            });
            let mut best = (0, f64::INFINITY);
            for (pick, cost) in costs.enumerate() {
                if cost < best.1 * (1.0 - TIE) || best.1.is_infinite() {
                    best = (pick, cost);
                }
            }
            best.0
        })
        .collect()
}

/// Guards the end of the iteration: rounding could make two policies of equal cost follow each other for ever.
fn worse(
    rules: &StarforceRules,
    offered: &[Vec<(Choice, Attempt)>],
    picked: &[usize],
    values: &[f64],
) -> bool {
    let stages: Vec<Stage> = offered
        .iter()
        .zip(picked)
        .map(|(choices, pick)| Stage::of(&choices[*pick].1, rules.restart_star))
        .collect();
    let cost = from_each(&stages, rules.solution).first().copied().unwrap_or(0.0);
    cost > values.first().copied().unwrap_or(0.0)
}
