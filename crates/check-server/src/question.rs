//! A request as a case wants it sent.
//!
//! Owns how it becomes bytes, and how it becomes a command line that sends the same. Every byte is chosen here: no
//! library adds a header. Knows no answers.

use std::borrow::Cow;

use serde_json::Value;

use interference_target::{KEY_PLACEHOLDER, Target};

/// Longer bodies are not written into a command line; a [`Question::recipe`] makes them there.
const LONGEST_CURL_BODY_BYTES: usize = 8 << 10;

const USER_AGENT: &str = concat!("interference/", env!("CARGO_PKG_VERSION"));

/// Makes another key of the right one.
const MORE_OF_A_KEY: &str = "-and-more";

/// A request before it is sent. Two that are equal are the same request, and may share an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// What it is for, in a few words.
    pub(crate) title: String,
    method: &'static str,
    /// Below the base URL: `/chat/completions`.
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    key: Key,
    recipe: Option<String>,
}

/// Which key a request brings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// The one that the target was given with, if there is one.
    Given,
    /// None at all.
    None,
    /// The one that the target was given with, and some characters more.
    Longer,
    /// Another one.
    Other(String),
}

impl Question {
    fn new(method: &'static str, path: impl Into<String>) -> Question {
        let path = path.into();
        Question {
            title: format!("{method} {path}"),
            method,
            path,
            headers: Vec::new(),
            body: None,
            key: Key::Given,
            recipe: None,
        }
    }

    /// `GET`, below the base URL.
    pub(crate) fn get(path: impl Into<String>) -> Question {
        Question::new("GET", path)
    }

    /// `DELETE`, below the base URL.
    pub(crate) fn delete(path: impl Into<String>) -> Question {
        Question::new("DELETE", path)
    }

    /// `POST` of JSON, below the base URL.
    pub(crate) fn post(path: impl Into<String>, body: &Value) -> Question {
        Question::post_bytes(path, "application/json", body.to_string())
    }

    /// `POST` of any bytes.
    pub(crate) fn post_bytes(
        path: impl Into<String>,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Question {
        let question = Question::new("POST", path).header("Content-Type", content_type);
        Question { body: Some(body.into()), ..question }
    }

    /// What it is for, in a few words; by default method and path.
    pub(crate) fn titled(self, title: impl Into<String>) -> Question {
        Question { title: title.into(), ..self }
    }

    /// With these words behind what it is for.
    pub(crate) fn further_titled(self, words: &str) -> Question {
        let title = format!("{} {words}", self.title);
        self.titled(title)
    }

    /// With one header more.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Question {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With another content type than it was made with.
    pub(crate) fn typed(mut self, content_type: &str) -> Question {
        self.headers.retain(|(name, _)| name != "Content-Type");
        self.header("Content-Type", content_type)
    }

    /// Without the header `Authorization`.
    pub(crate) fn without_key(self) -> Question {
        Question { key: Key::None, ..self }
    }

    /// With the target's key, and some characters more behind it.
    pub(crate) fn with_longer_key(self) -> Question {
        Question { key: Key::Longer, ..self }
    }

    /// With another key than the target's.
    pub(crate) fn with_key(self, key: impl Into<String>) -> Question {
        Question { key: Key::Other(key.into()), ..self }
    }

    /// A shell command that prints the body, for bodies that are too long for a command line:
    /// `head -c 10000 /dev/zero | tr '\\0' '['`.
    pub(crate) fn recipe(self, command: impl Into<String>) -> Question {
        Question { recipe: Some(command.into()), ..self }
    }

    /// The request's method.
    pub(crate) fn method(&self) -> &'static str {
        self.method
    }

