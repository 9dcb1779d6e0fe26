//! Portkey's gateway: one process of Node, which takes its route from the headers of each request.

use std::path::Path;
use std::process::Command;

use super::Place;
use crate::matrix::installation::{Installed, node};

pub(super) const NOTE: &str = "one process, as it is started by its package; no console; the upstream is named in each request's headers";

pub(super) fn install(target: &Path) -> anyhow::Result<Installed> {
    // The same package as the one that is judged.
    let (pins, folder) = super::pins_and_folder(target, "matrix/portkey");
    node(&folder, &pins, "@portkey-ai/gateway", "build/start-server.js")
}

pub(super) fn tell(command: &mut Command, place: Place<'_>) {
    command.arg(format!("--port={}", place.port)).arg("--headless");
    // It forwards to no address of this machine unless told that it may.
    command.env("TRUSTED_CUSTOM_HOSTS", "127.0.0.1");
}

pub(super) fn headers(upstream: &str) -> Vec<String> {
    vec!["x-portkey-provider: openai".to_owned(), format!("x-portkey-custom-host: http://{upstream}/v1")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_names_the_upstream() {
        assert_eq!(headers("127.0.0.1:1337")[1], "x-portkey-custom-host: http://127.0.0.1:1337/v1");
        let mut command = Command::new("node");
        tell(&mut command, Place::example());
        assert_eq!(super::super::arguments(&command), "--port=8080 --headless");
    }
}
