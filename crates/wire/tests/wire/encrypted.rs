//! TLS: trust, the two ways in which it ends, and both ways to leave.

use std::sync::Arc;
use std::time::Duration;

use interference_wire::rustls::pki_types::{PrivateKeyDer, ServerName};
use interference_wire::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use interference_wire::{
    BodyExpected, ConnectError, Connection, Ending, Framing, Liberty, Limits, Place, Remark, Target,
    TimeBound,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const TO_THE_END: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nab";
const WITH_LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";

struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    trusting: Arc<ClientConfig>,
}

impl Server {
    async fn bind() -> Server {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = certified.cert.der().clone();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let mut trusted = RootCertStore::empty();
        trusted.add(certificate).unwrap();
        Server {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            trusting: client_config(trusted),
        }
    }

    fn target(&self, config: Arc<ClientConfig>) -> Target {
        let name = ServerName::try_from("localhost").unwrap();
        Target::encrypted("127.0.0.1", self.listener.local_addr().unwrap().port(), config, name)
    }

    /// Both ends, after a request.
    async fn connected(&self) -> (Connection, TlsStream<TcpStream>) {
        let accept = async {
            let (stream, _) = self.listener.accept().await.unwrap();
            self.acceptor.accept(stream).await.unwrap()
        };
        let target = self.target(Arc::clone(&self.trusting));
        let (connection, mut stream) = tokio::join!(Connection::connect(&target, Limits::default()), accept);
        let mut connection = connection.unwrap();
        connection.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 18]).await.unwrap();
        (connection, stream)
    }
}

fn client_config(trusted: RootCertStore) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Arc::new(config)
}

#[tokio::test]
async fn an_end_without_close_notify_is_told() {
    let server = Server::bind().await;
    let without = |offset| vec![Remark { liberty: Liberty::NoCloseNotify, offset }];
    let cases = [
        (TO_THE_END, true, Ending::Complete { by: Framing::ConnectionEnd }, vec![]),
        (TO_THE_END, false, Ending::Cut(Place::Body), without(TO_THE_END.len())),
        (WITH_LENGTH, true, Ending::Complete { by: Framing::Length(2) }, vec![]),
        (WITH_LENGTH, false, Ending::Complete { by: Framing::Length(2) }, vec![]),
        (&WITH_LENGTH[..38], true, Ending::LengthMismatch { expected: 2, received: 0 }, vec![]),
        (&WITH_LENGTH[..38], false, Ending::LengthMismatch { expected: 2, received: 0 }, without(38)),
        (&WITH_LENGTH[..20], false, Ending::Cut(Place::Head), without(20)),
    ];
    for (bytes, with_notify, ending, remarks) in cases {
        let (mut connection, mut stream) = server.connected().await;
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        if with_notify {
            stream.shutdown().await.unwrap();
        }
        drop(stream);
        let answer = connection.read_answer(BodyExpected::Yes).await;
        assert_eq!((answer.received.ending, answer.received.remarks), (ending, remarks), "{bytes:?}");
        assert_eq!(answer.received.raw, bytes);
        connection.close().await;
    }
}

#[tokio::test]
async fn the_server_sees_how_the_client_leaves() {
    let server = Server::bind().await;
    let mut rest = Vec::new();

    let (mut connection, mut stream) = server.connected().await;
    connection.half_close().await.unwrap();
    assert_eq!(stream.read_to_end(&mut rest).await.unwrap(), 0, "close_notify");
    stream.write_all(WITH_LENGTH).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(connection.read_answer(BodyExpected::Yes).await.received.body, b"ab");

    let (connection, mut stream) = server.connected().await;
    connection.reset();
    let error = stream.read_to_end(&mut rest).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn no_connection_without_trust_or_handshake() {
    let server = Server::bind().await;
    let target = server.target(client_config(RootCertStore::empty()));
    let accept = async {
        let (stream, _) = server.listener.accept().await.unwrap();
        server.acceptor.accept(stream).await
    };
    let (connection, accepted) = tokio::join!(Connection::connect(&target, Limits::default()), accept);
    assert!(matches!(connection, Err(ConnectError::Handshake { .. })), "{connection:?}");
    assert!(accepted.is_err());

    let mut limits = Limits::default();
    limits.time.connect = Duration::from_millis(30);
    // The system accepts, nobody answers.
    let error = Connection::connect(&target, limits).await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { bound: TimeBound::Connect, .. }), "{error}");
}
