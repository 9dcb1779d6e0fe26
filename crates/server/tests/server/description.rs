//! `/openapi.json`: it is there, with and without the prefix, and needs no key.

use interference_server::ServeOptions;
use secrecy::SecretString;
use serde_json::Value;

use crate::exchange::Running;

#[tokio::test]
async fn it_is_read_without_a_key() {
    let api_keys = vec![SecretString::from("sk-test")];
    let server = Running::start(ServeOptions { api_keys, ..ServeOptions::default() }).await;
    let answer = server.get("/openapi.json").await;
    assert_eq!(answer.status, 200);
    assert_eq!(server.get("/v1/openapi.json").await.body, answer.body);
    let description: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    assert!(description["paths"]["/chat/completions"]["post"].is_object());
}
