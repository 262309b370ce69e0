//! The Prometheus text exposition format, version 0.0.4: families with help and type, samples with escaped labels.

use std::fmt::Write as _;

/// What a family's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulated buckets, a sum and a count.
    Histogram,
}

/// A document in the making.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
}

impl Text {
    /// Begins a family; its samples follow at once.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a String does not fail.
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// One sample.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(name);
        for (n, (label, text)) in labels.iter().enumerate() {
            self.out.push(if n == 0 { '{' } else { ',' });
            let _ = write!(self.out, "{label}=\"");
            self.escaped(text);
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }

    /// The document.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.out.push_str("\\\\"),
                '"' => self.out.push_str("\\\""),
                '\n' => self.out.push_str("\\n"),
                c => self.out.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_samples_and_escapes() {
        let mut text = Text::default();
        text.family("a_total", Kind::Counter, "What.");
        text.sample("a_total", &[], 3.0);
        text.sample("a_total", &[("x", "1"), ("y", "q\"\\\n")], 0.5);
        let expected = concat!(
            "# HELP a_total What.\n# TYPE a_total counter\n",
            "a_total 3\n",
            "a_total{x=\"1\",y=\"q\\\"\\\\\\n\"} 0.5\n"
        );
        assert_eq!(text.finish(), expected);
    }
}
