//! Runs a template that nobody vouches for: it comes with a model file, from wherever that came.
//!
//! What is bounded, and how:
//!
//! - what the parser, the compiler and the machine call themselves for: tokens in a tag, `elif`s, the length of the
//!   source; and all of it runs on a thread whose stack holds that
//! - work, and text that is made: minijinja's fuel, in proportion to the conversation
//! - the size and depth of every value, and what it costs to go through it: [`gates`](super::gates)
//! - what may make much of little and asks no fuel beforehand: Python's methods ([`call_method`]), and [`to_json`]
//!
//! Templates cannot reach other templates, files or the clock: those parts of minijinja are not compiled in.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::machinery::{CompiledTemplate, TemplateConfig, Token, eval, make_string_output, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value, context};
use minijinja_contrib::pycompat;

use super::conversation::Conversation;
use super::gates::{ANY, NEW, with_gates};
use super::json::to_json;
use super::weight::{WeighedList, weigh};
use super::{FIXED_DATE, TemplateError};
use crate::gguf::excerpt_of;
use crate::large_stack::on_large_stack;

/// A template may be this long, in bytes; those of real models have up to 40,000.
const LONGEST_TEMPLATE: usize = 1 << 17;
/// Tokens in one tag of it. The compiler calls itself once for some of them, such as `-` or `~`.
const MOST_TOKENS: usize = 2_000;
/// `elif`s in all of it, for each of which the compiler calls itself.
const MOST_ELIFS: usize = 500;
/// What the deepest template needs, with room to spare; memory is taken as it is used.
const STACK_BYTES: usize = 64 << 20;
/// Instructions, and the text that is made at 64 bytes a unit, of which a short conversation needs a thousandth.
const FUEL: u64 = 500_000;
/// More of it for each message, for each part of a tool or a call, and for so many bytes of all of them.
const FUEL_OF_A_MESSAGE: u64 = 2_000;
const FUEL_OF_A_PART: u64 = 64;
const BYTES_OF_A_UNIT: usize = 2;
/// So often a template may look at the tools for each message.
const LOOKS_AT_TOOLS: u64 = 4;
/// The weight of a value, beside what twice the conversation and its tools weigh.
const HEAVIEST: usize = 50_000;
/// What a template says when it refuses messages is told up to so many characters.
const LONGEST_PROBLEM: usize = 500;
/// To go through so many parts of a value costs a unit of fuel.
const PARTS_OF_A_UNIT: usize = 16;
/// What minijinja charges for a unit of fuel, and for a slot of a list, in bytes.
const FUEL_BYTES: usize = 64;
const SLOT_BYTES: usize = 32;

/// A source that can be run: it is valid, and within its bounds.
pub(super) struct Confined {
    source: String,
    environment: Environment<'static>,
    syntax: SyntaxConfig,
}

impl Confined {
    /// Checks a template.
    pub(super) fn new(source: &str) -> Result<Confined, TemplateError> {
        // As the library that the models' authors use has it set.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        let syntax = syntax.map_err(|error| TemplateError::Invalid(error.to_string()))?;
        check_length(source, &syntax)?;
        let mut environment = Environment::new();
        environment.set_unknown_method_callback(call_method);
        environment.add_filter("tojson", to_json);
        // It would print all that there is at once.
        environment.remove_global("debug");
        environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", |_format: String| FIXED_DATE);
        let confined = Confined { source: source.to_owned(), environment, syntax };
        on_stack(|| confined.compile().map(|_| ()))?
            .map_err(|error| TemplateError::Invalid(excerpt_of(&error.to_string(), LONGEST_PROBLEM)))?;
        Ok(confined)
    }

    /// The source, as it was given.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Whether a variable of this name occurs in it.
    pub(super) fn reads(&self, variable: &str) -> bool {
        let mut is_attribute = false;
        // What is no token is no variable; a template that was compiled has none of these.
        tokenize(&self.source, false, self.syntax.clone()).map_while(Result::ok).any(|(token, _)| {
            let is_read = !is_attribute && matches!(token, Token::Ident(name) if name == variable);
            is_attribute = matches!(token, Token::Dot);
            is_read
        })
    }

    /// The text that the template makes of a conversation, and of the `others` in its context.
    pub(super) fn render(&self, conversation: Conversation, others: Value) -> Result<String, TemplateError> {
        let Conversation { messages, tools, bytes, parts } = conversation;
        let (messages, tools) = (WeighedList::new(messages), tools.map(WeighedList::new));
        let tools_weight = tools.as_ref().map_or(0, WeighedList::weight);
        let looks = LOOKS_AT_TOOLS.saturating_mul((tools_weight / PARTS_OF_A_UNIT) as u64);
        let of_messages = (FUEL_OF_A_MESSAGE + looks).saturating_mul(messages.len() as u64);
        let of_parts = FUEL_OF_A_PART.saturating_mul(parts as u64);
        let fuel =
            (FUEL + (bytes / BYTES_OF_A_UNIT) as u64).saturating_add(of_messages).saturating_add(of_parts);
        let weight = messages.weight().saturating_add(tools_weight);
        let heaviest = weight.saturating_mul(2).saturating_add(HEAVIEST);
        let context = context! {
            messages => Value::from_object(messages),
            // As the library has it that the models' authors use: nothing, but defined.
            tools => tools.map_or(Value::from(()), Value::from_object),
            ..others
        };
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(fuel));
        for (name, is_new) in [(ANY, false), (NEW, true)] {
            environment.add_test(name, move |state: &State<'_, '_>, value: &Value| {
                pass(state, value, heaviest, is_new).map(|()| true)
            });
        }
        let rendered = on_stack(|| -> Result<String, Error> {
            let gated = with_gates(&self.compile()?.instructions);
            let mut text = String::new();
            let blocks = BTreeMap::new();
            let mut output = make_string_output(&mut text);
            eval(&environment, &gated, context, &blocks, &mut output, AutoEscape::None)?;
            drop(output);
            Ok(text)
        })?;
        rendered.map_err(|error| match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, Some(problem)) => TemplateError::Excessive(problem.to_owned()),
            (ErrorKind::OutOfFuel, None) => {
                TemplateError::Excessive(format!("it takes more than {fuel} units of work and text"))
            }
            (_, problem) => {
                TemplateError::Refused(excerpt_of(problem.unwrap_or("it fails"), LONGEST_PROBLEM))
            }
        })
    }

    fn compile(&self) -> Result<CompiledTemplate<'_>, Error> {
        let config = TemplateConfig {
            syntax_config: self.syntax.clone(),
            default_auto_escape: Arc::new(|_| AutoEscape::None),
        };
        CompiledTemplate::new("chat", &self.source, &config)
    }
}

