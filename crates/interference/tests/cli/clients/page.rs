//! The page about clients, `docs/clients.md`, tells the versions that are pinned.

use std::fs;

use serde_json::Value;

use crate::clients::clients;

fn read(file: &str) -> String {
    fs::read_to_string(clients().join(file)).unwrap()
}

/// Packages of Python, each with its version.
fn python(folder: &str, names: &[&str]) -> Vec<(String, String)> {
    let requirements = read(&format!("{folder}/requirements.txt"));
    let pinned = requirements.lines().map(|line| line.split_once("==").unwrap());
    pinned.filter(|(name, _)| names.contains(name)).map(|(name, at)| (name.into(), at.into())).collect()
}

fn node(names: &[&str]) -> Vec<(String, String)> {
    let package: Value = serde_json::from_str(&read("node/package.json")).unwrap();
    let version = |name: &str| package["dependencies"][name].as_str().unwrap().to_owned();
    names.iter().map(|name| ((*name).to_owned(), version(name))).collect()
}

fn rust(name: &str) -> (String, String) {
    let lock = read("rust/Cargo.lock");
    let (_, entry) = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).unwrap();
    (name.to_owned(), entry.split('"').next().unwrap().to_owned())
}

#[test]
fn it_tells_the_versions() {
    let page = read("../docs/clients.md");
    let packages = [
        python("python", &["openai", "langchain-openai", "langchain-tests"]),
        python("python-0.28", &["openai"]),
        node(&["openai", "ai", "@ai-sdk/openai", "@ai-sdk/openai-compatible"]),
        vec![rust("async-openai")],
    ]
    .concat();
    assert_eq!(packages.len(), 9, "a package is not pinned: {packages:?}");
    for (name, version) in packages {
        assert!(page.contains(&format!("`{name}` {version}")), "{name} is {version} now");
    }
}
