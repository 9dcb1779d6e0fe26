//! What is kept: found again after the worst, bounded, and missed without harm where it cannot be kept.

use serde_json::{Value, json};

use super::{Folder, create, created, delete, events, id, path};
use crate::bench::{Bench, Server};
use crate::exchange::{Exchange, get, post};

fn serve(folder: &Folder, bench: &Bench) -> Server {
    folder.serve(bench, &["--state", folder.file("state.db").to_str().unwrap()])
}

/// Asks for a stream, kills the server as soon as the end begins to come, and gives the response's id.
fn killed_at_the_end(server: &mut Server, request: &Value) -> String {
    let mut exchange = Exchange::send(server.address, post("/v1/responses", &request.to_string()).as_bytes());
    exchange.read_until("event: response.completed");
    server.signal("KILL");
    assert_eq!(server.exit_code(), None, "a signal ended it");
    let text = exchange.text();
    let (_, id) = text.split_once("\"id\":\"").unwrap();
    id.split('"').next().unwrap().to_owned()
}

#[test]
fn a_response_whose_end_was_told_survives_a_kill() {
    let bench = Bench::take();
    let folder = Folder::new();
    let mut kept: Vec<String> = Vec::new();
    for input in ["I am Ann.", "Who am I?", "And now?"] {
        let mut server = serve(&folder, &bench);
        let request =
            json!({"model": "m", "input": input, "stream": true, "previous_response_id": kept.last()});
        kept.push(killed_at_the_end(&mut server, &request));
    }
    let server = serve(&folder, &bench);
    let responses = kept.iter().map(|id| get(server.address, &format!("/v1/responses/{id}")).json());
    let responses: Vec<Value> = responses.collect();
    let said: Vec<&Value> =
        responses.iter().map(|response| &response["output"][0]["content"][0]["text"]).collect();
    // The second answer depends on the first turn.
    assert_eq!(said, ["A green tree.", "You are Ann.", "A green tree."]);
    assert!(responses.iter().all(|response| response["status"] == "completed"), "{responses:#?}");
}

#[test]
fn responses_are_found_listed_and_deleted() {
    let bench = Bench::take();
    let server = Folder::new().serve(&bench, &[]);
    let response = created(&server, &json!({"model": "m", "input": "a tree"}));
    assert_eq!(get(server.address, &path(&response)).json(), response);
    let list = get(server.address, &format!("{}/input_items?order=asc", path(&response))).json();
    let item = &list["data"][0];
    assert_eq!(item["content"], json!([{"type": "input_text", "text": "a tree"}]));
    assert_eq!(
        list,
        json!({"object": "list", "data": [item], "first_id": item["id"], "last_id": item["id"], "has_more": false})
    );
    let deleted = delete(&server, &path(&response)).json();
    assert_eq!(deleted, json!({"id": id(&response), "object": "response", "deleted": true}));
    assert_eq!(get(server.address, &path(&response)).status, 404);
    assert_eq!(delete(&server, &path(&response)).status, 404);

    let unkept = created(&server, &json!({"model": "m", "input": "a", "store": false}));
    assert_eq!(get(server.address, &path(&unkept)).status, 404);
}

#[test]
fn the_oldest_go_first() {
    let bench = Bench::take();
    let server = Folder::new().serve(&bench, &["--state-max-count", "2"]);
    let responses = [1, 2, 3].map(|_| created(&server, &json!({"model": "m", "input": "a"})));
    let statuses = responses.each_ref().map(|response| get(server.address, &path(response)).status);
    assert_eq!(statuses, [404, 200, 200]);
}

#[test]
fn a_full_disk_fails_requests_and_not_the_server() {
    let bench = Bench::take();
    let folder = Folder::new();
    let [script, state] = ["script.toml", "state.db"].map(|name| folder.file(name));
    let server = bench.serve_in_shell(
        // Files of at most 128 KiB, as a disk has them that is full: what does not fit is an error, and no signal.
        "trap '' XFSZ; ulimit -f 256; exec \"$@\"",
        &["--script", script.to_str().unwrap(), "--state", state.to_str().unwrap()],
    );
    server.until_said("ready");
    let request = json!({"model": "m", "input": "x".repeat(8_000)});
    let first = created(&server, &request);
    let full = (0..100).map(|_| create(&server, &request)).find(|answer| answer.status != 200).unwrap();
    assert_eq!((full.status, &full.json()["error"]["code"]), (500, &json!("state_not_saved")), "{full:#?}");

    let mut streamed = request.clone();
    streamed["stream"] = json!(true);
    let last = events(&create(&server, &streamed).body).pop().unwrap();
    assert_eq!(
        (&last["type"], &last["response"]["error"]["code"]),
        (&json!("response.failed"), &json!("state_not_saved"))
    );
    let mut unkept = request.clone();
    unkept["store"] = json!(false);
    assert_eq!(created(&server, &unkept)["status"], "completed");
    assert_eq!(get(server.address, &path(&first)).json(), first);
}

#[test]
fn a_file_that_is_something_else_is_left_alone() {
    let bench = Bench::take();
    let folder = Folder::new();
    let script = folder.file("script.toml");
    let script = script.to_str().unwrap();
    let before = std::fs::read(script).unwrap();
    let arguments = ["serve", "--listen", "localhost:0", "--script", script, "--state", script];
    let finished = bench.run(&arguments);
    let told = finished.failed_with(2);
    assert!(told.contains("script.toml is not a state file of this program"), "{told}");
    assert_eq!(std::fs::read(script).unwrap(), before);
}
