//! What a scenario measured and which invariants held; as text for the terminal and as the Markdown of the results.
//! Every invariant is told with what was wanted and what was got, also when it held.

use std::fmt::Display;
use std::time::Duration;

/// The outcome of one scenario.
pub(crate) struct Report {
    name: &'static str,
    /// Hypothesis, fault, load, invariant: the header of the scenario's file.
    intent: String,
    measured: Vec<(String, String)>,
    checks: Vec<Check>,
}

struct Check {
    invariant: String,
    wanted: String,
    got: String,
    ok: bool,
}

impl Report {
    pub(crate) fn new(name: &'static str, intent: String) -> Self {
        Self { name, intent, measured: Vec::new(), checks: Vec::new() }
    }

    /// A number that no invariant is about.
    pub(crate) fn measured(&mut self, what: &str, value: impl Display) {
        self.measured.push((what.to_owned(), value.to_string()));
    }

    pub(crate) fn equal<T: Display + PartialEq>(&mut self, invariant: &str, wanted: T, got: T) {
        let ok = wanted == got;
        self.check(invariant, wanted.to_string(), got.to_string(), ok);
    }

    pub(crate) fn at_most<T: Display + PartialOrd>(&mut self, invariant: &str, most: T, got: T) {
        let ok = got <= most;
        self.check(invariant, format!("at most {most}"), got.to_string(), ok);
    }

    pub(crate) fn at_least<T: Display + PartialOrd>(&mut self, invariant: &str, least: T, got: T) {
        let ok = got >= least;
        self.check(invariant, format!("at least {least}"), got.to_string(), ok);
    }

    pub(crate) fn within(&mut self, invariant: &str, most: Duration, got: Duration) {
        self.check(invariant, format!("within {most:?}"), format!("{got:.2?}"), got <= most);
    }

    /// The scenario could not go on.
    pub(crate) fn broke_off(&mut self, why: &dyn Display) {
        self.check("runs to its end", "yes".to_owned(), why.to_string(), false);
    }

    /// Whether every invariant held. A scenario that checked nothing has not passed.
    pub(crate) fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.ok)
    }

    /// Name, invariants held, invariants checked.
    pub(crate) fn summary(&self) -> (&'static str, usize, usize) {
        let held = self.checks.iter().filter(|check| check.ok).count();
        (self.name, held, self.checks.len())
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (what, value) in &self.measured {
            text.push_str(&format!("    {what}: {value}\n"));
        }
        for Check { invariant, wanted, got, ok } in &self.checks {
            let mark = if *ok { "ok  " } else { "FAIL" };
            text.push_str(&format!("  {mark} {invariant}: wanted {wanted}, got {got}\n"));
        }
        text
    }

    pub(crate) fn markdown(&self) -> String {
        let mut page = format!("# {}\n\n{}\n", self.name, self.intent);
        page.push_str("| invariant | wanted | got | holds |\n|---|---|---|---|\n");
        for Check { invariant, wanted, got, ok } in &self.checks {
            let holds = if *ok { "yes" } else { "**no**" };
            page.push_str(&format!("| {invariant} | {wanted} | {got} | {holds} |\n"));
        }
        page.push_str("\n| measured | |\n|---|---|\n");
        for (what, value) in &self.measured {
            page.push_str(&format!("| {what} | {value} |\n"));
        }
        page
    }

    fn check(&mut self, invariant: &str, wanted: String, got: String, ok: bool) {
        self.checks.push(Check { invariant: invariant.to_owned(), wanted, got, ok });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(check: impl FnOnce(&mut Report)) -> Report {
        let mut report = Report::new("x", "//! why".to_owned());
        check(&mut report);
        report
    }

    #[test]
    fn one_invariant_that_does_not_hold_fails_the_scenario() {
        assert!(!report(|_| {}).passed(), "nothing checked");
        assert!(report(|r| r.equal("a", 1, 1)).passed());
        assert!(!report(|r| r.equal("a", 1, 2)).passed());
        let ms = Duration::from_millis;
        for (ok, check) in [
            (true, (|r| r.at_most("a", 2, 2)) as fn(&mut Report)),
            (false, |r| r.at_most("a", 2, 3)),
            (true, |r| r.at_least("a", 2, 2)),
            (false, |r| r.at_least("a", 2, 1)),
            (false, |r| r.broke_off(&"why")),
        ] {
            assert_eq!(report(check).passed(), ok);
        }
        let both = report(|r| {
            r.within("fast", ms(5), ms(4));
            r.within("slow", ms(5), ms(6));
        });
        assert_eq!((both.passed(), both.summary()), (false, ("x", 1, 2)));
        assert!(both.text().contains("FAIL slow: wanted within 5ms, got 6.00ms"));
        assert!(both.markdown().contains("| slow | within 5ms | 6.00ms | **no** |"));
    }
}
