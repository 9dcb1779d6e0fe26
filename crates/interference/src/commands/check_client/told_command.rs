//! A client's command as reports have it: one line for a shell, without what is secret in it.
//!
//! Owns where on a command line a secret may stand. Which names tell of one is `cassette`'s to know.

use std::ffi::OsString;

use interference_cassette::{REDACTED, is_secret, query_without_secrets};

use crate::judging::shell_word;

/// The client's command as reports have it: as a shell takes it, without the values of options, variables, headers and
/// parameters of addresses whose names tell of secrets. Where a secret is to be found is none.
pub(super) fn told_command(command: &[OsString]) -> String {
    let mut words = Vec::new();
    let mut is_value_of_secret = false;
    for word in command {
        let word = word.to_string_lossy();
        let is_option = word.starts_with('-');
        let told = if is_value_of_secret && !is_option {
            without_secret(&word).to_owned()
        } else {
            told_word(&word)
        };
        is_value_of_secret = is_option && !word.contains('=') && is_secret(&word);
        words.push(shell_word(&told));
    }
    words.join(" ")
}

/// `NAME=VALUE`, `Name: value`, an address with a query, or anything else.
fn told_word(word: &str) -> String {
    if let Some((name, value)) = word.split_once('=').filter(|(name, _)| is_name(name)) {
        let value = if is_secret(name) { without_secret(value).to_owned() } else { told_word(value) };
        return format!("{name}={value}");
    }
    if let Some((name, value)) = word.split_once(": ").filter(|(name, _)| is_name(name) && is_secret(name)) {
        return format!("{name}: {}", without_secret(value));
    }
    match word.split_once('?').filter(|_| word.contains("://")) {
        Some((address, query)) => format!("{address}?{}", query_without_secrets(query)),
        None => word.to_owned(),
    }
}

/// Whether this is the name of an option, a variable or a header, and not the beginning of a program's text.
fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn without_secret(value: &str) -> &str {
    let is_place = ["env:", "file:", "$", "@"].iter().any(|place| value.starts_with(place));
    if is_place { value } else { REDACTED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_without_what_is_secret() {
        for (command, told) in [
            (&["python3", "a.py", "--api-key", "sk-live-1"][..], "python3 a.py --api-key '[redacted]'"),
            (&["a", "--token=t1", "--max-tokens", "9"], "a '--token=[redacted]' --max-tokens 9"),
            (&["curl", "-H", "Authorization: Bearer sk-1"], "curl -H 'Authorization: [redacted]'"),
            (&["a", "--header=x-api-key: sk-1"], "a '--header=x-api-key: [redacted]'"),
            (&["curl", "http://h/v1?key=k&n=1"], "curl 'http://h/v1?key=[redacted]&n=1'"),
            (&["env", "OPENAI_API_KEY=sk-1", "a"], "env 'OPENAI_API_KEY=[redacted]' a"),
            (&["a", "--api-key", "env:KEY", "--password", "--json"], "a --api-key env:KEY --password --json"),
            (&["python3", "-c", "key = 'a'; x=1"], "python3 -c 'key = '\\''a'\\''; x=1'"),
        ] {
            let command: Vec<OsString> = command.iter().map(OsString::from).collect();
            assert_eq!(told_command(&command), told);
        }
    }
}
