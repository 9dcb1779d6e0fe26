//! Reaching a server, or not.

use std::sync::Arc;
use std::time::Duration;

use interference_client::{Client, ClientError, ClientTimeouts, RootCertStore, Target};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto, pki_types::PrivateKeyDer};

use crate::byte_server::{ByteServer, Step, event_stream, outcome_of, read_request, request, sound_stream};

fn client(base_url: &str, roots: RootCertStore) -> Client {
    let target = Target::parse(base_url, None).unwrap();
    Client::with_roots(target, ClientTimeouts::default(), roots).unwrap()
}

/// A port of loopback on which nothing listens: it was free a moment ago.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn nothing_listens_is_told_apart() {
    let port = free_port().await;
    for host in ["127.0.0.1", "localhost"] {
        let client = client(&format!("http://{host}:{port}/v1"), RootCertStore::empty());
        let error = client.models().await.unwrap_err();
        assert!(error.nothing_listens(), "{error:?}");
        let expected = format!("Could not connect to {host}:{port}: Connection refused");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_host_is_told_apart() {
    let error = client("http://host.invalid/v1", RootCertStore::empty()).models().await.unwrap_err();
    assert!(matches!(error, ClientError::UnknownHost { .. }), "{error:?}");
    assert!(!error.nothing_listens());
}

#[tokio::test]
async fn localhost_finds_a_listener_on_either_address() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        // A machine without IPv6 has no such listener to find.
        let Ok(listener) = TcpListener::bind(address).await else { continue };
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            stream.write_all(&event_stream(sound_stream())).await.unwrap();
            request
        });
        let client = client(&format!("http://localhost:{port}/v1"), RootCertStore::empty());
        outcome_of(&client, &request()).await.assert_whole("A tree 🌳");
        assert!(server.await.unwrap().contains(&format!("\r\nhost: localhost:{port}\r\n")));
    }
}

#[tokio::test]
async fn dropping_an_answer_closes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(&event_stream(": ping\n\n")).await.unwrap();
        // Ends when the client goes away; a reset is as good as an end.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    });
    let answer = client(&base_url, RootCertStore::empty()).chat(&request()).await.unwrap();
    drop(answer);
    tokio::time::timeout(Duration::from_secs(20), server).await.unwrap().unwrap();
}

#[tokio::test]
async fn encrypted_servers_are_read_when_they_are_trusted() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = certified.cert.der().clone();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://localhost:{}/v1", listener.local_addr().unwrap().port());
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            read_request(&mut stream).await;
            stream.write_all(&event_stream(sound_stream())).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });

    let mut trusted = RootCertStore::empty();
    trusted.add(certificate).unwrap();
    outcome_of(&client(&base_url, trusted), &request()).await.assert_whole("A tree 🌳");
    let outcome = outcome_of(&client(&base_url, RootCertStore::empty()), &request()).await;
    let error = outcome.error.unwrap();
    assert!(matches!(error, ClientError::Tls { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("SSL_CERT_FILE"));
    server.abort();
}

#[tokio::test]
async fn an_unencrypted_server_is_no_secure_one() {
    let server = ByteServer::start(vec![Step::Hold]).await;
    let base_url = server.base_url.replace("http:", "https:");
    let target = Target::parse(&base_url, None).unwrap();
    let timeouts = ClientTimeouts { connect: Duration::from_millis(300), ..ClientTimeouts::default() };
    let error =
        Client::with_roots(target, timeouts, RootCertStore::empty()).unwrap().models().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("no answer within 300ms"), "{error}");
}
