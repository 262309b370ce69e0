//! The server's metrics page, Prometheus text format 0.0.4, as a map from `name{labels}` to its value.
//! A metric that is not there is a failure, never zero: a renamed counter must not look like a quiet one.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::failure::Failure;
use crate::failure::Outcome;
use crate::http;

/// One page.
#[derive(Debug)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    pub(crate) async fn scrape(server: SocketAddr) -> Outcome<Self> {
        let request = http::request("GET", "/actuator/prometheus", "");
        let reply = http::exchange(server, &request).await?;
        match reply.status {
            200 => Self::parse(&reply.text()),
            status => Err(Failure::new(format!("/actuator/prometheus: {status}"))),
        }
    }

    /// The sum over every series of `name` that has all of these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Outcome<f64> {
        let found: Vec<f64> = self.series(name, labels).map(|(_, value)| value).collect();
        match found.is_empty() {
            true => Err(Failure::new(format!("no metric {name} with {labels:?}"))),
            false => Ok(found.iter().sum()),
        }
    }

    /// The same sums, one for each value of `label`.
    pub(crate) fn by(
        &self,
        label: &str,
        name: &str,
        labels: &[(&str, &str)],
    ) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (own, value) in self.series(name, labels) {
            let of_label = own.iter().find(|(key, _)| *key == label);
            if let Some((_, at)) = of_label {
                *sums.entry((*at).to_owned()).or_default() += value;
            }
        }
        sums
    }

    fn series<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&str, &str)],
    ) -> impl Iterator<Item = (Vec<(&'a str, &'a str)>, f64)> {
        let all = self.0.iter().map(|(series, value)| (split(series), *value));
        all.filter(move |((own_name, own), _)| {
            *own_name == name && labels.iter().all(|label| own.contains(label))
        })
        .map(|((_, own), value)| (own, value))
    }

    fn parse(page: &str) -> Outcome<Self> {
        let lines = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        };
        let samples = lines.map(|line| {
            sample(line).ok_or_else(|| Failure::new(format!("unreadable metric: {line}")))
        });
        samples.collect::<Outcome<_>>().map(Self)
    }
}

/// Name and labels. No label of the server's has a comma or an escaped character in its value.
fn split(series: &str) -> (&str, Vec<(&str, &str)>) {
    let Some((name, labels)) = series.split_once('{') else { return (series, Vec::new()) };
    let pairs = labels.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
    (name, pairs.map(|(key, value)| (key, value.trim_matches('"'))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP hits Hits.\n# TYPE hits counter\nhits{shard=\"0\",layer=\"near\"} 3\nhits{shard=\"1\",layer=\"near\"} 4\nhits{shard=\"1\",layer=\"L1\"} 1e1\n\nhits_other 7\n";

    #[test]
    fn series_are_added_by_name_and_labels() {
        let page = Metrics::parse(PAGE).ok().unwrap();
        let sum = |labels: &[_]| page.sum("hits", labels).ok();
        assert_eq!(sum(&[]), Some(17.0));
        assert_eq!(sum(&[("layer", "near")]), Some(7.0));
        assert_eq!(sum(&[("layer", "near"), ("shard", "1")]), Some(4.0));
        assert_eq!(sum(&[("layer", "far")]), None);
        assert_eq!(page.sum("hit", &[]).ok(), None);
        let by_shard = page.by("shard", "hits", &[("layer", "near")]);
        assert_eq!(by_shard, BTreeMap::from([("0".to_owned(), 3.0), ("1".to_owned(), 4.0)]));
        assert!(Metrics::parse("hits seven").is_err());
    }
}
