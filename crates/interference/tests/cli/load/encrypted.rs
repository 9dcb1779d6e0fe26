//! A server behind TLS: whom it is trusted by, and what shaking hands costs, which is neither the tester's lateness nor the
//! server's latency from when a request was sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use interference_report::load::{LoadReport, Measure};
use serde_json::Value;

use super::{ANY, Loaded, document, fraction, good};
use crate::bench::Bench;
use crate::tls::{Authority, Front};

/// How long the front lets each client wait before it shakes hands. Histograms keep three digits, and timers a millisecond.
const HANDSHAKE: Duration = Duration::from_millis(100);
const HANDSHAKE_MS: f64 = 99.0;

#[test]
fn a_handshake_is_told_as_connecting() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let authority = Authority::new(loaded.folder.path(), "authority");
    let front = Front::slow(authority.tls("localhost", 2999), loaded.server.address, HANDSHAKE);
    let measured = |more: &[&str]| {
        let arguments =
            ["load", &front.url, "-m", "any", "--cacert", authority.file(), "--json", "--no-certificate"];
        let brief = ["--rate", "10", "--arrivals", "constant", "--duration", "1s"];
        document(&bench.run(&[&arguments[..], &brief, more].concat()))
    };
    let fresh = measured(&["--no-keep-alive"]);
    assert!(fresh["target"].as_str().unwrap().starts_with("https://localhost:"));
    assert_eq!((good(&fresh), connections(&fresh)), (10, 10));
    let of = |name: &str| fraction(&fresh[name]);
    assert!(of("connect_ms_min") >= HANDSHAKE_MS, "{}", of("connect_ms_min"));
    // Users wait for it, since they count from the scheduled time.
    assert!(of("first_content_ms_min") >= HANDSHAKE_MS);
    assert!(of("headers_ms_mean") - of("headers_from_sent_ms_mean") >= HANDSHAKE_MS);
    // The tester is late only where it has not begun in time: not with all of ten.
    assert!(of("lateness_ms_min") < HANDSHAKE_MS, "{}", of("lateness_ms_min"));

    // Where connections are kept, most requests shake no hands.
    let kept = measured(&[]);
    assert!(connections(&kept) < good(&kept), "{} of {}", connections(&kept), good(&kept));
    assert!(fraction(&kept["connect_ms_min"]) >= HANDSHAKE_MS);
}

/// How many requests opened one.
fn connections(document: &Value) -> u64 {
    let report = LoadReport::from_json(&document.to_string()).unwrap();
    report.measurements.histograms[&Measure::Connect].len()
}

#[test]
fn a_server_that_is_not_to_be_trusted_is_told_with_what_to_do() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (Authority::new(folder.path(), "own"), Authority::new(folder.path(), "other"));
    // No request comes as far as a server.
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let front = Front::start(own.tls("localhost", 2999), nobody);
    let finished = bench.run(&["load", &front.url, "-m", "any", "--rate", "1", "--cacert", other.file()]);
    let said = finished.failed_with(3);
    assert!(said.contains("no TLS with 127.0.0.1") && said.contains("UnknownIssuer"), "{said}");
    assert!(
        said.contains("hint: if the server is to be trusted, give the certificate of its authority"),
        "{said}"
    );
    assert_eq!(finished.stdout, "");
}
