//! smg and vllm-router: two descendants of SGLang's router, in Rust behind a small command in Python. They balance load
//! among workers that they know; here there is one.

use std::path::Path;
use std::process::Command;

use super::Place;
use crate::matrix::installation::{Installed, python};
use crate::matrix::peer::PythonEntry;

pub(super) const SMG_NOTE: &str = "one process with a thread for each processor, which is its default; one worker, in turn; no history, no request log";
pub(super) const VLLM_ROUTER_NOTE: &str =
    "one process with a thread for each processor, which is its default; one worker, in turn; no request log";

pub(super) fn install_smg(target: &Path) -> anyhow::Result<Installed> {
    let (pins, folder) = super::pins_and_folder(target, "gateways/smg");
    python(&folder, &pins, "smg", PythonEntry::Command("smg"), &[])
}

pub(super) fn install_vllm_router(target: &Path) -> anyhow::Result<Installed> {
    let (pins, folder) = super::pins_and_folder(target, "gateways/vllm-router");
    python(&folder, &pins, "vllm-router", PythonEntry::Command("vllm-router"), &[])
}

pub(super) fn tell_smg(command: &mut Command, place: Place<'_>) {
    command.arg("launch");
    tell(command, place);
    command.args(["--history-backend", "none"]);
}

pub(super) fn tell_vllm_router(command: &mut Command, place: Place<'_>) {
    tell(command, place);
}

/// What both understand.
fn tell(command: &mut Command, place: Place<'_>) {
    let Place { port, meters_port, upstream, folder: _ } = place;
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--worker-urls", &format!("http://{upstream}"), "--policy", "round_robin"]);
    command.args(["--prometheus-host", "127.0.0.1", "--prometheus-port", &meters_port.to_string()]);
    command.args(["--log-level", "error"]);
}

#[cfg(test)]
mod tests {
    use super::super::arguments;
    use super::*;

    #[test]
    fn both_are_told_of_one_worker() {
        let (mut smg, mut vllm_router) = (Command::new("smg"), Command::new("vllm-router"));
        tell_smg(&mut smg, Place::example());
        tell_vllm_router(&mut vllm_router, Place::example());
        let common = "--host 127.0.0.1 --port 8080 --worker-urls http://127.0.0.1:1337 --policy round_robin \
                      --prometheus-host 127.0.0.1 --prometheus-port 8081 --log-level error";
        assert_eq!(arguments(&smg), format!("launch {common} --history-backend none"));
        assert_eq!(arguments(&vllm_router), common);
    }
}
