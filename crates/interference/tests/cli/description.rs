//! Every answer that a test gets is held against the server's own description, `/openapi.json`.
//!
//! Owns what of an answer is described: its status, its type, its headers, and its body, or each event of it. Answers with
//! faults are excepted, since faults break what is promised; `x-interference-applied` tells which those are.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::exchange::{Answer, Exchange};

/// A description, with the schemas of it that were needed so far.
pub(crate) struct Description {
    whole: Value,
    validators: Mutex<HashMap<String, Validator>>,
}

impl Description {
    /// The one of the program under test; asked for once, of the first server that a test talks to.
    pub(crate) fn of(address: SocketAddr) -> &'static Description {
        static DESCRIPTION: OnceLock<Description> = OnceLock::new();
        DESCRIPTION.get_or_init(|| {
            let request = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            let answer = Exchange::undescribed(address, request.as_bytes()).read_whole().0;
            let description = Description { whole: answer.json(), validators: Mutex::default() };
            description.check("GET", "/openapi.json", &answer);
            description
        })
    }

    /// Panics where the answer to a request is not as it is described.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, target: &str, answer: &Answer) {
        if answer.header("x-interference-applied").is_some_and(|applied| !applied.starts_with("none")) {
            return;
        }
        let told = || format!("{method} {target} was answered {answer:#?}");
        let response = self.response(method, target, answer.status);
        let response = response.unwrap_or_else(|| panic!("{}, which is not described", told()));
        self.check_headers(response, answer, &told);
        let content_type =
            answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        let place = format!("/content/{}/schema", escaped(content_type));
        let schema =
            response.pointer(&place).unwrap_or_else(|| panic!("{}: this type is not described", told()));
        if method == "HEAD" {
            return;
        }
        match schema.get("contentSchema") {
            None if content_type == "application/json" => self.validate(schema, &answer.json(), &told),
            None => self.validate(schema, &json!(answer.body), &told),
            Some(of_event) => {
                let comments = |line: &&str| !line.starts_with(':');
                for event in answer.body.split("\n\n") {
                    let lines: Vec<&str> = event.lines().filter(comments).collect();
                    let (name, data) = match lines[..] {
                        [] => continue,
                        [data] => (None, data),
                        [name, data] => (name.strip_prefix("event: "), data),
                        _ => panic!("{event} in {}", told()),
                    };
                    let data = data.strip_prefix("data: ").unwrap_or_else(|| panic!("{data} in {}", told()));
                    if data == "[DONE]" {
                        continue;
                    }
                    let data: Value =
                        serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {event}"));
                    assert!(lines.len() == 1 || name == data["type"].as_str(), "{event} in {}", told());
                    self.validate(of_event, &data, &told);
                }
            }
        }
    }

    /// What is said of an answer with this status. Where nothing is at a path, or not for a method, errors are all alike.
    fn response(&self, method: &str, target: &str, status: u16) -> Option<&Value> {
        let path = target.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/v1").unwrap_or(path);
        // HEAD is GET without the body.
        let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
        let paths = self.whole["paths"].as_object().unwrap();
        let templated = || paths.iter().find(|(template, _)| fits(template, path)).map(|(_, item)| item);
        let item = paths.get(path).or_else(templated);
        let operation = item.and_then(|item| item.get(&method));
        let response = match (item, operation) {
            (_, Some(operation)) => {
                let responses = operation.get("responses")?;
                responses.get(status.to_string()).or_else(|| responses.get("default"))
            }
            (Some(_), None) if status == 405 => self.whole.pointer("/components/responses/BadRequest"),
            (None, None) if status == 404 => self.whole.pointer("/components/responses/NotFound"),
            // A key and a host are looked at before the path.
            (_, None) if status == 401 => self.whole.pointer("/components/responses/Unauthorized"),
            (_, None) if status == 403 => self.whole.pointer("/components/responses/Forbidden"),
            (_, None) => None,
        };
        response.map(|response| self.resolved(response))
    }

    #[track_caller]
    fn check_headers(&self, response: &Value, answer: &Answer, told: &impl Fn() -> String) {
        for (name, header) in response["headers"].as_object().unwrap() {
            let header = self.resolved(header);
            let Some(value) = answer.header(name) else {
                assert!(header["required"] != true, "no {name}: {}", told());
                continue;
            };
            let value = match header["schema"]["type"].as_str() {
                Some("integer") => {
                    serde_json::from_str(value).unwrap_or_else(|error| panic!("{error}: {value}"))
                }
                _ => json!(value),
            };
            self.validate(&header["schema"], &value, told);
        }
        for name in answer.head.lines().skip(1).filter_map(|line| line.split(':').next()) {
            let is_described = response["headers"].get(name.to_lowercase()).is_some();
            assert!(
                !name.starts_with("x-interference") || is_described,
                "{name} is not described: {}",
                told()
            );
        }
    }

    #[track_caller]
    fn validate(&self, schema: &Value, value: &Value, told: &impl Fn() -> String) {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators.entry(schema.to_string()).or_insert_with(|| {
            // References begin at the root of the document.
            let rooted = json!({"allOf": [schema], "components": self.whole["components"]});
            jsonschema::draft202012::new(&rooted).unwrap_or_else(|error| panic!("{error}: {schema}"))
        });
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        // Another test must not find the lock poisoned by this one's end.
        drop(validators);
        assert!(errors.is_empty(), "{value} is not as it is described: {errors:#?}\n{}", told());
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let reference =
            value.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        reference.map_or(value, |pointer| self.whole.pointer(pointer).unwrap())
    }
}

