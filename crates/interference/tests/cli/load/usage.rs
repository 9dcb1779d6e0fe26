//! Command lines that ask for what cannot be, and servers that cannot be asked.

use super::{ANY, Loaded};
use crate::bench::Bench;

#[test]
fn a_server_that_is_not_there_is_told() {
    let bench = Bench::take();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let finished = bench.run(&["load", &format!("http://127.0.0.1:{port}/v1"), "-m", "any", "--rate", "1"]);
    let said = finished.failed_with(3);
    assert!(said.contains(&format!("no connection to 127.0.0.1, port {port}")), "{said}");
    assert!(said.contains("hint: is the server running"), "{said}");
    assert_eq!(finished.stdout, "");
}

#[test]
fn a_key_that_opens_nothing_is_told_before_the_run() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &["--api-key", "sk-right"]);
    let finished = loaded.run(&["--rate", "1", "--api-key", "sk-wrong"]);
    let said = finished.failed_with(1);
    assert!(said.contains("with status 401: "), "{said}");
    assert!(said.contains("hint: `--api-key env:NAME` gives a key"), "{said}");
    let brief = ["--rate", "10", "--duration", "200ms", "--no-certificate", "--json"];
    let keyed = super::document(&loaded.run(&[&["--api-key", "sk-right"], &brief[..]].concat()));
    assert_eq!(keyed["valid_goodput_ratio"], 1.0);
    assert!(!keyed.to_string().contains("sk-right"), "a key stands in no report");
}

#[test]
fn nothing_says_when() {
    let bench = Bench::take();
    let loaded = Loaded::new(&bench, ANY, &[]);
    let finished = loaded.run(&[]);
    let said = finished.failed_with(2);
    assert!(said.contains("nothing says when requests are sent"), "{said}");
    assert!(said.contains("`--rate 10`"), "{said}");
}

/// None of these reaches for the server, which is not there.
#[test]
fn what_is_wrong_with_a_command_line_is_told() {
    let bench = Bench::take();
    for (arguments, told) in [
        (&["--rate", "1", "--slo", "first_content_p99<500"][..], "did you mean `first_content_ms_p99`?"),
        (&["--rate", "1", "--slo", "failed=0"], "it has to be NAME<NUMBER"),
        (&["--rate", "1", "--shard", "0/0"], "0/0"),
        (&["--rate", "1", "--shard", "2/2"], "2/2"),
        (&["--rate", "1", "--start-at", "soon"], "soon"),
        (&["--rate", "fast"], "fast"),
        (&["--rate", "1", "--concurrency", "1"], "cannot be used with"),
        (&["--sweep"], "--slo"),
        (&["--rate", "1", "--endpoint", "chats"], "expected one of chat, completions, responses, embeddings"),
        (&["--rate", "1", "--report", "pdf=a"], "there is no format `pdf`"),
        (&["--rate", "1", "--plant-stall", "0s"], "expected at least a millisecond"),
        (&["--sweep", "--slo", "failed<=0", "--shard", "0/2"], "`--sweep` has no shards"),
        (&["--rate", "1", "--think-time", "1s"], "--think-time is between the requests of a user"),
        (&["--requests", "a.jsonl", "--think-time", "1s"], "cannot be used with"),
        (&["--rate", "1", "--fault-rates", "2"], "expected a number from 0 to 1"),
    ] {
        let finished = bench.run(&[&["load", "http://127.0.0.1:9/v1", "-m", "any"], arguments].concat());
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert!(finished.stderr.contains(told), "{finished:#?}");
    }
    let loaded = Loaded::new(&bench, ANY, &[]);
    let empty = loaded.run(&["--rate", "0.001", "--duration", "10ms", "--seed", "2", "--slo", "failed<=0"]);
    assert!(
        empty.failed_with(2).contains("no arrival falls into the run: 0.001 a second for 10ms"),
        "{empty:#?}"
    );
    let nowhere = bench.run(&["load", "-m", "any", "--rate", "1"]);
    assert_eq!(nowhere.code, Some(2), "{nowhere:#?}");
    assert!(nowhere.stderr.contains("BASE_URL"), "{nowhere:#?}");
}
