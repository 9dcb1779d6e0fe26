//! `GET /metrics`: what the server and the backend count of themselves, in the text form of OpenMetrics 1.0.

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use interference_backend::{Distribution, MeasuredValue, Measurement, Refusal};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Shared;
use crate::answer_body::{AnswerBody, Response};
use crate::error_response::Rejection;

pub(super) const PATH: &str = "/metrics";
/// Before every name.
const PREFIX: &str = "interference";
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

pub(super) fn metrics(shared: &Shared) -> Result<Response, Rejection> {
    let mut registry = Registry::with_prefix(PREFIX);
    shared.meters.register(&mut registry);
    registry.register_collector(Box::new(Measurements(shared.backend.measurements())));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .map_err(|error| Refusal::Internal { message: format!("The metrics cannot be written: {error}") })?;
    let mut response = Response::new(AnswerBody::whole(text));
    response.headers_mut().insert(CONTENT_TYPE, OPEN_METRICS);
    Ok(response)
}

#[derive(Debug)]
struct Measurements(Vec<Measurement>);

impl Collector for Measurements {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for Measurement { name, help, value } in &self.0 {
            let metric: &dyn EncodeMetric = match value {
                MeasuredValue::Counter(value) => &ConstCounter::new(*value),
                MeasuredValue::Gauge(value) => &ConstGauge::new(*value),
                MeasuredValue::Histogram(distribution) => &Spread(distribution),
            };
            let help = &format!("{help}.");
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        }
        Ok(())
    }
}

/// A distribution as it stands.
#[derive(Debug)]
struct Spread<'a>(&'a Distribution);

impl EncodeMetric for Spread<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Spread(distribution) = self;
        encoder.encode_histogram::<NoLabelSet>(
            distribution.sum,
            distribution.count(),
            &distribution.buckets,
            None,
        )
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
