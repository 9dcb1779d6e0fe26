//! `/metrics` and names of requests: what is counted is what was sent, in a form that a strict reader takes.

use std::collections::BTreeMap;

use interference_server::{HeaderFaults, ServeOptions};

use crate::exchange::{Connection, Running, post};

/// All samples by their whole names. Panics where the text is not OpenMetrics: families in one piece, `# HELP` and
/// `# TYPE` before samples, names as their types want them, buckets that rise to `+Inf`, one end.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.strip_suffix("# EOF\n").unwrap();
    let mut samples = BTreeMap::new();
    let mut families = BTreeMap::new();
    let mut family = ("", "");
    let mut bucket: Option<(String, f64, f64)> = None;
    for line in lines.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(name.starts_with("interference_") && words.ends_with('.'), "{line}");
            assert!(families.insert(name, "").is_none(), "{name} is there twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            family = kind.split_once(' ').unwrap();
            assert_eq!(families.insert(family.0, family.1), Some(""), "{line}");
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            let suffix = name.split('{').next().unwrap().strip_prefix(family.0);
            match (family.1, suffix) {
                ("counter", Some("_total")) | ("gauge", Some("")) => {}
                ("histogram", Some("_sum" | "_count")) => {}
                ("histogram", Some("_bucket")) => {
                    let (of, bound) = name.split_once("le=\"").unwrap();
                    let (bound, labels) = bound.split_once('"').unwrap();
                    let (of, bound) =
                        (format!("{of}{labels}"), bound.replace("+Inf", "inf").parse().unwrap());
                    if let Some((before, low, least)) = bucket.replace((of.clone(), bound, value)) {
                        assert!(before != of || (low < bound && least <= value), "{line}");
                        assert!(before == of || low == f64::INFINITY, "{before} has no last bucket");
                    }
                }
                other => panic!("{line}: {other:?}"),
            }
            assert!(samples.insert(name.to_owned(), value).is_none(), "{name} is there twice");
        }
    }
    samples
}

async fn read(server: &Running) -> BTreeMap<String, f64> {
    samples(&server.get("/metrics").await.body)
}

#[tokio::test]
async fn what_is_counted_is_what_was_sent() {
    let options = ServeOptions { header_faults: HeaderFaults::Allowed, ..ServeOptions::default() };
    let mut server = Running::start(options).await;
    for body in ["whole", "stream", "stream", "overloaded", "internal"] {
        server.post(body).await;
    }
    let faulted = post("stream").replace("host:", "x-interference: drop.events = [1], seed = 1\r\nhost:");
    server.exchange(&faulted).await;
    server.get("/v1/models").await;
    server.get("/models/maker/small").await;
    server.get("/models/none").await;
    server.get("/health").await;
    server.get("/secret-of-a-client").await;
    let mut running = Connection::open(server.address).await;
    running.write(&post("stuck stream")).await;
    assert_eq!(server.told().await, "stuck");
    running.read_until("data: a").await;

    let samples = read(&server).await;
    let expected = [
        ("requests_total{route=\"/chat/completions\",status=\"200\"}", 5.0),
        ("requests_total{route=\"/chat/completions\",status=\"429\"}", 1.0),
        ("requests_total{route=\"/chat/completions\",status=\"500\"}", 1.0),
        ("requests_total{route=\"/models\",status=\"200\"}", 1.0),
        ("requests_total{route=\"/models/{model}\",status=\"200\"}", 1.0),
        ("requests_total{route=\"/models/{model}\",status=\"404\"}", 1.0),
        ("requests_total{route=\"/health\",status=\"200\"}", 1.0),
        ("requests_total{route=\"unknown\",status=\"404\"}", 1.0),
        ("errors_total{code=\"rate_limit_exceeded\"}", 1.0),
        ("errors_total{code=\"model_not_found\"}", 1.0),
        ("errors_total{code=\"unknown_url\"}", 1.0),
        ("errors_total{code=\"none\"}", 1.0),
        ("requests_in_flight", 1.0),
        ("request_duration_seconds_count{route=\"/chat/completions\"}", 6.0),
        ("request_duration_seconds_bucket{le=\"+Inf\",route=\"/models\"}", 1.0),
        // Two whole streams of three events, one of two, and one that stands still after its first.
        ("time_to_first_event_seconds_count", 4.0),
        ("time_between_events_seconds_count", 5.0),
        ("connections_timed_out_total", 0.0),
        // The one that stands still, and the one that reads this.
        ("connections_open", 2.0),
        ("connections_accepted_total", 13.0),
        // What the backend says of itself.
        ("places", 3.0),
        ("waits_seconds_bucket{le=\"0.5\"}", 2.0),
        ("waits_seconds_bucket{le=\"+Inf\"}", 3.0),
        ("waits_seconds_sum", 4.5),
    ];
    for (name, value) in expected {
        assert_eq!(samples.get(&format!("interference_{name}")), Some(&value), "{name} in {samples:#?}");
    }
    assert!(samples.keys().all(|name| !name.contains("secret")), "{samples:#?}");
}

#[tokio::test]
async fn a_comment_is_no_event() {
    let ping = std::time::Duration::from_millis(2);
    let server = Running::start(ServeOptions { ping, ..ServeOptions::default() }).await;
    let mut connection = Connection::open(server.address).await;
    connection.write(&post("silent stream")).await;
    connection.read_until(": waiting\n\n").await;
    assert_eq!(read(&server).await["interference_time_to_first_event_seconds_count"], 0.0);
}

#[tokio::test]
async fn every_request_has_a_name_that_the_journal_knows() {
    let options = ServeOptions { header_faults: HeaderFaults::Allowed, ..ServeOptions::default() };
    let server = Running::start(options).await;
    let faulted = post("whole").replace("host:", "x-interference: http.status = 418, seed = 1\r\nhost:");
    let named = post("whole").replace("host:", "x-client-request-id: mine\r\nx-request-id: mine\r\nhost:");
    let mut names = Vec::new();
    for request in [post("whole"), post("invalid"), faulted, named] {
        names.push(server.exchange(&request).await.request_id);
    }
    names.push(server.get("/nowhere").await.request_id);
    let journal = server.get("/_interference/requests?min=5&ended=true").await;
    let journal: serde_json::Value = serde_json::from_str(&journal.body).unwrap();
    let known = journal["requests"].as_array().unwrap();
    assert_eq!(
        known.iter().map(|entry| &entry["request_id"]).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    assert_eq!(known[3]["headers"]["x-client-request-id"], "mine");
}
