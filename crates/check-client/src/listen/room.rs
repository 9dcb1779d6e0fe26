//! The clients that are examined: what each was served, and what it has come to.
//!
//! Owns a seat for each client, with a record and a verdict for every case, and the bounds of all that is kept. Refuses
//! to know addresses and documents.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use interference_report::{CaseVerdict, Finding, Verdict};

use super::place::UNNAMED;
use super::reply::Problem;
use super::report::Report;
use super::{Column, Listening};
use crate::case::Case;
use crate::cases::cases;
use crate::evidence::{Attempt, exchanges};
use crate::examiner::{MOST_ATTEMPTS, Record};
use crate::judge::findings;

/// Clients at once.
const MOST_CLIENTS: usize = 64;
/// Bytes of requests that wait for a report, with their answers, of all clients.
const MOST_KEPT: usize = 256 << 20;
/// How long a report waits for answers that are still under way: a client that is done lets go of them, as a rule.
const SETTLING: Duration = Duration::from_secs(2);

/// How much a room holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capacity {
    /// Clients at once.
    pub(super) clients: usize,
    /// Bytes of requests that wait for a report, with their answers: past them no further one is taken.
    pub(super) kept_bytes: usize,
}

impl Default for Capacity {
    fn default() -> Capacity {
        Capacity { clients: MOST_CLIENTS, kept_bytes: MOST_KEPT }
    }
}

/// All clients.
pub(super) struct Room {
    listening: Listening,
    capacity: Capacity,
    /// The cases that are told of, in the catalogue's order.
    told: Vec<&'static Case>,
    /// In the order in which they came.
    seats: Mutex<Vec<Arc<Seat>>>,
    changes: AtomicU64,
}

/// One client.
pub(super) struct Seat {
    name: String,
    findings: OnceLock<Vec<Finding>>,
    /// One for each case that is told of.
    sittings: Vec<Sitting>,
}

/// One client before one case.
struct Sitting {
    case: &'static Case,
    record: Arc<Record>,
    verdict: Mutex<Option<CaseVerdict>>,
}

