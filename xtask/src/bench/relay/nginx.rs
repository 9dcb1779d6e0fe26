//! nginx as a relay: the floor.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::bench::contestant::{Contestant, Role};
use crate::bench::hinted;
use crate::bench::served::Served;

/// Starts it on a free port, before this upstream.
///
/// # Errors
/// When it is not there, or does not start.
pub(super) fn start(folder: &Path, upstream: &str) -> anyhow::Result<Contestant> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let folder = folder.join("nginx");
    super::emptied(&folder)?;
    let settings = folder.join("nginx.conf");
    std::fs::write(&settings, configuration(&folder, port, upstream))
        .with_context(|| format!("cannot write {}", settings.display()))?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder).arg("-c").arg(&settings).args(["-e", "stderr"]);
    let url = format!("http://127.0.0.1:{port}/v1");
    let served = Served::start_at("nginx", &mut command, &url).map_err(|error| {
        hinted(format!("nginx cannot be measured: {error:#}"), "`apt-get install nginx-light` installs it")
    })?;
    Contestant::over("nginx".to_owned(), Role::Peer, served)
}

/// As its documentation says for streams: HTTP/1.1 and kept connections to the upstream, and no buffering.
fn configuration(folder: &Path, port: u16, upstream: &str) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    upstream bare {{ server {upstream}; keepalive 1024; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://bare;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_buffering off;
            proxy_read_timeout 1h;
        }}
    }}
}}
"
    )
}
