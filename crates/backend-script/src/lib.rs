//! A script as a backend: rules that match requests, and the answers to them.
//!
//! Owns the form of a script, the matching of its rules, and the telling of its answers at their pace, as a model
//! would tell them. It refuses to know sockets, how events become bytes, and how faults are carried out.

mod answer;
mod answer_stream;
mod chat_request;
mod chat_teller;
mod completion_request;
mod completion_teller;
mod condition;
mod error;
mod facts;
mod inputs;
mod pace;
mod pieces;
mod reading;
mod script;
mod script_backend;
mod script_file;
mod sessions;
mod suggestion;
mod telling;
mod template;
mod usage;
mod wildcard;

pub use completion_request::LONGEST_ECHO;
pub use condition::LONGEST_QUOTE;
pub use error::{MOST_PROBLEMS, Problem, ScriptError};
pub use reading::{
    LONGEST_LIKE, LONGEST_NAME, LONGEST_REGEX_PROGRAM, MOST_MODELS, MOST_PIECES, MOST_RULES, MOST_TEXT_BYTES,
};
pub use script::{DEFAULT_MODEL, DEFAULT_STATE, LONGEST_SCRIPT, Script};
pub use script_backend::{RULE, SESSION, ScriptBackend, ScriptOptions};
pub use script_file::{BETWEEN_LOOKS, Report, ScriptFile};
pub use sessions::{LONGEST_SESSION, MOST_SESSIONS};
pub use template::{LONGEST_OUTPUT, LONGEST_TEMPLATE, STACK_BYTES, TEMPLATE_FUEL, TEMPLATES_AT_ONCE};
pub use wildcard::LONGEST_PATTERN;