/// Whether a path is one of a template's. Names of models may contain slashes.
fn fits(template: &str, path: &str) -> bool {
    if let Some(start) = template.strip_suffix("{model}") {
        return path.strip_prefix(start).is_some_and(|name| !name.is_empty());
    }
    let (parts, wanted) = (path.split('/'), template.split('/'));
    parts.clone().count() == wanted.clone().count()
        && parts
            .zip(wanted)
            .all(|(part, wanted)| part == wanted || wanted.starts_with('{') && !part.is_empty())
}

/// A name as a part of a JSON pointer: RFC 6901, section 3.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\nx-request-id: req_{}",
            "0".repeat(32)
        );
        Answer { status, head, body: body.to_owned() }
    }

    /// The check itself can fail: each of these is wrong in one thing.
    #[test]
    fn what_is_not_described_is_found() {
        let bench = crate::bench::Bench::take();
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.toml");
        std::fs::write(&script, "[[rule]]\nanswer = { text = \"a\" }\n").unwrap();
        let server = bench.serve(&["--script", script.to_str().unwrap()]);
        let description = Description::of(server.address);
        let wrong = [
            ("GET", "/health", answer(200, "application/json", "{\"status\":\"fine\"}")),
            ("GET", "/health", answer(200, "application/json", "{\"status\":\"ok\",\"more\":1}")),
            ("GET", "/health", answer(200, "text/plain", "{\"status\":\"ok\"}")),
            ("GET", "/health", answer(204, "application/json", "{\"status\":\"ok\"}")),
            ("GET", "/v1/nowhere", answer(200, "application/json", "{}")),
            (
                "POST",
                "/v1/chat/completions",
                answer(400, "application/json", "{\"error\":{\"message\":\"a\"}}"),
            ),
            (
                "POST",
                "/v1/chat/completions",
                answer(200, "text/event-stream", "data: {\"id\":\"a\"}\n\ndata: [DONE]\n\n"),
            ),
            ("POST", "/v1/chat/completions", answer(200, "text/event-stream", "id: 7\n\ndata: [DONE]\n\n")),
            ("GET", "/metrics", answer(200, "application/openmetrics-text", "cut off")),
        ];
        for (method, target, answer) in wrong {
            let checked = std::panic::catch_unwind(|| description.check(method, target, &answer));
            assert!(checked.is_err(), "{method} {target}: {answer:?}");
        }
        let nameless = Answer {
            head: "HTTP/1.1 200 OK\r\ncontent-type: application/json".to_owned(),
            status: 200,
            body: "{\"status\":\"ok\"}".to_owned(),
        };
        assert!(std::panic::catch_unwind(|| description.check("GET", "/health", &nameless)).is_err());
        description.check("GET", "/health", &answer(200, "application/json", "{\"status\":\"ok\"}"));
    }
}
