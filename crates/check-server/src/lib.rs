//! The judge of servers: a catalogue of cases, run against any URL, with evidence for every verdict.
//!
//! Owns the cases, their order, and the way from a base URL to the document of verdicts. It judges bytes (by `wire`) and
//! JSON values (by `serde_json`), and shares no code with the servers and clients of this project: no types of the API,
//! no decoder of streams. Refuses to know how verdicts are shown.
//!
//! A case is data and one small function, in the file of its section below [`sections`]. What it does with the server
//! goes through its [`Trial`], which keeps what was seen as evidence.

mod asker;
mod case;
mod chat;
mod chat_answer;
mod chat_stream;
mod companion;
mod cost;
mod crowd;
mod ending;
mod evidence;
mod exchange;
mod json_answer;
mod judge;
mod knowledge;
mod lines;
mod plain_chat;
mod preflight;
mod question;
mod refusal;
mod response_request;
mod response_samples;
mod response_stream;
mod response_texts;
mod runner;
mod samples;
mod schema;
mod secrets;
mod sections;
mod stream_errors;
mod trial;
mod value;
mod vectors;

pub use case::{Case, Company, Cost, Held, Judging, Objection, Outcome};
pub use cost::cost;
pub use interference_target::{Target, TargetError};
pub use judge::{Judge, Judgement};
pub use lines::{Event, EventStream, Line, LineKind};
pub use preflight::{PreflightError, Wishes};
pub use sections::{CATALOGUE, Section, cases};
pub use trial::Trial;