/// How one client stands.
pub(super) struct Standing {
    pub(super) column: Column,
    /// Slugs of the cases that it has reported of.
    pub(super) reported: Vec<&'static str>,
    /// Requests since the last report, for each case that has any.
    pub(super) waiting: Vec<(&'static str, usize)>,
}

/// Who reports.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sender<'a> {
    /// The client whose address it is.
    Addressed(&'a str),
    /// A client that is named at the plain address: it was served at its own, or else at the plain one.
    Named(&'a str),
}

impl Room {
    pub(super) fn new(listening: Listening, capacity: Capacity) -> Room {
        let told = listening.selection.told(cases());
        Room { listening, capacity, told, seats: Mutex::default(), changes: AtomicU64::new(0) }
    }

    pub(super) fn listening(&self) -> &Listening {
        &self.listening
    }

    /// The cases that are served, in the catalogue's order.
    pub(super) fn served(&self) -> impl Iterator<Item = &'static Case> {
        self.told.iter().copied().filter(|case| !self.listening.selection.skips(case.slug))
    }

    /// Something has become different.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that is another after every change.
    pub(super) fn version(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Where a request of this client for this case is kept.
    ///
    /// # Errors
    /// There is no such case, or no room.
    pub(super) fn admit(&self, client: Option<&str>, slug: &str) -> Result<Arc<Record>, Problem> {
        let case = self.case(slug)?;
        if self.kept_bytes() > self.capacity.kept_bytes {
            let message = "too many requests wait for a report: report, or begin again with some cases";
            return Err(Problem::full(message));
        }
        let seat = self.seat(client.unwrap_or(UNNAMED))?;
        let record = Arc::clone(&seat.sitting(case).record);
        match record.look(<[Attempt]>::len) {
            MOST_ATTEMPTS.. => Err(Problem::full(format!(
                "{MOST_ATTEMPTS} requests of {} for {slug} wait for a report: report, or begin again with a DELETE of \
                 the report's address",
                seat.name
            ))),
            _ => Ok(record),
        }
    }

    /// Judges what a client reports, by what it was served since the report before.
    ///
    /// # Errors
    /// It was served nothing, the report does not fit the case, or there is no such case.
    ///
    /// # Cancellation
    /// Before the verdict nothing is changed.
    pub(super) async fn judge(
        &self,
        sender: Sender<'_>,
        slug: &str,
        report: &Report<'_>,
    ) -> Result<CaseVerdict, Problem> {
        let case = self.case(slug)?;
        report.fits(case)?;
        let (Sender::Addressed(name) | Sender::Named(name)) = sender;
        let never = || {
            Problem::never_served(format!(
                "{name} was served nothing of {slug} since the last report: it has to ask before it reports"
            ))
        };
        let addresses: &[&str] = match sender {
            Sender::Addressed(_) => &[name],
            Sender::Named(_) => &[name, UNNAMED],
        };
        let asked = addresses.iter().filter_map(|address| self.find(address));
        let mut asked = asked.map(|seat| Arc::clone(&seat.sitting(case).record));
        let record = asked.find(|record| record.look(|attempts| !attempts.is_empty())).ok_or_else(never)?;
        record.settled(SETTLING).await;
        let seat = self.seat(name)?;
        let attempts = record.take();
        if attempts.is_empty() {
            return Err(never());
        }
        seat.findings.get_or_init(|| findings(&attempts));
        let verdict = report.verdict(case, &attempts, self.listening.timeout, self.repeat(case));
        *seat.sitting(case).verdict() = Some(verdict.clone());
        self.changed();
        self.listening.audience.heard(name, &verdict);
        Ok(verdict)
    }

    /// Forgets what a client was served of a case, and what it has come to.
    ///
    /// # Errors
    /// There is no such case, or no such client.
    pub(super) fn begin_again(&self, name: &str, slug: &str) -> Result<(), Problem> {
        let case = self.case(slug)?;
        let seat = self.find(name).ok_or_else(|| unknown(name))?;
        let sitting = seat.sitting(case);
        sitting.record.take();
        *sitting.verdict() = None;
        self.changed();
        Ok(())
    }

    /// Forgets a client.
    ///
    /// # Errors
    /// There is no such client.
    pub(super) fn forget(&self, name: &str) -> Result<(), Problem> {
        let mut seats = self.seats();
        let before = seats.len();
        seats.retain(|seat| seat.name != name);
        if seats.len() == before {
            return Err(unknown(name));
        }
        self.changed();
        Ok(())
    }

    /// How a client stands.
    ///
    /// # Errors
    /// There is no such client.
    pub(super) fn standing(&self, name: &str) -> Result<Standing, Problem> {
        let seat = self.find(name).filter(|seat| seat.is_taken()).ok_or_else(|| unknown(name))?;
        Ok(self.standing_of(&seat))
    }

    /// How all clients stand, in the order in which they came.
    pub(super) fn standings(&self) -> Vec<Standing> {
        let seats: Vec<Arc<Seat>> = self.seats().clone();
        seats.iter().filter(|seat| seat.is_taken()).map(|seat| self.standing_of(seat)).collect()
    }

    /// What all clients have come to.
    pub(super) fn columns(&self) -> Vec<Column> {
        self.standings().into_iter().map(|standing| standing.column).collect()
    }

    fn standing_of(&self, seat: &Seat) -> Standing {
        let told = seat.sittings.iter().map(|sitting| {
            if self.listening.selection.skips(sitting.case.slug) {
                let skipped = sitting.case.unjudged(Verdict::Skip, self.repeat(sitting.case));
                return CaseVerdict { seen: "left out as asked".to_owned(), ..skipped };
            }
            sitting.told(self.repeat(sitting.case))
        });
        let reported = seat.sittings.iter().filter(|sitting| sitting.verdict().is_some());
        let waiting = seat.sittings.iter().map(|sitting| (sitting.case.slug, sitting.waiting()));
        Standing {
            reported: reported.map(|sitting| sitting.case.slug).collect(),
            waiting: waiting.filter(|(_, waiting)| *waiting > 0).collect(),
            column: Column {
                client: seat.name.clone(),
                findings: seat.findings.get().cloned().unwrap_or_default(),
                cases: told.collect(),
            },
        }
    }

    fn repeat(&self, case: &Case) -> String {
        format!("{} --only {}", self.listening.repeat, case.slug)
    }

    fn case(&self, slug: &str) -> Result<&'static Case, Problem> {
        let found = self.served().find(|case| case.slug == slug);
        found.ok_or_else(|| Problem::not_found(format!("no case `{slug}` is served; /cases lists them")))
    }

    fn find(&self, name: &str) -> Option<Arc<Seat>> {
        self.seats().iter().find(|seat| seat.name == name).cloned()
    }

    /// The seat of a client, which takes one if it has none; seats that stand empty make room.
    fn seat(&self, name: &str) -> Result<Arc<Seat>, Problem> {
        let mut seats = self.seats();
        if let Some(seat) = seats.iter().find(|seat| seat.name == name) {
            return Ok(Arc::clone(seat));
        }
        let most = self.capacity.clients;
        if seats.len() >= most {
            seats.retain(|seat| seat.is_taken());
        }
        if seats.len() >= most {
            let message = format!(
                "there are {most} clients already: forget one with a DELETE of /verdicts?client=NAME"
            );
            return Err(Problem::full(message));
        }
        let sitting = |case: &&'static Case| Sitting {
            case,
            record: Record::new(case, self.listening.timeout),
            verdict: Mutex::default(),
        };
        let sittings = self.told.iter().map(sitting).collect();
        let seat = Arc::new(Seat { name: name.to_owned(), findings: OnceLock::new(), sittings });
        seats.push(Arc::clone(&seat));
        Ok(seat)
    }

