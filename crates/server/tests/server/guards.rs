//! Keys, and the check of the Host header.

use interference_server::ServeOptions;
use secrecy::SecretString;

use crate::exchange::{Running, post};

#[tokio::test]
async fn with_keys_one_of_them_is_needed() {
    let api_keys = vec![SecretString::from("first"), SecretString::from("second")];
    let server = Running::start(ServeOptions { api_keys, ..ServeOptions::default() }).await;
    let with = |key: &str| post("whole").replace("host:", &format!("authorization: Bearer {key}\r\nhost:"));
    assert_eq!(server.exchange(&with("second")).await.status, 200);
    assert_eq!(
        server.exchange(&with("guessed")).await.as_text(),
        "401\ncontent-type: application/json\nwww-authenticate: Bearer\nconnection: close\n\n\
         {\"error\":{\"message\":\"The API key is not one of this server's.\",\"type\":\"invalid_request_error\",\
         \"param\":null,\"code\":\"invalid_api_key\"}}"
    );
    assert_eq!(
        server.get("/models").await.as_text(),
        "401\ncontent-type: application/json\nwww-authenticate: Bearer\nconnection: close\n\n\
         {\"error\":{\"message\":\"You did not give an API key. Give it in the header 'Authorization: Bearer KEY'.\",\
         \"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"}}"
    );
    assert_eq!(server.get("/health").await.status, 200);
    assert_eq!(server.get("/v1/health").await.status, 200);
}

#[tokio::test]
async fn a_foreign_host_is_turned_away() {
    let allowed_hosts = vec!["bench.example".to_owned()];
    let server = Running::start(ServeOptions { allowed_hosts, ..ServeOptions::default() }).await;
    let of = |host: &str| format!("GET /health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    for host in ["localhost:1337", "127.0.0.1", "[::1]:80", "bench.example:8080"] {
        assert_eq!(server.exchange(&of(host)).await.status, 200, "{host}");
    }
    assert_eq!(
        server.exchange(&of("evil.example:1337")).await.as_text(),
        "403\ncontent-type: application/json\nconnection: close\n\n\
         {\"error\":{\"message\":\"This server answers for this machine only, and the host 'evil.example:1337' is \
         another. If it is meant, allow it when you start the server.\",\"type\":\"invalid_request_error\",\
         \"param\":null,\"code\":\"host_not_allowed\"}}"
    );
    let nameless = server.exchange("GET /health HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert_eq!(nameless.status, 400, "{nameless:?}");
}
