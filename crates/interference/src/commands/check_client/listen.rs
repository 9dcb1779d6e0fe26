//! `interference check-client --listen`: clients that are no command come to the examiner, until Ctrl-C.
//!
//! Owns the socket, what is said meanwhile, and the way from the clients' verdicts to reports. What is served and
//! judged is `check-client`'s business.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use interference_catalogue::Selection;
use interference_check_client::{Audience, Column, Listening};
use interference_report::{CaseVerdict, Verdict, Verdicts};
use tokio::net::TcpListener;

use super::{CheckClientArguments, repeat};
use crate::failure::{Failure, TOOL_FAILED};
use crate::interrupt::{asked_to_end, end_at_ctrl_c};
use crate::judging::{Found, Telling};
use crate::talk::say;

/// An address to listen at: `ADDR:PORT`, where `localhost` is 127.0.0.1.
///
/// # Errors
/// It is anything else.
pub(super) fn address(given: &str) -> Result<SocketAddr, String> {
    let port = given.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let local = port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    local
        .or_else(|| given.parse().ok())
        .ok_or_else(|| "expected ADDR:PORT, such as 127.0.0.1:8337".to_owned())
}

/// Serves the cases until it is asked to end, and tells what has come of it.
///
/// # Errors
/// A client is broken, none has come, or nobody can listen there.
pub(super) fn run(
    address: SocketAddr,
    selection: Selection,
    arguments: &CheckClientArguments,
    telling: Telling,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let telling = Arc::new(telling);
    let documents = runtime.block_on(documents(address, selection, arguments, &telling))?;
    telling.tell_all(&documents)
}

async fn documents(
    address: SocketAddr,
    selection: Selection,
    arguments: &CheckClientArguments,
    telling: &Arc<Telling>,
) -> anyhow::Result<Vec<Verdicts>> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let hint = "name another port, or 0 for any that is free: --listen 127.0.0.1:0";
        Failure::new(TOOL_FAILED, format!("cannot listen at {address}: {error}"), hint)
    })?;
    let address = listener.local_addr()?;
    let command = format!("{} --listen {address}", repeat(arguments));
    let audience = Arc::new(Desk { telling: Arc::clone(telling), command: command.clone() });
    let listening = Listening {
        selection,
        timeout: arguments.timeout,
        repeat: command,
        audience: Arc::clone(&audience) as _,
    };
    let terminated = asked_to_end()?;
    say(&format!("listening on http://{address}"));
    if !address.ip().to_canonical().is_loopback() {
        say("everybody who reaches this address can ask, report, and read what was reported");
    }
    say("open it in a browser; Ctrl-C ends it and tells the verdicts");
    let until = async {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = terminated => {}
        }
    };
    let mut columns = listening.serve(listener, until).await;
    // Once more, and nothing is told.
    end_at_ctrl_c()?;
    if columns.is_empty() {
        let hint = "point a client at the base URL of a case, as the page has it";
        return Err(Failure::new(TOOL_FAILED, "no client has come: nothing was judged", hint).into());
    }
    if !arguments.judging.evidence_of_all() {
        // The page has shown it all the same.
        let cases = columns.iter_mut().flat_map(|column| &mut column.cases);
        cases.filter(|case| case.verdict == Verdict::Pass).for_each(|case| case.evidence.clear());
    }
    Ok(columns.into_iter().map(|column| audience.document(column)).collect())
}

/// Where verdicts become documents.
struct Desk {
    telling: Arc<Telling>,
    command: String,
}

impl Audience for Desk {
    fn document(&self, column: Column) -> Verdicts {
        let Column { client, findings, cases } = column;
        self.telling.document(Found { command: self.command.clone(), target: client, findings, cases })
    }

    fn heard(&self, client: &str, verdict: &CaseVerdict) {
        say(&format!("{client}: {} {}: {}", verdict.verdict.name(), verdict.slug, verdict.seen));
    }
}
