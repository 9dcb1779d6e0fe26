//! Encrypted upstreams.

use std::sync::Arc;
use std::time::Duration;

use interference_backend_relay::{RelayBackend, RelayOptions, RootCertStore, Upstream, UpstreamTimeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto};

use crate::server::{Server, json};
use crate::{PATIENCE, answer, post, refused, upstream};

fn relay_trusting(roots: RootCertStore, upstream: Upstream) -> RelayBackend {
    let options = RelayOptions { roots: Some(roots), ..RelayOptions::default() };
    RelayBackend::new(vec![Upstream { retries: 0, ..upstream }], options).unwrap()
}

#[tokio::test]
async fn an_encrypted_upstream_is_asked_when_it_is_trusted() {
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
    let there = Upstream::new("a", format!("https://localhost:{}/v1", listener.local_addr().unwrap().port()));
    let serving = async {
        // The second peer trusts nobody, and leaves during the handshake.
        let mut stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(json("200 OK", "{}").as_bytes()).await.unwrap();
        assert!(acceptor.accept(listener.accept().await.unwrap().0).await.is_err());
    };
    let asking = async {
        let mut trusted = RootCertStore::empty();
        trusted.add(certificate).unwrap();
        let told = answer(&relay_trusting(trusted, there.clone()), post("{}")).await.unwrap();
        assert_eq!(told.text(), "{}");
        let distrustful = relay_trusting(RootCertStore::empty(), there);
        let (code, message) = refused(&distrustful, post("{}")).await;
        assert_eq!(code, "upstream_unreachable");
        assert!(message.contains("No secure connection") && message.contains("SSL_CERT_FILE"), "{message}");
    };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn an_upstream_that_does_not_encrypt_is_told() {
    let server = Server::start([Vec::new()]).await;
    let base_url = server.url().replace("http:", "https:");
    let there = Upstream { base_url, ..upstream("a", &server) };
    let (code, message) = refused(&relay_trusting(RootCertStore::empty(), there), post("{}")).await;
    assert_eq!(code, "upstream_unreachable");
    assert!(message.contains("wants a base URL that begins with `http://`"), "{message}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect = Duration::from_millis(50);
    let timeouts = UpstreamTimeouts { connect, first_byte: PATIENCE, between_bytes: PATIENCE };
    let there =
        Upstream { timeouts, ..Upstream::new("a", format!("https://{}/v1", listener.local_addr().unwrap())) };
    let (code, message) = refused(&relay_trusting(RootCertStore::empty(), there), post("{}")).await;
    assert_eq!(code, "upstream_timeout");
    assert!(message.contains("no answer within 50ms"), "{message}");
}
