//! What `docs/cassettes.md` shows.

use interference_cassette::Cassette;

#[test]
fn the_file_that_is_shown_is_one_that_is_written() {
    let documentation = include_str!("../../../../docs/cassettes.md");
    let (_, shown) = documentation.split_once("```json\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let cassette = Cassette::from_json(shown.as_bytes()).unwrap();
    assert_eq!(cassette.to_json(), shown);
}