    /// The body, if it is JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.body.as_deref()?).ok()
    }

    /// Exactly what is sent.
    pub(crate) fn to_bytes(&self, target: &Target) -> Vec<u8> {
        let mut head = format!("{} {}{} HTTP/1.1\r\n", self.method, target.base_path(), self.path);
        for (name, value) in self.all_headers(target) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// A command line that sends the same request, for a POSIX shell. The target's key is not in it.
    pub(crate) fn curl(&self, target: &Target) -> String {
        let mut line = String::new();
        if let Some(recipe) = &self.recipe {
            line.push_str(&format!("{recipe} | "));
        }
        line.push_str("curl -sSiN");
        if self.method != if self.body.is_some() { "POST" } else { "GET" } {
            line.push_str(&format!(" -X {}", self.method));
        }
        line.push_str(&format!(" {}", quoted(&format!("{}{}", target.base_url(), self.path))));
        // The library behind curl has its own for these.
        let all = self.all_headers(target).into_iter().filter(|(name, value)| {
            let own = [("Host", target.authority()), ("User-Agent", USER_AGENT)];
            !own.contains(&(*name, value))
        });
        for (name, value) in all {
            // In double quotes, so that the shell puts in what is left out here.
            let header = target.without_secrets(&format!("{name}: {value}"));
            let header =
                if header.contains(KEY_PLACEHOLDER) { format!("\"{header}\"") } else { quoted(&header) };
            line.push_str(&format!(" -H {header}"));
        }
        match &self.body {
            Some(_) if self.recipe.is_some() => line.push_str(" --data-binary @-"),
            Some(body) if body.len() <= LONGEST_CURL_BODY_BYTES => {
                line.push_str(&format!(" --data-binary {}", quoted(&String::from_utf8_lossy(body))));
            }
            Some(body) => line.push_str(&format!(" --data-binary @body # {} bytes", body.len())),
            None => {}
        }
        line
    }

    /// Every header but the body's length, each name once.
    fn all_headers<'a>(&'a self, target: &'a Target) -> Vec<(&'a str, Cow<'a, str>)> {
        let mut usual: Vec<(&str, Cow<'_, str>)> = vec![
            ("Host", target.authority().into()),
            ("User-Agent", USER_AGENT.into()),
            ("Accept", "application/json".into()),
            // Whoever says nothing of codings may get any (RFC 9110, section 12.5.3).
            ("Accept-Encoding", "identity".into()),
        ];
        usual.extend(self.key(target).map(|key| ("Authorization", format!("Bearer {key}").into())));
        let mut headers = target.headers_of(usual, &self.headers);
        if self.key != Key::Given {
            // With the target's own it would not be another key, or none.
            let own = self.key(target).map(|key| format!("Bearer {key}"));
            headers.retain(|(name, value)| {
                !name.eq_ignore_ascii_case("Authorization") || Some(&**value) == own.as_deref()
            });
        }
        headers
    }

    fn key(&self, target: &Target) -> Option<String> {
        match &self.key {
            Key::Given => target.key().map(str::to_owned),
            Key::Longer => target.key().map(|key| format!("{key}{MORE_OF_A_KEY}")),
            Key::None => None,
            Key::Other(key) => Some(key.clone()),
        }
    }
}

/// For a POSIX shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target() -> Target {
        Target::parse("http://localhost:1337/v1", Some("sk-secret".to_owned().into()), Vec::new()).unwrap()
    }

    #[test]
    fn a_request_is_these_bytes() {
        let question =
            Question::post("/chat/completions", &json!({"model": "it's"})).header("X-Team", "blue");
        let expected = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:1337\r\nUser-Agent: interference/{}\r\n\
             Accept: application/json\r\nAccept-Encoding: identity\r\nAuthorization: Bearer sk-secret\r\n\
             Content-Type: application/json\r\n\
             X-Team: blue\r\nContent-Length: 16\r\n\r\n{{\"model\":\"it's\"}}",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(String::from_utf8(question.to_bytes(&target())).unwrap(), expected);
    }

    #[test]
    fn no_header_is_there_twice() {
        let given = [
            ("host", "api.local"),
            ("Content-Type", "text/x"),
            ("Accept-Encoding", "br"),
            ("authorization", "Basic abc"),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let key = Some("sk-secret".to_owned().into());
        let target = Target::parse("http://localhost:1337/v1", key, given).unwrap();
        let question = Question::post("/embeddings", &json!({})).header("Accept-Encoding", "gzip");
        let bytes = String::from_utf8(question.to_bytes(&target)).unwrap();
        let mut names: Vec<String> =
            bytes.lines().skip(1).filter_map(|line| Some(line.split_once(": ")?.0.to_lowercase())).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all, "{bytes}");
        let brings = |line: &str| bytes.contains(&format!("\r\n{line}\r\n"));
        assert!(brings("host: api.local") && brings("Accept-Encoding: gzip"), "{bytes}");
        assert!(brings("Content-Type: application/json") && brings("authorization: Basic abc"), "{bytes}");
        assert!(!String::from_utf8(question.without_key().to_bytes(&target)).unwrap().contains("Basic"));
    }

    #[test]
    fn a_command_line_sends_the_same_without_the_key() {
        let question = Question::post("/chat/completions", &json!({"model": "it's"}));
        assert_eq!(
            question.curl(&target()),
            "curl -sSiN 'http://localhost:1337/v1/chat/completions' \
             -H 'Accept: application/json' -H 'Accept-Encoding: identity' \
             -H \"Authorization: Bearer $OPENAI_API_KEY\" \
             -H 'Content-Type: application/json' --data-binary '{\"model\":\"it'\\''s\"}'"
        );
        assert_eq!(
            Question::delete("/responses/1").without_key().curl(&target()),
            "curl -sSiN -X DELETE 'http://localhost:1337/v1/responses/1' -H 'Accept: application/json' \
             -H 'Accept-Encoding: identity'"
        );
    }
}