/// What could overflow a stack is refused before it is parsed, by the tokens that the parser itself sees.
fn check_length(source: &str, syntax: &SyntaxConfig) -> Result<(), TemplateError> {
    let invalid = |problem: String| Err(TemplateError::Invalid(problem));
    if source.len() > LONGEST_TEMPLATE {
        return invalid(format!("it has {} bytes, more than {LONGEST_TEMPLATE}", source.len()));
    }
    let (mut tokens, mut elifs) = (0, 0);
    for token in tokenize(source, false, syntax.clone()) {
        match token {
            Ok((Token::VariableStart | Token::BlockStart, _)) => tokens = 0,
            Ok((Token::Ident("elif"), _)) if tokens == 0 => elifs += 1,
            Ok(_) => tokens += 1,
            // The parser finds it, too, and says where.
            Err(_) => break,
        }
        if tokens > MOST_TOKENS {
            return invalid(format!("it has a tag of more than {MOST_TOKENS} tokens"));
        }
        if elifs > MOST_ELIFS {
            return invalid(format!("it has more than {MOST_ELIFS} elifs"));
        }
    }
    Ok(())
}

/// Does something on a thread with a stack for whatever the bounds allow.
fn on_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, TemplateError> {
    on_large_stack("template", STACK_BYTES, work).map_err(|error| TemplateError::NoThread(error.to_string()))
}

/// The test in a gate: an error for what may not pass.
fn pass(state: &State<'_, '_>, value: &Value, heaviest: usize, is_new: bool) -> Result<(), Error> {
    let weight = weigh(value, heaviest, is_new).map_err(|excess| excessive(excess.problem(heaviest)))?;
    state.consume_fuel((weight / PARTS_OF_A_UNIT) as u64)
}

pub(super) fn excessive(problem: String) -> Error {
    Error::new(ErrorKind::OutOfFuel, problem)
}

/// Python's methods. Where one may make much of little, the fuel must last for it before it is called.
fn call_method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        let made = bytes_made(text, name, arguments);
        let left = state.fuel_levels().map_or(0, |(_, left)| left);
        if made / FUEL_BYTES >= usize::try_from(left).unwrap_or(usize::MAX) {
            return Err(excessive(format!("`{name}` makes a value that is too long")));
        }
    }
    pycompat::unknown_method_callback(state, value, name, arguments)
}

/// More bytes than a method of a text makes.
fn bytes_made(text: &str, name: &str, arguments: &[Value]) -> usize {
    let length = |index: usize| arguments.get(index).map_or(0, text_bytes);
    let argument = arguments.first().and_then(Value::as_str);
    match name {
        "replace" => {
            let matches = text.matches(argument.unwrap_or_default()).count();
            matches.saturating_mul(length(1)).saturating_add(text.len())
        }
        "join" => {
            let items = arguments.first().and_then(Value::len).unwrap_or(0);
            items.saturating_mul(text.len()).saturating_add(length(0))
        }
        "split" | "splitlines" => {
            let parts = argument.filter(|separator| !separator.is_empty()).map_or_else(
                || text.chars().filter(|character| character.is_whitespace()).count(),
                |separator| text.matches(separator).count(),
            );
            (parts + 1).saturating_mul(2 * SLOT_BYTES).saturating_add(text.len())
        }
        // Any number in it may be a width, and any brace a place for any argument.
        "format" => {
            let numbers =
                text.split(|character: char| !character.is_ascii_digit()).filter(|run| !run.is_empty());
            let widths = numbers.map(|run| run.parse::<usize>().unwrap_or(usize::MAX));
            let widths = widths.fold(0, usize::saturating_add);
            let given = (0..arguments.len()).map(|index| {
                // A nested place makes a number a width.
                let number = arguments[index].as_usize().unwrap_or(0);
                length(index).saturating_add(number)
            });
            let given = given.fold(64, usize::saturating_add);
            text.matches('{').count().saturating_mul(given).saturating_add(widths).saturating_add(text.len())
        }
        _ => 0,
    }
}

/// More bytes than a value has as text.
fn text_bytes(value: &Value) -> usize {
    weigh(value, usize::MAX, false).unwrap_or(usize::MAX).saturating_mul(2 * FUEL_BYTES)
}
