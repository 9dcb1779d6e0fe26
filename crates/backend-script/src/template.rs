//! Texts that are made for each request.
//!
//! Owns the templates of a script and the bounds of their work: steps, output, stack. It refuses to know what becomes
//! of the text. Scripts are their owner's own: a template that never ends must not take the server with it, but one
//! that is written to fill the memory is not fended off.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use http::HeaderMap;
use interference_backend::is_secret;
use minijinja::value::{Enumerator, Object, ObjectRepr, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context};
use regex::Regex;
use tokio::sync::{Semaphore, oneshot};

/// How much work a template may do, in units of the engine's: about one for each step, and some for text.
pub const TEMPLATE_FUEL: u64 = 200_000;

/// How long the output of a template may be, in bytes.
pub const LONGEST_OUTPUT: usize = 1024 * 1024;

/// How long a template may be, in bytes.
pub const LONGEST_TEMPLATE: usize = 64 * 1024;

/// How many templates are run at once; more wait.
pub const TEMPLATES_AT_ONCE: usize = 4;

/// The stack of a thread that reads or runs templates: what is nested as deeply as the bounds allow must fit.
pub const STACK_BYTES: usize = 128 * 1024 * 1024;

/// How deep calls of macros and the like may go, in units of the engine's.
const DEEPEST_CALLS: usize = 200;

/// How much of the engine's words is repeated, in characters.
const LONGEST_REASON: usize = 500;

/// The templates of a script.
pub(crate) struct Templates {
    environment: Arc<Environment<'static>>,
}

/// What is wrong with a template's syntax.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TemplateProblem {
    /// The line within the template, from 1.
    pub(crate) line: usize,
    pub(crate) reason: String,
}

/// Collects the templates of a script.
pub(crate) struct TemplatesBuilder {
    environment: Environment<'static>,
    count: usize,
}

impl TemplatesBuilder {
    /// Without a template yet.
    pub(crate) fn new() -> TemplatesBuilder {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(TEMPLATE_FUEL));
        environment.set_recursion_limit(DEEPEST_CALLS);
        // It would print all that there is at once.
        environment.remove_global("debug");
        TemplatesBuilder { environment, count: 0 }
    }

    /// Adds a template and gives its name. To be called on a thread with a large stack.
    ///
    /// # Errors
    /// Its syntax is wrong.
    pub(crate) fn add(&mut self, source: &str) -> Result<String, TemplateProblem> {
        self.count += 1;
        let name = format!("template {}", self.count);
        self.environment.add_template_owned(name.clone(), source.to_owned()).map_err(|error| {
            TemplateProblem { line: error.line().unwrap_or(1), reason: reason_of(&error) }
        })?;
        Ok(name)
    }

    /// The templates that were added.
    pub(crate) fn build(self) -> Templates {
        Templates { environment: Arc::new(self.environment) }
    }
}

