//! What is told of a client: the list of cases, verdicts on a terminal, reports, baselines.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Probe, document, shown};
use crate::bench::{Bench, Finished, finish};

/// A client that knows only the commonest form of a stream, and passes over why it ended: it breaks a MUST and a SHOULD.
const CARELESS: &str = "
lines = ask().splitlines()
chunks = [json.loads(line[6:]) for line in lines if line.startswith('data: {')]
account(''.join(chunk['choices'][0]['delta'].get('content') or '' for chunk in chunks))
print('all went well', file=sys.stderr)";

/// Cases of which it passes the first, breaks the second, a SHOULD, and the third.
const CASES: [&str; 4] = ["--only", "stream", "--only", "framing.no-space"];

fn careless(bench: &Bench, arguments: &[&str]) -> Finished {
    Probe::python(bench, &[&CASES, arguments].concat(), CARELESS).running.finish()
}

#[test]
fn the_catalogue_is_listed_with_what_is_served_and_what_is_sound() {
    let bench = Bench::take();
    let text = bench.run(&["check-client", "--list", "--only", "stream"]).succeeded();
    assert_eq!(
        text,
        "stream\n  stream.ordinary                  MUST   The text of an ordinary stream is reported whole.\n  \
         stream.finish-reason             SHOULD The finish reason of a stream is reported.\n\
         2 cases, a run of the client for each\n"
    );
    let listing: Value =
        serde_json::from_str(&bench.run(&["check-client", "--list", "--json"]).succeeded()).unwrap();
    for case in listing["cases"].as_array().unwrap() {
        let slug = case["slug"].as_str().unwrap();
        for member in ["served", "sound", "requirement"] {
            assert!(!case[member].as_str().unwrap().is_empty(), "{slug} has no {member}");
        }
        let clauses = case["clauses"].as_array().unwrap();
        let quoted = clauses.iter().any(|clause| !clause["quote"].as_str().unwrap().is_empty());
        assert!(case["level"] == "should" || quoted, "{slug} is a MUST without a clause to quote");
    }
}

#[test]
fn wrong_usage_is_told_before_a_client_runs() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    let baseline = folder.path().join("known.txt");
    fs::write(&baseline, "stream.ordinery\n").unwrap();
    let baseline = baseline.to_str().unwrap();
    for (arguments, told) in [
        (
            &["--only", "stream.ordinery"][..],
            "error: no case is called `stream.ordinery`\nhint: `interference check-client",
        ),
        (&["--skip", "strem.*"], "error: no case is called `strem.*`"),
        (&["--report", "pdf=client.pdf"], "pdf"),
        (&["--baseline", baseline], "stream.ordinary"),
    ] {
        let mut command = super::check_client(&bench, arguments, &["touch", there.to_str().unwrap()]);
        let finished = finish(&mut command);
        assert!(finished.failed_with(2).contains(told), "{}", finished.stderr);
    }
    assert!(!there.exists());
    let nobody = bench.run(&["check-client", "--only", "stream"]);
    assert_eq!(nobody.code, Some(2), "{}", nobody.stderr);
}

#[test]
fn a_person_reads_what_is_broken_and_how_to_see_it_again() {
    let bench = Bench::take();
    let finished = careless(&bench, &["--timeout", "0.5", "--limit", "20"]);
    assert_eq!(
        finished.failed_with(1).lines().collect::<Vec<_>>(),
        [
            "3 cases, 4 runs of the client at a time",
            "judging with the user agent probe/1",
            "error: 1 MUST broken",
            "hint: each failure names the command that repeats it"
        ]
    );
    assert!(!finished.stdout.contains('\u{1b}'), "{}", finished.stdout);
    for part in [
        "   target   python3 -I -S -c $'",
        "user agent probe/1 · accepts encodings identity · stream true · stream_options none\n",
        "FAIL  framing.no-space\n",
        "     seen   silent loss: the text is \"\", not \"An oak stands",
        "   repeat   interference check-client --timeout 0.5 --limit 20 --only framing.no-space -- python3 -I -S -c $'",
        "Good practice that is not kept, which `--level should` counts:\n  ~ stream.finish-reason  silent loss: ",
    ] {
        assert!(finished.stdout.contains(part), "no {part:?} in {}", finished.stdout);
    }
    let quiet = careless(&bench, &["-q"]);
    assert!(quiet.failed_with(1).starts_with("error: 1 MUST broken\n"), "{}", quiet.stderr);
    let both = careless(&bench, &["--level", "should"]);
    assert!(both.failed_with(1).contains("error: 1 MUST broken, 1 SHOULD broken\n"), "{}", both.stderr);
}

