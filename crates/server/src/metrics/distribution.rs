//! A distribution of the store as a histogram of Prometheus. Must not know which one.

use std::fmt;

use durable_sessions_storage::Distribution;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Values of a distribution, multiplied by a unit.
#[derive(Debug)]
pub(super) struct ScaledDistribution {
    pub(super) distribution: Distribution,
    pub(super) unit: f64,
}

#[expect(clippy::cast_precision_loss, reason = "a metric shows fewer digits than an f64 has")]
impl EncodeMetric for ScaledDistribution {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let Distribution { bounds, counts, sum } = &self.distribution;
        let bounds = bounds.iter().map(|&bound| bound as f64 * self.unit).chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(counts.iter().copied().chain(std::iter::repeat(0))).collect();
        let count = counts.iter().sum();
        encoder.encode_histogram::<NoLabelSet>(*sum as f64 * self.unit, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