impl Templates {
    /// The output of a template, made on a thread of its own.
    ///
    /// # Errors
    /// Why there is none, as the end of a sentence about the template.
    ///
    /// # Cancellation
    /// The thread runs on to the end of the template, which its bounds keep near; it keeps its place until then.
    pub(crate) async fn render(
        &self,
        places: &Arc<Semaphore>,
        name: &str,
        values: TemplateValues,
    ) -> Result<String, String> {
        let place = Arc::clone(places).acquire_owned().await.map_err(|error| error.to_string())?;
        let environment = Arc::clone(&self.environment);
        let name = name.to_owned();
        let (sender, receiver) = oneshot::channel();
        let run = move || {
            let _place = place;
            // Nobody may wait for it any more.
            let _unheard = sender.send(render(&environment, &name, values));
        };
        let thread = std::thread::Builder::new().name("template".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(run).map_err(|error| format!("cannot be run: {error}"))?;
        receiver.await.map_err(|_| "met a bug of the server".to_owned())?
    }
}

/// What a template can look at.
pub(crate) struct TemplateValues {
    /// The request's body.
    pub(crate) request: bytes::Bytes,
    pub(crate) text: String,
    pub(crate) turn: u64,
    pub(crate) model: String,
    pub(crate) captures: Captures,
    pub(crate) state: String,
    pub(crate) headers: HeaderMap,
}

fn render(environment: &Environment<'_>, name: &str, values: TemplateValues) -> Result<String, String> {
    let request: serde_json::Value = serde_json::from_slice(&values.request)
        .map_err(|error| format!("cannot see the request: {error}"))?;
    let headers: BTreeMap<String, String> = values
        .headers
        .iter()
        .filter(|(name, _)| !is_secret(name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let context = context! {
        request => Value::from(Serde(&request)),
        text => values.text,
        turn => values.turn,
        model => values.model,
        captures => Value::from_object(values.captures),
        state => values.state,
        headers => Value::from(headers),
    };
    let mut output = BoundedOutput::default();
    let rendered = environment
        .get_template(name)
        .and_then(|template| template.render_captured_to(context, &mut output).map(|_| ()));
    match rendered {
        Ok(()) => String::from_utf8(output.bytes).map_err(|_| "writes what is not text".to_owned()),
        Err(_) if output.is_full => Err(format!("writes more than {LONGEST_OUTPUT} bytes")),
        Err(error) => Err(failure(&error)),
    }
}

fn failure(error: &Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => {
            format!("does not come to an end within {TEMPLATE_FUEL} units of work")
        }
        _ => format!("fails in its line {}: {}", error.line().unwrap_or(1), reason_of(error)),
    }
}

/// The engine's words, without the template's name, which nobody has given.
fn reason_of(error: &Error) -> String {
    let reason = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    reason.chars().take(LONGEST_REASON).collect()
}

/// The captures of a rule's regular expression: a list by position (0 is the whole match), and by name.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    texts: Vec<Option<String>>,
    names: Vec<(String, usize)>,
}

impl Captures {
    /// Those of the first match; none without one.
    pub(crate) fn of(regex: &Regex, text: &str) -> Captures {
        let Some(captures) = regex.captures(text) else { return Captures::default() };
        let texts = captures.iter().map(|capture| capture.map(|found| found.as_str().to_owned())).collect();
        let names = regex.capture_names().enumerate();
        let names = names.filter_map(|(position, name)| Some((name?.to_owned(), position))).collect();
        Captures { texts, names }
    }
}

impl Object for Captures {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let position = match key.as_str() {
            Some(name) => self.names.iter().find(|(known, _)| known == name)?.1,
            None => key.as_usize()?,
        };
        // A group that took no part in the match is none.
        self.texts.get(position).map(|text| Value::from(text.clone()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.texts.len())
    }
}

/// Takes output up to the bound.
#[derive(Default)]
struct BoundedOutput {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for BoundedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > LONGEST_OUTPUT {
            self.is_full = true;
            return Err(io::Error::other("the output is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does something on a thread with a large stack.
///
/// # Errors
/// The operating system gives no such thread.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("script".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> TemplateValues {
        let regex = Regex::new(r"(?<what>\w+) in (?<city>\w+)(?<rest>!)?").unwrap();
        TemplateValues {
            request: bytes::Bytes::from_static(br#"{"seed":7}"#),
            text: "sun in Oslo".to_owned(),
            turn: 2,
            model: "m".to_owned(),
            captures: Captures::of(&regex, "sun in Oslo"),
            state: "start".to_owned(),
            headers: HeaderMap::from_iter([
                (http::header::AUTHORIZATION, http::HeaderValue::from_static("secret")),
                (http::header::HOST, http::HeaderValue::from_static("here")),
            ]),
        }
    }

    fn rendered(source: &str) -> Result<String, String> {
        let mut builder = TemplatesBuilder::new();
        let name = builder.add(source).unwrap();
        on_large_stack(|| render(&builder.build().environment, &name, values())).unwrap()
    }

    #[test]
    fn templates_see_the_request() {
        let source = "{{ request.seed }} {{ text }} {{ turn }} {{ model }} {{ state }} {{ headers.host }} \
                      {{ captures[0] }} {{ captures.city }} {{ captures[1] }} {{ captures.rest is none }}\
                      {% for capture in captures %} {{ capture }}{% endfor %}";
        assert_eq!(
            rendered(source).unwrap(),
            "7 sun in Oslo 2 m start here sun in Oslo Oslo sun True sun in Oslo sun Oslo None"
        );
    }

    #[test]
    fn what_fails_is_told() {
        let endless = "{% macro again() %}{% for i in range(1000) %}{{ again() }}{% endfor %}{% endmacro %}{{ again() }}";
        let busy = "{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}";
        assert_eq!(rendered(busy).unwrap_err(), "does not come to an end within 200000 units of work");
        assert_eq!(
            rendered(endless).unwrap_err(),
            "fails in its line 1: invalid operation: recursion limit exceeded"
        );
        assert_eq!(
            rendered("a\n{{ txet }}").unwrap_err(),
            "fails in its line 2: undefined value: `txet` is undefined"
        );
        assert_eq!(
            rendered("{{ headers.authorization }}").unwrap_err(),
            "fails in its line 1: undefined value: `headers.authorization` is undefined"
        );
        let large = format!("{{% for i in range(40) %}}{}{{% endfor %}}", "x".repeat(30_000));
        assert_eq!(rendered(&large).unwrap_err(), "writes more than 1048576 bytes");
    }

    #[test]
    fn the_deepest_nesting_is_survived() {
        let nested =
            "{% set ns = namespace(x=[]) %}{% for i in range(20000) %}{% set ns.x = [ns.x] %}{% endfor %}";
        assert_eq!(rendered(nested).unwrap(), "");
        // Sums take time with the square of their length, so theirs is not as long as it might be.
        for (head, part, tail, longest) in [
            ("{% if a %}", "{% elif a %}", "{% endif %}", LONGEST_TEMPLATE),
            ("{{ a", ".b", " }}", LONGEST_TEMPLATE),
            ("{{ a", "|e", " }}", LONGEST_TEMPLATE),
            ("{{ a", "+1", " }}", LONGEST_TEMPLATE / 8),
        ] {
            let source = [head, &part.repeat((longest - 20) / part.len()), tail].concat();
            on_large_stack(|| TemplatesBuilder::new().add(&source).map(|_| ())).unwrap().unwrap();
        }
    }
}
