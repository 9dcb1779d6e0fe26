//! What passes: bytes, boundaries, statuses and headers, in both directions.

use std::collections::BTreeSet;

use futures::StreamExt;
use http::Method;
use interference_backend::{Backend, Refusal, ReplyBody};
use interference_backend_relay::{KeySource, RelayBackend, RelayOptions, Upstream};
use interference_wire::{LAST_CHUNK, Step, chunk};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{EVENTS, Server, json, silence, write};
use crate::{answer, get, post, refused, relay, request, upstream};

/// Boundaries that no event has, a comment, both line ends, bytes that are no UTF-8.
const PIECES: [&[u8]; 6] =
    [b"data: {\"a\":", b"1}\r\n", b"\r\n: ping\n\n", b"data: \xff\xfe", b"\n\ndata: [DONE]\n\n", b"\n"];

#[tokio::test]
async fn a_stream_passes_byte_for_byte_and_chunk_for_chunk() {
    let last = [LAST_CHUNK.to_vec()];
    let apart: Vec<Vec<u8>> = PIECES.iter().map(|piece| chunk(piece)).chain(last).collect();
    let together = vec![apart.concat()];
    for writes in [together, apart] {
        let play = std::iter::once(write(EVENTS)).chain(writes.iter().map(write)).collect();
        let server = Server::start([play]).await;
        let told = answer(&relay([upstream("a", &server)]), post("{}")).await.unwrap();
        assert_eq!(told.frames, PIECES);
        assert_eq!((told.broke_off, told.status), (None, 200));
    }
}

/// Where pieces end, counted from the beginning of the first.
fn ends<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> BTreeSet<usize> {
    let sums = pieces.into_iter().scan(0, |sum, piece| {
        *sum += piece.len();
        Some(*sum)
    });
    sums.collect()
}

#[tokio::test]
async fn chunks_that_come_in_parts_are_not_merged_either() {
    let body: Vec<u8> =
        PIECES.iter().flat_map(|piece| chunk(piece)).chain(LAST_CHUNK.iter().copied()).collect();
    for size in 1..body.len() {
        let play = std::iter::once(write(EVENTS)).chain(body.chunks(size).map(write)).collect();
        let server = Server::start([play]).await;
        let told = answer(&relay([upstream("a", &server)]), post("{}")).await.unwrap();
        assert_eq!(told.frames.concat(), PIECES.concat(), "in writes of {size} bytes");
        let told_ends = ends(told.frames.iter().map(|frame| &frame[..]));
        assert!(ends(PIECES).is_subset(&told_ends), "in writes of {size} bytes: {:?}", told.frames);
    }
}

#[tokio::test]
async fn what_has_come_is_passed_on_before_more_comes() {
    let server = Server::start([vec![write(EVENTS), write(chunk(b"first")), silence()]]).await;
    let relay = relay([upstream("a", &server)]);
    let ReplyBody::Frames(mut frames) = relay.answer(post("{}")).await.unwrap().body else { panic!() };
    assert_eq!(frames.next().await.unwrap().unwrap(), "first");
}

