//! A sound server that stands behind something stays one: behind TLS, and behind a reverse proxy. Where TLS does not trust
//! it, what is wrong is told, and what to do.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use super::{document, sound_script};
use crate::bench::{Bench, Running, Server};
use crate::tls::{Authority, Front};

/// The cases that fill a server cost as much as all others together, and ask nothing of what stands before it.
const WITHOUT_FILLING: [&str; 4] = ["--skip", "life.disconnect-*", "--skip", "life.silent-start"];

fn sound_server(bench: &Bench, folder: &TempDir) -> Server {
    let script = folder.path().join("script.toml");
    fs::write(&script, sound_script()).unwrap();
    let server = bench.serve_with(&["--script", script.to_str().unwrap(), "--allow-faults"], &[]);
    server.until_said("ready");
    server
}

/// Judges the sound server at this URL: nothing is broken, and nearly everything was seen.
fn is_sound(bench: &Bench, url: &str, arguments: &[&str]) {
    let all = [&["check", url, "--json", "--level", "should"], &WITHOUT_FILLING[..], arguments].concat();
    let finished = bench.run(&all);
    let document = document(&finished.stdout);
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stderr, document["summary"]);
    assert!(document["summary"]["PASS"].as_u64().unwrap() > 120, "{}", document["summary"]);
}

#[test]
fn behind_tls_a_sound_server_is_sound() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let server = sound_server(&bench, &folder);
    let authority = Authority::new(folder.path(), "authority");
    let front = Front::start(authority.tls("localhost", 2999), server.address);
    is_sound(&bench, &front.url, &["--cacert", authority.file()]);
}

#[test]
fn a_certificate_that_is_not_to_be_trusted_is_told_with_what_to_do() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (Authority::new(folder.path(), "own"), Authority::new(folder.path(), "other"));
    // No request comes as far as a server.
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    for (name, last_year, trusted, said, hint) in [
        ("localhost", 2999, &other, "UnknownIssuer", "the certificate of its authority by `--cacert FILE`"),
        ("localhost", 2020, &own, "certificate expired", "the server's certificate must be renewed"),
        (
            "example.org",
            2999,
            &own,
            "certificate not valid for name \"localhost\"; certificate is only valid for DnsName(\"example.org\")",
            "the base URL must name the server as its certificate does",
        ),
    ] {
        let front = Front::start(own.tls(name, last_year), nobody);
        let finished = bench.run(&["check", &front.url, "--cacert", trusted.file()]);
        let told = finished.failed_with(3);
        assert!(told.contains("error: the server cannot be reached: no TLS with localhost"), "{told}");
        assert!(told.contains(said) && told.contains(hint), "{told}");
    }
}

#[test]
fn a_server_without_tls_is_told_from_one_with() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let server = sound_server(&bench, &folder);
    let authority = Authority::new(folder.path(), "authority");
    let url = format!("https://localhost:{}/v1", server.address.port());
    let finished = bench.run(&["check", &url, "--cacert", authority.file()]);
    assert!(finished.failed_with(3).contains("has a base URL that begins with http://"), "{finished:#?}");
}

/// nginx, as one process that ends with what holds it, before a server.
fn nginx(bench: &Bench, folder: &Path, behind: SocketAddr) -> (Running, String) {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let settings = folder.join("nginx.conf");
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths = paths.map(|name| format!("{name}_temp_path {}/{name};", folder.display())).concat();
    let text = format!(
        "daemon off; master_process off; error_log stderr notice; pid {}/nginx.pid; events {{}}
        http {{ access_log off; {paths} server {{ listen 127.0.0.1:{port}; location / {{
            proxy_pass http://{behind}; proxy_http_version 1.1; proxy_set_header Connection \"\";
            proxy_set_header Host $http_host; proxy_buffering off; }} }} }}",
        folder.display()
    );
    fs::write(&settings, text).unwrap();
    let mut command = bench.program("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(&settings).args(["-e", "stderr"]);
    let mut running = Running { child: command.stderr(Stdio::piped()).spawn().unwrap() };
    let mut lines = BufReader::new(running.child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = String::new();
    // The last line of a start: by then it listens.
    while !said.contains("getrlimit") {
        said.push_str(&lines.next().unwrap_or_else(|| panic!("nginx does not start: {said}")));
    }
    // What it says later is nobody's business, and must not stop it.
    std::thread::spawn(move || lines.for_each(drop));
    (running, format!("http://127.0.0.1:{port}/v1"))
}

#[test]
fn behind_nginx_a_sound_server_is_sound() {
    let bench = Bench::take();
    let folder = tempfile::tempdir().unwrap();
    let server = sound_server(&bench, &folder);
    let (_nginx, url) = nginx(&bench, folder.path(), server.address);
    is_sound(&bench, &url, &[]);
}
