//! The page of `check-client --listen` in a browser, used as a person would.

use crate::bench::{Bench, from_xtask};
use crate::clients::suite::run_node_test;

#[test]
fn a_person_examines_a_client() {
    let bench = Bench::take();
    let mut examiner = bench.listen(&["--only", "stream.*", "--only", "framing.crlf"]);
    let mut node = bench.program("node");
    node.current_dir(from_xtask("INTERFERENCE_TEST_BROWSER"));
    node.env("PAGE", format!("http://{}/", examiner.address));
    run_node_test(&mut node, "check_client_listen.test.mjs");
    // What was said on the page is told here, too, and the case without a report fails nothing.
    examiner.until_said("phone: PASS stream.ordinary");
    examiner.until_said("phone: FAIL framing.crlf: silent loss: ");
    examiner.until_said("phone: PASS framing.crlf");
    examiner.signal("INT");
    assert_eq!(examiner.exit_code(), Some(0), "{}", examiner.said());
}
