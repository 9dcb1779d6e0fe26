//! The certificate: what voids it, and that this is said.

use super::{ANY, Loaded, fraction, number};
use crate::bench::Bench;

#[test]
fn a_planted_stall_voids_the_certificate() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let report = loaded.path("load.json");
    let finished = loaded.run(
        &[
            &["--rate", "20", "--duration", "1100ms", "--plant-stall", "20ms", "--report"][..],
            &[&format!("json={report}")],
        ]
        .concat(),
    );
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(finished.stdout.contains("NOT CERTIFIED"), "{}", finished.stdout);
    assert!(finished.stderr.contains("the tester measures itself before the run"), "{}", finished.stderr);
    let said = super::our_schemas::follows("load-1.json", &std::fs::read_to_string(&report).unwrap());
    assert_eq!(said["certified"], false);
    let objections: Vec<&str> =
        said["objections"].as_array().unwrap().iter().map(|objection| objection.as_str().unwrap()).collect();
    for when in ["during the run", "before the run", "after the run"] {
        let stood = |objection: &&&str| objection.contains("stood still for") && objection.contains(when);
        assert!(objections.iter().any(|objection| stood(&objection)), "{when}: {objections:#?}");
    }
    let certificate = &said["certificates"][0];
    assert!(fraction(&certificate["during"]["longest_stall_ms"]) >= 20.0);
    for when in ["before", "after"] {
        let calibration = &certificate[when];
        assert!(number(&calibration["requests"]) > 0);
        assert_eq!(number(&calibration["errors"]), 0, "{calibration:#}");
        assert!(calibration["first_content_error_ms"].is_object(), "{calibration:#}");
    }
}