    fn kept_bytes(&self) -> usize {
        let of_seat = |seat: &Arc<Seat>| -> usize {
            let records = seat.sittings.iter().map(|sitting| &sitting.record);
            records
                .map(|record| {
                    record.look(|attempts| attempts.iter().map(|attempt| attempt.bytes).sum::<usize>())
                })
                .sum()
        };
        self.seats().iter().map(of_seat).sum()
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("no client `{name}` has asked or reported"))
}

impl Seat {
    /// The sitting for a case that is told of.
    fn sitting(&self, case: &'static Case) -> &Sitting {
        let index = self.sittings.iter().position(|sitting| sitting.case.slug == case.slug);
        &self.sittings[index.unwrap_or_default()]
    }

    /// Whether there is anything to tell of it.
    fn is_taken(&self) -> bool {
        self.sittings.iter().any(|sitting| sitting.waiting() > 0 || sitting.verdict().is_some())
    }
}

impl Sitting {
    fn waiting(&self) -> usize {
        self.record.look(<[Attempt]>::len)
    }

    /// What the client has come to; without a report that is open.
    fn told(&self, repeat: String) -> CaseVerdict {
        if let Some(verdict) = self.verdict().clone() {
            return verdict;
        }
        self.record.look(|attempts| {
            let seen = match attempts.len() {
                0 => "never asked for".to_owned(),
                1 => "asked for once, and nothing was reported".to_owned(),
                times => format!("asked for {times} times, and nothing was reported"),
            };
            CaseVerdict {
                seen,
                requests: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
                evidence: exchanges(attempts, &repeat),
                ..self.case.unjudged(Verdict::Inconclusive, repeat)
            }
        })
    }

    fn verdict(&self) -> MutexGuard<'_, Option<CaseVerdict>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
