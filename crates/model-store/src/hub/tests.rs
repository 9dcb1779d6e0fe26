//! The hub as a source, against a small hub on loopback.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use super::*;
use crate::progress::Recorded;

const FILE: HubFile = HubFile { repository: "owner/name", revision: "0123abcd", path: "model.gguf" };
const CONTENT: &str = "a very small model";

/// Answers every request for the file with `content`, one connection each, and honours the range's start.
fn serve_hub(content: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let request: Vec<String> = BufReader::new(connection.try_clone().unwrap())
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            assert_eq!(request[0], "GET /owner/name/resolve/0123abcd/model.gguf HTTP/1.1");
            let size_only = request.iter().any(|line| line.eq_ignore_ascii_case("range: bytes=0-0"));
            let body = if size_only { &content[..1] } else { content };
            write!(
                connection,
                "HTTP/1.1 206 Partial Content\r\nx-repo-commit: 0123abcd\r\netag: \"e\"\r\nconnection: close\r\n\
                 content-range: bytes 0-{}/{}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len() - 1,
                content.len(),
                body.len(),
            )
            .unwrap();
        }
    });
    endpoint
}

#[test]
fn the_file_arrives_with_its_progress() {
    let staging = tempfile::tempdir().unwrap();
    let settings = Settings { endpoint: Some(serve_hub(CONTENT) + "/"), ..Settings::default() };
    let mut progress = Recorded::default();
    let path = download(&FILE, CONTENT.len() as u64, &settings, staging.path(), &mut progress).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), CONTENT);
    assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(progress.position_bytes, CONTENT.len() as u64);
}

#[test]
fn a_file_that_is_too_long_is_given_up() {
    let staging = tempfile::tempdir().unwrap();
    let settings = Settings { endpoint: Some(serve_hub(CONTENT)), ..Settings::default() };
    let error = download(&FILE, 3, &settings, staging.path(), &mut Recorded::default()).unwrap_err();
    assert!(matches!(error, HubError::TooLong { expected: 3 }), "{error}");
}

#[test]
fn a_hub_that_is_not_there_is_an_error_at_once() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let staging = tempfile::tempdir().unwrap();
    let settings = Settings { endpoint: Some(format!("http://{unused}")), ..Settings::default() };
    let error = download(&FILE, 3, &settings, staging.path(), &mut Recorded::default()).unwrap_err();
    assert!(matches!(error, HubError::Request(_)), "{error}");
}

#[test]
fn offline_asks_nobody() {
    let staging = tempfile::tempdir().unwrap();
    let settings = Settings { offline: true, ..Settings::default() };
    let error = download(&FILE, 3, &settings, staging.path(), &mut Recorded::default()).unwrap_err();
    assert!(matches!(error, HubError::Offline));
}

#[test]
fn offline_is_read_as_the_hub_reads_it() {
    assert!(["1", "on", "Yes", "TRUE"].iter().all(|value| is_true(value)));
    assert!(!["0", "off", "no", "false"].iter().any(|value| is_true(value)));
}
