//! Programs of the system that the tests need: which are missing, and how they are installed.

use std::process::{Command, Stdio};

use anyhow::bail;

/// A command that succeeds where the package is installed, and the package's name on Debian and Ubuntu.
const NEEDED: &[(&[&str], &str)] = &[
    (&["python3", "--version"], "python3"),
    (&["python3", "-m", "pip", "--version"], "python3-pip"),
    (&["python3", "-c", "import ensurepip, venv"], "python3-venv"),
    (&["node", "--version"], "nodejs"),
    (&["npm", "--version"], "npm"),
    (&["curl", "--version"], "curl"),
    (&["c++", "--version"], "g++"),
    (&["nginx", "-v"], "nginx-light"),
    // The browser of the tests brings everything else that it needs.
    (&["sh", "-c", "PATH=$PATH:/sbin ldconfig -p | grep -q libnss3.so"], "libnss3"),
];

/// Fails with the command that installs all that is missing.
pub(crate) fn require() -> anyhow::Result<()> {
    let missing = missing(NEEDED);
    if !missing.is_empty() {
        bail!(
            "this machine lacks programs that the tests run; install them: apt-get install {}",
            missing.join(" ")
        );
    }
    Ok(())
}

fn missing<'a>(needed: &[(&[&str], &'a str)]) -> Vec<&'a str> {
    needed.iter().filter(|(probe, _)| !succeeds(probe)).map(|(_, package)| *package).collect()
}

fn succeeds(probe: &[&str]) -> bool {
    let Some((program, arguments)) = probe.split_first() else { return false };
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_start_or_fails_is_missing() {
        let needed: &[(&[&str], &str)] = &[
            (&["cargo", "--version"], "present"),
            (&["cargo", "--no-such-flag"], "failing"),
            (&["no-such-program-anywhere"], "absent"),
        ];
        assert_eq!(missing(needed), ["failing", "absent"]);
    }
}
