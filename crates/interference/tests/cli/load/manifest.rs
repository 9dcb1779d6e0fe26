//! The Job of `deploy/kubernetes`: as Kubernetes would take it, and as its containers run and its comments say.
//!
//! What is changed of it here is where the server is, how long the run takes, and how many pods there are, in the three places
//! that its comments name.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use interference_report::load::LoadReport;
use saphyr_parser::{Event, Parser};

use super::{ANY, Loaded};
use crate::bench::{Bench, Finished, Running, finish, from_xtask};

const MANIFEST: &str = include_str!("../../../../../deploy/kubernetes/load-job.yaml");
/// One that is old by now, and the newest whose schema the validator has.
const VERSIONS: [&str; 2] = ["1.25.0", "1.37.0"];
const PODS: usize = 2;

/// A manifest, with this in the place of that.
fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(MANIFEST.to_owned(), |manifest, (that, this)| {
        assert!(manifest.contains(that), "`{that}` is not there");
        manifest.replace(that, this)
    })
}

/// The strings of the list that is the value of a key, which is there once.
fn list(manifest: &str, key: &str) -> Vec<String> {
    let mut events = Parser::new_from_str(manifest).map(|event| event.unwrap().0);
    assert!(events.any(|event| matches!(event, Event::Scalar(text, ..) if text == key)));
    assert!(matches!(events.next(), Some(Event::SequenceStart(..))), "`{key}` is a list");
    let items = events.map_while(|event| match event {
        Event::Scalar(text, ..) => Some(text.into_owned()),
        _ => None,
    });
    items.collect()
}

/// The values of `env` that stand in the manifest.
fn variables(manifest: &str) -> HashMap<String, String> {
    let lines: Vec<&str> = manifest.lines().map(str::trim).collect();
    let pairs = lines.windows(2).filter_map(|pair| {
        let name = pair[0].strip_prefix("- name: ")?;
        let value = pair[1].strip_prefix("value: ")?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    });
    pairs.collect()
}

/// `$(NAME)` becomes the value of a variable of the container, and stays where there is none.
fn expanded(word: &str, variables: &HashMap<String, String>) -> String {
    let fill = |word: String, (name, value): (&String, &String)| word.replace(&format!("$({name})"), value);
    variables.iter().fold(word.to_owned(), fill)
}

/// The commands of a comment that begin so, as they stand there.
fn commented(beginning: &str) -> &'static str {
    let commands = MANIFEST.lines().filter_map(|line| line.strip_prefix("#   "));
    let mut found = commands.filter(|command| command.starts_with(beginning));
    found.next().unwrap_or_else(|| panic!("no command begins with `{beginning}`"))
}

fn shell(bench: &Bench, command: &str, folder: &Path) -> Finished {
    finish(bench.program("bash").args(["-c", command]).current_dir(folder))
}

#[test]
fn pods_do_a_run_by_the_manifest_and_its_comments() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let reports = loaded.path("reports");
    fs::create_dir(&reports).unwrap();
    let split = format!("/{PODS}");
    let manifest = changed(&[
        ("completions: 4\n", &format!("completions: {PODS}\n")),
        ("parallelism: 4\n", &format!("parallelism: {PODS}\n")),
        ("--shard=$(JOB_COMPLETION_INDEX)/4", &format!("--shard=$(JOB_COMPLETION_INDEX){split}")),
        ("http://my-server:8000/v1", &loaded.server.base_url()),
        ("--duration=5m", "--duration=500ms"),
        ("--warmup=30s", "--warmup=100ms"),
        ("first_content_ms_p99<500", "first_content_ms_p99<60000"),
        ("json=/reports/", &format!("json={reports}/")),
    ]);
    fs::write(loaded.path("load-job.yaml"), manifest).unwrap();

    // What would be applied, by the commands that set the start, but for how far ahead it is.
    let (start, apply) = (commented("start="), commented("sed "));
    let apply = apply.strip_suffix(" | kubectl apply -f -").expect("it is applied");
    let apply = apply.replace("deploy/kubernetes/", "");
    let soon = start.replace("+3 minutes", "+4 seconds");
    let applied = shell(&bench, &format!("{soon}\n{apply}"), loaded.folder.path()).succeeded();

    let command = list(&applied, "command");
    assert_eq!(command, ["interference"]);
    let running: Vec<Running> = (0..PODS)
        .map(|index| {
            let mut variables = variables(&applied);
            variables.insert("JOB_COMPLETION_INDEX".to_owned(), index.to_string());
            let arguments: Vec<String> =
                list(&applied, "args").iter().map(|word| expanded(word, &variables)).collect();
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            // The time that each takes to measure itself is known from other tests.
            let mut container = bench.command(&[&words[..], &["--no-certificate"]].concat());
            container.envs(&variables).stdout(Stdio::piped()).stderr(Stdio::piped());
            Running { child: container.spawn().unwrap() }
        })
        .collect();
    for pod in running {
        pod.finish().succeeded();
    }

    let merge = commented("interference report merge").replacen(
        "interference",
        env!("CARGO_BIN_EXE_interference"),
        1,
    );
    let merge = format!("{} --report json=whole.json", merge.replace("/reports", &reports));
    let told = shell(&bench, &merge, loaded.folder.path()).succeeded();
    assert!(told.contains("0/2, 1/2"), "{told}");
    assert!(fs::read_to_string(loaded.path("load.html")).unwrap().starts_with("<!"));
    let whole = LoadReport::from_json(&fs::read_to_string(loaded.path("whole.json")).unwrap()).unwrap();
    assert_eq!((whole.shards.len(), whole.notes.len()), (PODS, 0), "{:?}", whole.notes);
    let counts = whole.measurements.counts;
    assert!(counts.scheduled > 0);
    assert_eq!((counts.good, whole.met()), (counts.scheduled, true), "{:?}", whole.measurements.errors);
}

#[test]
fn the_manifest_is_one_by_the_schemas_of_kubernetes() {
    let python = from_xtask("INTERFERENCE_TEST_PYTHON");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.yaml");
    let validated = |manifest: &str, version: &str| {
        fs::write(&path, manifest).unwrap();
        let validator = ["-m", "kubernetes_validate", "--strict", "-k", version];
        finish(Command::new(&python).args(validator).arg(&path))
    };
    for version in VERSIONS {
        let finished = validated(MANIFEST, version);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        let told = format!("{}{}", finished.stdout, finished.stderr);
        for resource in ["job/interference-load", "persistentvolumeclaim/interference-load-reports"] {
            assert!(told.contains(&format!("passed for resource {resource} ")), "{told}");
        }
        let slip = validated(&changed(&[("completionMode:", "completionsMode:")]), version);
        assert_eq!(slip.code, Some(1), "{slip:#?}");
    }
}
