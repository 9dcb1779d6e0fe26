//! The clients of the matrix: what each is, in which version, and the command that is examined.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::test_environment::TestEnvironment;

/// A client that is examined.
#[derive(Debug)]
pub(super) struct Client {
    /// What it is called on the command line and in the names of files.
    pub(super) name: &'static str,
    /// What people call it.
    pub(super) title: &'static str,
    /// As its package says it.
    pub(super) version: String,
    /// The command.
    pub(super) command: Vec<OsString>,
    /// Variables that it needs besides.
    pub(super) environment: Vec<(&'static str, OsString)>,
}

/// All of them, in the order of the document.
///
/// # Errors
/// When a version cannot be found out.
pub(super) fn all(root: &Path, environment: &TestEnvironment, program: &Path) -> anyhow::Result<Vec<Client>> {
    let clients = root.join("clients");
    let python = |name, title, interpreter: &Path, package, script: &str| -> anyhow::Result<Client> {
        let version = python_version(interpreter, package)?;
        Ok(client(name, title, version, [interpreter, &clients.join(script)]))
    };
    let node = |name, title, package, script: &str| -> anyhow::Result<Client> {
        let version = node_version(&environment.node_client, package)?;
        Ok(client(name, title, version, [Path::new("node"), &clients.join(script)]))
    };
    let rust =
        environment.rust_client.with_file_name(format!("check_client{}", std::env::consts::EXE_SUFFIX));
    let mut ours = client(
        "chat",
        "interference chat",
        env!("CARGO_PKG_VERSION").to_owned(),
        [Path::new("sh"), &clients.join("chat/check_client.sh")],
    );
    ours.environment.push(("INTERFERENCE", program.into()));
    Ok(vec![
        ours,
        python("openai-python", "openai-python", &environment.python, "openai", "python/check_client.py")?,
        python(
            "openai-python-0.28",
            "openai-python",
            &environment.python_028,
            "openai",
            "python-0.28/check_client.py",
        )?,
        node("openai-node", "openai-node", "openai", "node/check_client.mjs")?,
        python(
            "langchain-openai",
            "LangChain ChatOpenAI",
            &environment.python,
            "langchain-openai",
            "python/check_client_langchain.py",
        )?,
        node("ai-sdk", "AI SDK", "ai", "node/check_client_ai.mjs")?,
        client(
            "async-openai",
            "async-openai",
            rust_version(&clients.join("rust/Cargo.lock"), "async-openai")?,
            [rust.as_path()],
        ),
    ])
}

fn client<const N: usize>(
    name: &'static str,
    title: &'static str,
    version: String,
    command: [&Path; N],
) -> Client {
    let command = command.map(|word| word.as_os_str().to_owned()).into();
    Client { name, title, version, command, environment: Vec::new() }
}

fn python_version(interpreter: &Path, package: &str) -> anyhow::Result<String> {
    let script = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))";
    let output = Command::new(interpreter).args(["-c", script, package]).output()?;
    ensure!(output.status.success(), "no version of the Python package {package}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn node_version(folder: &Path, package: &str) -> anyhow::Result<String> {
    let manifest = folder.join("node_modules").join(package).join("package.json");
    let text = fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
    let manifest: Value = serde_json::from_str(&text)?;
    let version = manifest.get("version").and_then(Value::as_str);
    version.map(str::to_owned).with_context(|| format!("no version of the Node package {package}"))
}

fn rust_version(lock_file: &Path, package: &str) -> anyhow::Result<String> {
    let text = fs::read_to_string(lock_file).with_context(|| lock_file.display().to_string())?;
    let mut lines = text.lines().skip_while(|line| *line != format!("name = \"{package}\"")).skip(1);
    let version = lines.next().and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    version.map(str::to_owned).with_context(|| format!("no version of the crate {package}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_names_the_version() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let version = rust_version(&root.join("clients/rust/Cargo.lock"), "async-openai").unwrap();
        assert!(version.starts_with(|character: char| character.is_ascii_digit()), "{version}");
        assert!(rust_version(&root.join("clients/rust/Cargo.lock"), "no-such-crate").is_err());
    }
}
