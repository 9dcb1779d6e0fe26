//! The judge of clients: an exam of literal streams, one run of the client for each, and what it says it got.
//!
//! Owns the cases, the examiner that serves them, the running of the client's command within bounds, and the way from a
//! command to the document of verdicts. It writes literal bytes and reads the client's account as a JSON value; it
//! shares no code with the servers and clients of this project. Refuses to know how verdicts are shown.
//!
//! A case is data, the steps of its answer, and one small function that judges what was [`Seen`]; it stands in the file
//! of its group below [`cases`].

mod account;
mod answer;
mod case;
mod cases;
mod evidence;
mod examiner;
mod judge;
mod listen;
mod oracle;
mod processes;
mod program;
mod sample;

pub use account::{Account, NoAccount};
pub use case::{Case, Harm, Objection, Outcome, Tools, Turn};
pub use cases::{CATALOGUE, Group, cases};
pub use evidence::Attempt;
pub use judge::{Exam, ExamError, Judgement};
pub use listen::{Audience, Column, Listening};
pub use oracle::Seen;
pub use program::{Program, Run};
