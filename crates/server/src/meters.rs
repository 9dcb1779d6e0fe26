//! What the server counts and measures of itself, for `GET /metrics`.
//!
//! Owns the counters and their names. Labels have few values, all of them the server's own words or statuses: nothing
//! that a client sends becomes one. It refuses to know what backends measure.

use std::time::{Duration, Instant};

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The largest value of each bucket of a duration, in seconds.
const DURATIONS: [f64; 17] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0];

/// The code of an error that has none.
const NO_CODE: &str = "none";

/// The code of an error, for the meters: an extension of its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorCode(pub(crate) Option<&'static str>);

/// All of them. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    requests: Family<OfRequest, Counter>,
    errors: Family<OfError, Counter>,
    in_flight: Gauge,
    durations: Family<OfRoute, Histogram, fn() -> Histogram>,
    to_first_event: Histogram,
    between_events: Histogram,
    connections: Gauge,
    accepted: Counter,
    timed_out: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfError {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    route: &'static str,
}

/// A connection that is open, until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Meters {
    /// All at zero.
    pub(crate) fn new() -> Meters {
        Meters {
            requests: Family::default(),
            errors: Family::default(),
            in_flight: Gauge::default(),
            durations: Family::new_with_constructor(histogram),
            to_first_event: histogram(),
            between_events: histogram(),
            connections: Gauge::default(),
            accepted: Counter::default(),
            timed_out: Counter::default(),
        }
    }

    /// Puts all of them into a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let Meters {
            requests,
            errors,
            in_flight,
            durations,
            to_first_event,
            between_events,
            connections,
            accepted,
            timed_out,
        } = self.clone();
        registry.register("requests", "Requests that have ended, by route and status", requests);
        registry.register(
            "errors",
            "Requests that were answered with an error of the server, by its code",
            errors,
        );
        registry.register("requests_in_flight", "Requests of clients that have not ended", in_flight);
        registry.register(
            "request_duration_seconds",
            "From the head of a request to the end of its answer, by route",
            durations,
        );
        registry.register(
            "time_to_first_event_seconds",
            "From the head of a request to the first event of its stream",
            to_first_event,
        );
        registry.register(
            "time_between_events_seconds",
            "From one event of a stream to its next",
            between_events,
        );
        registry.register("connections_open", "Connections that are open", connections);
        registry.register("connections_accepted", "Connections that were accepted", accepted);
        registry.register(
            "connections_timed_out",
            "Connections that were closed because the client did not read its answer in time",
            timed_out,
        );
    }

    /// A connection was accepted.
    pub(crate) fn connection_opened(&self) -> OpenConnection {
        self.accepted.inc();
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// A connection is closed because its client does not read.
    pub(crate) fn connection_timed_out(&self) {
        self.timed_out.inc();
    }

    /// A client's request has come.
    pub(crate) fn request_begun(&self) {
        self.in_flight.inc();
    }

    /// A client's request has ended after this time.
    pub(crate) fn request_ended(&self, route: &'static str, after: Duration) {
        self.in_flight.dec();
        self.durations.get_or_create(&OfRoute { route }).observe(after.as_secs_f64());
    }

    /// An answer has a head.
    pub(crate) fn answered(&self, route: &'static str, status: StatusCode) {
        self.requests.get_or_create(&OfRequest { route, status: status.as_u16() }).inc();
    }

    /// An answer is an error of the server's.
    pub(crate) fn erred(&self, ErrorCode(code): ErrorCode) {
        self.errors.get_or_create(&OfError { code: code.unwrap_or(NO_CODE) }).inc();
    }

    /// A stream has an event, this long after the head of its request or the event before.
    pub(crate) fn event(&self, before: Before, then: Instant, now: Instant) {
        let histogram = match before {
            Before::Head => &self.to_first_event,
            Before::Event => &self.between_events,
        };
        histogram.observe((now - then).as_secs_f64());
    }
}

/// What came before an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// The head of the request.
    Head,
    /// Another event.
    Event,
}

fn histogram() -> Histogram {
    Histogram::new(DURATIONS)
}
