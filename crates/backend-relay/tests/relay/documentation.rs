//! The files of upstreams that the documentation shows are read as it says.

use std::time::Duration;

use interference_backend_relay::{
    RelayBackend, RelayError, RelayOptions, RootCertStore, Upstream, key_variable, read_upstreams_file,
};
use secrecy::ExposeSecret;

const DOCUMENT: &str = include_str!("../../../../docs/relay.md");

/// Every file that the document shows, in its order, read from a folder with the key that one of them names.
fn read_shown() -> Vec<Result<Vec<Upstream>, RelayError>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("big.key"), "big-key\n").unwrap();
    let path = folder.path().join("upstreams.toml");
    let shown = DOCUMENT.split("```toml\n").skip(1).map(|after| after.split("```").next().unwrap());
    let read = |text| {
        std::fs::write(&path, text).unwrap();
        read_upstreams_file(&path, |name| (name == "OPENAI_API_KEY").then(|| "openai-key".to_owned()), &[])
    };
    shown.map(read).collect()
}

#[test]
fn the_files_of_the_documentation_are_read() {
    let files: Vec<Vec<Upstream>> = read_shown().into_iter().map(Result::unwrap).collect();
    let names =
        |upstreams: &[Upstream]| upstreams.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(" ");
    assert_eq!(names(&files[0]), "openai big");
    assert_eq!(names(&files[1]), "vllm-1 vllm-2 llama-cpp ollama sglang");
    let [openai, big] = &files[0][..] else { panic!() };
    assert_eq!(openai.key.as_ref().unwrap().expose_secret(), "openai-key");
    assert_eq!(big.key.as_ref().unwrap().expose_secret(), "big-key");
    assert_eq!((big.weight, big.retries, big.timeouts.first_byte), (2, 1, Duration::from_secs(120)));
    assert_eq!(key_variable("my-host"), "MY_HOST_API_KEY");
    // An authority of certificates is not needed to see whether the upstreams fit together.
    let options = RelayOptions { roots: Some(RootCertStore::empty()), ..RelayOptions::default() };
    for upstreams in files {
        assert!(RelayBackend::new(upstreams, options.clone()).is_ok());
    }
}