#[tokio::test]
async fn answers_are_what_they_were() {
    let long = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\n\r\n\x00\x01 until the end";
    let table = [
        (json("400 Bad Request", r#"{"error": {"message":"no"}}"#), 400, r#"{"error": {"message":"no"}}"#),
        (json("500 Internal Server Error", "<html>\n"), 500, "<html>\n"),
        ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".to_owned(), 302, ""),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), 204, ""),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(), 200, "ok"),
        (long.to_owned(), 200, "\x00\x01 until the end"),
    ];
    for (said, status, body) in table {
        let server = Server::start([vec![write(&said), Step::Close]]).await;
        let told = answer(&relay([upstream("a", &server)]), post("{}")).await.unwrap();
        assert_eq!((told.status, told.text().as_str(), told.broke_off), (status, body, None), "{said}");
        assert_eq!(told.from(), "a");
    }
}

#[tokio::test]
async fn headers_pass_but_those_of_the_connection() {
    let said = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Encoding: br\r\n\
                Connection: keep-alive, x-hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nSet-Cookie: a\r\n\
                Set-Cookie: b\r\nX-Request-Id: r\r\n\r\n{}";
    let server = Server::saying(said).await;
    let told = answer(&relay([upstream("a", &server)]), post("{}")).await.unwrap();
    let mut lines: Vec<String> =
        told.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    let expected = [
        "content-encoding: br",
        "content-length: 2",
        "content-type: application/json",
        "set-cookie: a",
        "set-cookie: b",
        "x-interference-upstream-request-id: r",
        "x-interference-upstream: a",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn an_upstream_sees_the_request_as_it_was() {
    let mut server = Server::saying(&json("200 OK", "{}")).await;
    let relay = relay([Upstream { key: Some("own".into()), ..upstream("a", &server) }]);
    let mut multipart = request(Method::POST, "/files", "--b\r\n\r\n{\"model\":\"a/b\"}\r\n--b--");
    multipart.query = Some("purpose=x%20y&z".to_owned());
    for (name, value) in [
        ("host", "here:1337"),
        ("content-type", "multipart/form-data; boundary=b"),
        ("content-length", "999"),
        ("authorization", "Bearer clients"),
        ("connection", "close"),
        ("expect", "100-continue"),
        ("x-interference", "seed=1"),
        ("cookie", "session=1"),
        ("accept-encoding", "br"),
    ] {
        multipart.headers.insert(name, value.parse().unwrap());
    }
    answer(&relay, multipart).await.unwrap();
    let host = server.url().replace("http://", "").replace("/v1", "");
    let mut expected = [
        "POST /v1/files?purpose=x%20y&z HTTP/1.1".to_owned(),
        "content-type: multipart/form-data; boundary=b".to_owned(),
        "authorization: Bearer own".to_owned(),
        "accept-encoding: br".to_owned(),
        format!("host: {host}"),
        "content-length: 29".to_owned(),
    ];
    let seen = server.seen().await;
    let (head, body) = seen.raw.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    lines[1..].sort_unstable();
    expected[1..].sort_unstable();
    let via = lines.pop().unwrap().strip_prefix("via: 1.1 interference-").unwrap();
    assert!(via.len() == 16 && via.bytes().all(|byte| byte.is_ascii_hexdigit()), "{via}");
    assert_eq!(lines, expected);
    assert_eq!(body, "--b\r\n\r\n{\"model\":\"a/b\"}\r\n--b--");
}

#[tokio::test]
async fn a_clients_key_passes_only_where_it_may() {
    let mut server = Server::saying(&json("200 OK", "{}")).await;
    for (pass_client_keys, key, expected) in [
        (false, None, None),
        (true, None, Some("Bearer clients")),
        (true, Some(SecretString::from("own")), Some("Bearer own")),
        (false, Some(SecretString::from("own")), Some("Bearer own")),
    ] {
        let options = RelayOptions { pass_client_keys, ..RelayOptions::default() };
        let relay = RelayBackend::new(vec![Upstream { key, ..upstream("a", &server) }], options).unwrap();
        let mut asked = get("/models");
        asked.headers.insert("authorization", "Bearer clients".parse().unwrap());
        answer(&relay, asked).await.unwrap();
        let seen = server.seen().await;
        let line = seen.raw.lines().find_map(|line| line.strip_prefix("authorization: "));
        assert_eq!(line, expected);
    }
}

/// What each upstream gets of a client's key, and whose key the relay says that is.
async fn keys_told(
    pass_client_keys: bool,
    upstreams: Vec<Upstream>,
    servers: &mut [Server],
) -> Vec<(KeySource, Option<String>)> {
    let options = RelayOptions { pass_client_keys, ..RelayOptions::default() };
    let relay = RelayBackend::new(upstreams, options).unwrap();
    let mut told = Vec::new();
    for ((name, source), server) in relay.key_sources().zip(servers) {
        // A list is asked for first, since nothing says who has the model; then the model of this one.
        for model in ["unheard-of".to_owned(), format!("{name}/x")] {
            let mut asked = post(&format!(r#"{{"model":"{model}"}}"#));
            asked.headers.insert("authorization", "Bearer clients".parse().unwrap());
            answer(&relay, asked).await.unwrap();
        }
        let lines = server.seen_so_far().into_iter().map(|seen| {
            let key = seen.raw.lines().find_map(|line| line.strip_prefix("authorization: "));
            (seen.line().to_owned(), key.map(str::to_owned))
        });
        let (lists, others): (Vec<_>, Vec<_>) =
            lines.partition(|(line, _)| line.starts_with("GET /v1/models "));
        assert!(lists.iter().all(|(_, key)| key.as_deref() != Some("Bearer clients")), "a list is nobody's");
        told.push((source, others.last().unwrap().1.clone()));
    }
    told
}

#[tokio::test]
async fn of_several_upstreams_only_the_named_ones_get_a_clients_key() {
    let said = json("200 OK", r#"{"data":[]}"#);
    let mut servers = [Server::saying(&said).await, Server::saying(&said).await, Server::saying(&said).await];
    let upstreams = vec![
        upstream("a", &servers[0]),
        Upstream { pass_client_keys: true, ..upstream("b", &servers[1]) },
        Upstream { key: Some("own".into()), ..upstream("c", &servers[2]) },
    ];
    let key = |key: &str| Some(format!("Bearer {key}"));
    let expected =
        [(KeySource::Nobody, None), (KeySource::Client, key("clients")), (KeySource::Upstream, key("own"))];
    assert_eq!(keys_told(true, upstreams, &mut servers).await, expected);
    let alone = vec![upstream("a", &servers[0])];
    assert_eq!(
        keys_told(true, alone.clone(), &mut servers[..1]).await,
        [(KeySource::Client, key("clients"))]
    );
    assert_eq!(keys_told(false, alone, &mut servers[..1]).await, [(KeySource::Nobody, None)]);
}

#[tokio::test]
async fn a_request_that_comes_back_is_told() {
    let mut server = Server::saying(&json("200 OK", "{}")).await;
    let (inner, outer) = (relay([upstream("a", &server)]), relay([upstream("a", &server)]));
    answer(&outer, get("/files")).await.unwrap();
    let seen = server.seen().await;
    let mut back = get("/files");
    let via = seen.raw.lines().find_map(|line| line.strip_prefix("via: ")).unwrap();
    back.headers.insert("via", via.parse().unwrap());
    assert_eq!(answer(&inner, back.clone()).await.unwrap().status, 200, "another relay is no loop");
    let vias = server.seen().await.raw.lines().filter(|line| line.starts_with("via: ")).count();
    assert_eq!(vias, 2);
    let (code, message) = refused(&outer, back).await;
    assert_eq!(code, "upstream_loop", "{message}");
    assert_eq!(server.seen_so_far().len(), 0);
}

#[tokio::test]
async fn a_trace_would_show_keys_and_is_not_passed_on() {
    let mut server = Server::saying(&json("200 OK", "{}")).await;
    let refusal = answer(&relay([upstream("a", &server)]), request(Method::TRACE, "/files", "")).await;
    let code = Some("method_not_passed_on");
    assert!(
        matches!(&refusal, Err(Refusal::InvalidRequest { code: told, .. }) if *told == code),
        "{refusal:?}"
    );
    assert_eq!(server.seen_so_far().len(), 0);
}

#[tokio::test]
async fn a_base_url_without_a_path_has_one_on_the_wire() {
    let mut server = Server::saying(&json("200 OK", "{}")).await;
    let url = server.url().replace("/v1", "");
    let relay = relay([Upstream::new("a", url)]);
    for (query, line) in [(None, "GET / HTTP/1.1"), (Some("a=b"), "GET /?a=b HTTP/1.1")] {
        let mut asked = get("");
        asked.query = query.map(str::to_owned);
        assert_eq!(answer(&relay, asked).await.unwrap().status, 200);
        assert_eq!(server.seen().await.line(), line);
    }
}

#[tokio::test]
async fn paths_do_not_lead_out_of_the_base_url() {
    let mut server = Server::saying(&json("200 OK", "{}")).await;
    let relay = relay([upstream("a", &server)]);
    for path in [
        "/../admin",
        "/files/./x",
        "/files/%2E%2e/x",
        "/files/.%2e",
        "/files/..%2F..%2Fadmin",
        "/files/%2e%2e%5cadmin",
        "/files/x%2f..",
        "/files/..\\x",
    ] {
        let refusal = answer(&relay, get(path)).await.unwrap_err();
        assert!(matches!(refusal, Refusal::InvalidRequest { code: Some("invalid_path"), .. }), "{refusal:?}");
    }
    assert!(answer(&relay, get("/files/..x/.../a%2Fb..%2Fc")).await.is_ok());
    assert_eq!(server.seen_so_far().len(), 1);
}

#[tokio::test]
async fn a_head_request_has_a_length_and_no_body() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n").await;
    let told = answer(&relay([upstream("a", &server)]), request(Method::HEAD, "/files/f", "")).await.unwrap();
    assert_eq!((told.header("content-length"), told.frames.len(), told.broke_off), ("500", 0, None));
}

/// Far more than a socket takes at once.
fn long_body() -> String {
    "a tree ".repeat(1 << 20)
}

#[tokio::test]
async fn a_long_request_arrives_whole() {
    let mut server = Server::saying(&json("200 OK", "{}")).await;
    let body = long_body();
    assert_eq!(answer(&relay([upstream("a", &server)]), post(&body)).await.unwrap().status, 200);
    assert!(server.seen().await.body() == body);
}

/// Reads a head, and what comes of the body with it.
async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
    }
    read
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = relay([Upstream::new("a", format!("http://{}/v1", listener.local_addr().unwrap()))]);
    // The second server wants all of the request after the beginning of its answer, the first wants no more of it.
    let refusing = async {
        let mut stream = listener.accept().await.unwrap().0;
        read_head(&mut stream).await;
        stream.write_all(json("413 Content Too Large", "no").as_bytes()).await.unwrap();
        stream
    };
    let long = long_body();
    let (told, _held) = tokio::join!(answer(&relay, post(&long)), refusing);
    assert_eq!((told.as_ref().unwrap().status, told.unwrap().text().as_str()), (413, "no"));
    let echoing = async {
        let mut stream = listener.accept().await.unwrap().0;
        let mut read = read_head(&mut stream).await;
        let length = read.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4 + long.len();
        stream.write_all(format!("{EVENTS}3\r\nyes\r\n").as_bytes()).await.unwrap();
        while read.len() < length {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
        }
        stream.write_all(b"3\r\nall\r\n0\r\n\r\n").await.unwrap();
        stream
    };
    let (told, stream) = tokio::join!(answer(&relay, post(&long)), echoing);
    assert_eq!(told.unwrap().frames, ["yes", "all"]);
    // That connection has had a whole request and a whole answer; the other one is not used again.
    let mut stream = stream;
    let again = async {
        read_head(&mut stream).await;
        stream.write_all(json("200 OK", "{}").as_bytes()).await.unwrap();
    };
    let (told, ()) = tokio::join!(answer(&relay, get("/models")), again);
    assert_eq!(told.unwrap().text(), "{}");
}

#[tokio::test]
async fn connections_are_used_again_while_they_last() {
    let keeping = || vec![write(json("200 OK", "{}"))];
    let closing = vec![write(json("200 OK", "{}")), Step::Close];
    let mut server = Server::start([keeping(), keeping(), closing, keeping()]).await;
    let relay = relay([upstream("a", &server)]);
    let mut connections = Vec::new();
    for _ in 0..3 {
        assert_eq!(answer(&relay, post("{}")).await.unwrap().text(), "{}");
        connections.push(server.seen().await.connection);
    }
    server.ended().await;
    // Its end is known, or is met when nothing of the request was written: both cost nobody anything.
    assert_eq!(answer(&relay, post("{}")).await.unwrap().text(), "{}");
    connections.push(server.seen().await.connection);
    assert_eq!(connections, [0, 0, 0, 1]);
}