#[test]
fn the_command_that_is_told_repeats_the_case() {
    let bench = Bench::take();
    let first = document(&careless(&bench, &["--json"]).stdout);
    let repeat = first["cases"][2]["repeat"].as_str().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_interference")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut shell = bench.program("bash");
    let again = finish(shell.arg("-c").arg(repeat).env("PATH", path));
    assert!(again.failed_with(1).contains("error: 1 MUST broken\n"), "{}", again.stderr);
    assert!(again.stdout.contains("FAIL  framing.no-space\n"), "{}", again.stdout);
    // Of many lines as it is, it can be copied from a terminal.
    assert!(!repeat.contains('\n') && again.stdout.contains(&format!("   repeat   {repeat}\n")), "{repeat}");
}

#[test]
fn evidence_has_both_sides_and_what_the_client_said() {
    let bench = Bench::take();
    let told = document(&careless(&bench, &["--json"]).stdout);
    assert_eq!(told["cases"][0]["evidence"], Value::Array(Vec::new()));
    let broken = &told["cases"][2];
    assert_eq!(broken["evidence"].as_array().unwrap().len(), 2);
    let evidence = shown(broken);
    for part in [
        "POST /framing.no-space/v1/chat/completions HTTP/1.1\\r\\n",
        "\"content\": \"write a poem about a tree\"",
        "HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream",
        "data:{\\\"id\\\":\\\"chatcmpl-exam\\\"",
        "stdout: {\"text\": \"\", \"finish_reason\": null, ",
        "stderr: all went well\\n",
        "it ended: exit status: 0",
    ] {
        let part = part.replace("\\\"", "\"");
        assert!(evidence.contains(&part), "no {part} in {evidence}");
    }
    assert_eq!(broken["evidence"][0]["curl"], broken["repeat"]);
    let all = document(&careless(&bench, &["--json", "--evidence", "all"]).stdout);
    assert!(shown(&all["cases"][0]).contains("stdout: {\"text\": \"An oak stands"));
}

#[test]
fn every_report_tells_of_a_client() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let formats = ["json", "text", "html", "junit", "sarif", "badge", "matrix", "matrix-md", "baseline"];
    let path = |format: &str| folder.path().join(format).to_str().unwrap().to_owned();
    let reports: Vec<String> = formats.iter().map(|format| format!("{format}={}", path(format))).collect();
    let mut arguments = vec!["-q", "--name", "careless client 1.0"];
    reports.iter().for_each(|report| arguments.extend(["--report", report]));
    careless(&bench, &arguments).failed_with(1);
    let read = |format: &str| fs::read_to_string(path(format)).unwrap();
    for (format, part) in [
        ("json", "\"target_name\": \"careless client 1.0\""),
        ("text", "target   careless client 1.0, python3 -I -S -c "),
        ("html", "<dt>brought about by</dt><dd>The ordinary stream with `data:` and no space."),
        ("junit", "<property name=\"target\" value=\"python3 -I -S -c "),
        ("sarif", "Brought about by: The ordinary stream with `data:` and no space."),
        ("badge", "1/2 MUST"),
        ("matrix", "framing.no-space"),
        ("matrix-md", "| framing.no-space | MUST | ✗ |"),
        ("baseline", "framing.no-space"),
    ] {
        assert!(read(format).contains(part), "no {part} in {format}: {}", read(format));
    }
    document(&read("json"));
    for format in ["html", "junit", "sarif", "text"] {
        for word in ["curl", "base_url", "the server"] {
            assert!(!read(format).contains(word), "{word} is no word about a client, but stands in {format}");
        }
    }
    let known = ["--baseline", &path("baseline")];
    assert!(
        careless(&bench, &known).succeeded().ends_with("no MUST is broken beyond the 1 of the baseline\n")
    );
    let stale = Probe::python(&bench, &[&CASES[..], &known].concat(), "sound()").running.finish();
    // It does not know a field without its space either, so nothing is stale; one that holds is.
    assert_eq!(stale.code, Some(0), "{}", stale.stderr);
    fs::write(path("baseline"), "stream.ordinary\nframing.no-space\n").unwrap();
    let stale = careless(&bench, &known);
    assert!(stale.failed_with(1).contains("error: 1 stale entry in the baseline\n"), "{}", stale.stderr);
}
