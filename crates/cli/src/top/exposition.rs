//! Reads the text format of Prometheus, as far as our server writes it. Must not know what metrics mean.

use std::collections::BTreeMap;

/// What all our metrics begin with.
const PREFIX: &str = "durable_sessions_";

/// Values by name and labels, both as they were written; names without their common beginning.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Exposition(BTreeMap<String, Vec<Sample>>);

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    labels: Vec<(String, String)>,
    value: f64,
}

impl Exposition {
    /// Lines of another form are left out: `top` shows what it understands.
    pub(super) fn parse(text: &str) -> Self {
        let mut samples: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, sample)) = parse_line(line) {
                samples.entry(name.to_owned()).or_default().push(sample);
            }
        }
        Self(samples)
    }

    /// All values of a name together.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.samples(name).map(|sample| sample.value).sum()
    }

    /// Values by one label.
    pub(super) fn by<'a>(&'a self, name: &str, label: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.samples(name).filter_map(move |sample| {
            let (_, value) = sample.labels.iter().find(|(name, _)| name == label)?;
            Some((value.as_str(), sample.value))
        })
    }

    fn samples(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.0.get(name).into_iter().flatten()
    }

    /// The value below which a share of what came between two looks lies, estimated from the buckets of a histogram.
    pub(super) fn quantile(&self, before: &Self, name: &str, share: f64) -> Option<f64> {
        let bucket = format!("{name}_bucket");
        let earlier: BTreeMap<&str, f64> = before.by(&bucket, "le").collect();
        let mut buckets: Vec<(f64, f64)> = self
            .by(&bucket, "le")
            .filter_map(|(bound, count)| {
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
                Some((bound, count))
            })
            .collect();
        for (bound, count) in &mut buckets {
            let same = earlier.iter().find(|(text, _)| {
                if **text == "+Inf" { bound.is_infinite() } else { text.parse() == Ok(*bound) }
            });
            *count -= same.map_or(0.0, |(_, count)| *count);
        }
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let wanted = buckets.last().map(|(_, all)| all * share).filter(|wanted| *wanted > 0.0)?;
        let at = buckets.iter().position(|(_, count)| *count >= wanted)?;
        let (upper, upto) = buckets[at];
        let (lower, below) = at.checked_sub(1).map_or((0.0, 0.0), |at| buckets[at]);
        if upper.is_infinite() {
            return Some(lower);
        }
        Some(lower + (upper - lower) * (wanted - below) / (upto - below))
    }
}

/// `name{label="value",…} 1.5`
fn parse_line(line: &str) -> Option<(&str, Sample)> {
    let line = line.strip_prefix(PREFIX)?;
    let (head, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = head.split_once('{') else {
        return Some((head, Sample { labels: Vec::new(), value }));
    };
    // Our labels hold words and numbers, so no comma and no quotation mark stands in a value.
    let labels = labels.strip_suffix('}')?.split(',').filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    });
    Some((name, Sample { labels: labels.collect::<Option<_>>()?, value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "# TYPE durable_sessions_t histogram\n\
        durable_sessions_t_bucket{le=\"0.1\"} 10\ndurable_sessions_t_bucket{le=\"0.2\"} 10\n\
        durable_sessions_t_bucket{le=\"+Inf\"} 10\n";
    const NOW: &str = "durable_sessions_t_bucket{le=\"0.1\"} 10\ndurable_sessions_t_bucket{le=\"0.2\"} 110\n\
        durable_sessions_t_bucket{le=\"+Inf\"} 110\n\
        durable_sessions_errors_total{code=\"A\"} 2\ndurable_sessions_errors_total{code=\"B\"} 3\n\
        durable_sessions_ready 1\nother 7\ndurable_sessions_broken{ 1 x\n\n";

    #[test]
    fn values_are_found_by_name_and_label() {
        let now = Exposition::parse(NOW);
        assert!((now.sum("errors_total") - 5.0).abs() < 1e-9 && (now.sum("ready") - 1.0).abs() < 1e-9);
        assert!(now.sum("nothing").abs() < 1e-9);
        assert_eq!(now.by("errors_total", "code").collect::<Vec<_>>(), [("A", 2.0), ("B", 3.0)]);
    }

    #[test]
    fn quantiles_are_of_what_came_in_between() {
        let (before, now) = (Exposition::parse(BEFORE), Exposition::parse(NOW));
        let median = now.quantile(&before, "t", 0.5).unwrap();
        assert!((median - 0.15).abs() < 1e-9, "{median}");
        assert_eq!(now.quantile(&now, "t", 0.5), None, "nothing came");
        assert_eq!(now.quantile(&before, "missing", 0.5), None);
    }
}
