//! nginx as a relay: the floor.

use std::process::Command;

use anyhow::Context;

use super::Place;
use crate::bench::hinted;
use crate::matrix::installation::Installed;

pub(super) const NOTE: &str =
    "a worker for each processor; HTTP/1.1 and kept connections to the upstream, no buffering, no access log";

/// The one of the system.
pub(super) fn installed() -> anyhow::Result<Installed> {
    let output = Command::new("nginx").arg("-v").output();
    let output = output
        .map_err(|error| hinted(format!("nginx: {error}"), "`apt-get install nginx-light` installs it"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let version = version_in(&said).with_context(|| format!("`nginx -v` says `{}`", said.trim()))?;
    Ok(Installed { program: "nginx".into(), first_arguments: Vec::new(), version: version.to_owned() })
}

/// Behind the name there may be that of a distribution.
fn version_in(said: &str) -> Option<&str> {
    said.split_whitespace().find_map(|word| word.strip_prefix("nginx/"))
}

pub(super) fn tell(command: &mut Command, place: Place<'_>) -> anyhow::Result<()> {
    let settings = place.folder.join("nginx.conf");
    std::fs::write(&settings, configuration(place))
        .with_context(|| format!("cannot write {}", settings.display()))?;
    command.arg("-p").arg(place.folder).arg("-c").arg(&settings).args(["-e", "stderr"]);
    Ok(())
}

/// As its documentation says for streams: HTTP/1.1 and kept connections to the upstream, and no buffering.
fn configuration(place: Place<'_>) -> String {
    let Place { port, upstream, folder, meters_port: _ } = place;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_behind_the_name() {
        assert_eq!(version_in("nginx version: nginx/1.26.3\n"), Some("1.26.3"));
        assert_eq!(version_in("nginx version: nginx/1.18.0 (Ubuntu)\n"), Some("1.18.0"));
        assert_eq!(version_in("command not found\n"), None);
    }

    #[test]
    fn nothing_is_buffered_or_written_elsewhere() {
        let configuration = configuration(Place::example());
        for line in
            ["listen 127.0.0.1:8080 ", "server 127.0.0.1:1337;", "proxy_buffering off;", "access_log off;"]
        {
            assert!(configuration.contains(line), "{line}");
        }
        let paths =
            configuration.lines().filter(|line| line.contains("_temp_path") || line.starts_with("pid "));
        assert!(
            paths.clone().count() == 6 && paths.clone().all(|line| line.contains("/nowhere/")),
            "{configuration}"
        );
    }
}
