//! What the page and reports are answered.
//!
//! Owns the meaning of each address that is no case, and the names of those who report. Refuses to know connections and
//! bytes of HTTP.

use std::sync::Arc;

use interference_report::{Format, Verdicts};
use interference_wire::Request;
use serde_json::{Map, Value, json};

use super::place::{Place, UNNAMED};
use super::reply::{Problem, Reply};
use super::report::Report;
use super::room::{Room, Sender, Standing};
use super::{method, page};
use crate::case::Case;

/// Answers for one room.
pub(super) struct Desk {
    pub(super) room: Arc<Room>,
}

impl Desk {
    pub(super) fn new(room: Room) -> Desk {
        Desk { room: Arc::new(room) }
    }

    /// The answer to a request for anything but a case's own answer.
    ///
    /// # Errors
    /// It asks for what there is not, or reports what cannot be judged.
    pub(super) async fn reply(&self, request: &Request, place: Place<'_>) -> Result<Reply, Problem> {
        match (place, method(request)) {
            (Place::File(name), b"GET" | b"HEAD") => Ok(page::file(name)),
            (Place::Cases, b"GET" | b"HEAD") => {
                let served: Vec<&'static Case> = self.room.served().collect();
                Ok(Reply::json(&page::catalogue(&served, self.room.listening().timeout)))
            }
            (Place::Verdicts { client: None }, b"GET" | b"HEAD") => self.overview(request),
            (Place::Verdicts { client: Some(client) }, b"GET" | b"HEAD") => {
                let document = self.document(self.room.standing(client)?);
                Ok(Reply::json(&written(&document)?).with("Cache-Control", "no-store"))
            }
            (Place::Verdicts { client: Some(client) }, b"DELETE") => {
                self.room.forget(client).map(|()| Reply::bare("204 No Content"))
            }
            (Place::Verdicts { client: None }, b"DELETE") => {
                Err(Problem::malformed("say which client is to be forgotten: /verdicts?client=NAME"))
            }
            (Place::Download { format, client }, b"GET" | b"HEAD") => self.download(format, client),
            (Place::Report { path_client, query_client, slug }, b"POST") => {
                let report = Report::read(&request.received.body)?;
                let sender = sender([path_client, query_client, report.client.as_deref()])?;
                let verdict = self.room.judge(sender, slug, &report).await?;
                Ok(Reply::json(&written(&verdict)?))
            }
            (Place::Report { path_client, query_client, slug }, b"DELETE") => {
                let (Sender::Addressed(name) | Sender::Named(name)) =
                    sender([path_client, query_client, None])?;
                self.room.begin_again(name, slug).map(|()| Reply::bare("204 No Content"))
            }
            (place, _) => Err(Problem::wrong_method(place.methods())),
        }
    }

    /// All documents without their evidence; nothing, if the asker has had it.
    fn overview(&self, request: &Request) -> Result<Reply, Problem> {
        let version = format!("\"{}\"", self.room.version());
        let fields = request.head.as_ref().map(|head| &head.fields);
        let with = |reply: Reply| reply.with("ETag", &version).with("Cache-Control", "no-cache");
        if fields.is_some_and(|fields| fields.lists("if-none-match", &version)) {
            return Ok(with(Reply::bare("304 Not Modified")));
        }
        let clients: Vec<Value> = self
            .room
            .standings()
            .into_iter()
            .map(|standing| self.told(standing))
            .collect::<Result<_, _>>()?;
        Ok(with(Reply::json(&json!({"clients": clients}))))
    }

    fn told(&self, standing: Standing) -> Result<Value, Problem> {
        let (reported, client) = (standing.reported.clone(), standing.column.client.clone());
        let waiting: Map<String, Value> =
            standing.waiting.iter().map(|(slug, times)| ((*slug).to_owned(), json!(times))).collect();
        let mut document = self.document(standing);
        for case in &mut document.cases {
            case.evidence.clear();
        }
        let conclusion = document.conclusion();
        let verdicts = written(&document)?;
        Ok(json!({
            "client": client, "conclusion": conclusion, "reported": reported, "waiting": waiting, "verdicts": verdicts,
        }))
    }

    fn document(&self, standing: Standing) -> Verdicts {
        self.room.listening().audience.document(standing.column)
    }

    fn download(&self, format: &str, client: Option<&str>) -> Result<Reply, Problem> {
        let format: Format = format.parse().map_err(|_| {
            let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
            Problem::not_found(format!("there is no report `{format}`, but {}", names.join(", ")))
        })?;
        let standings = match client {
            Some(client) => vec![self.room.standing(client)?],
            None => self.room.standings(),
        };
        let names: Vec<String> = standings.iter().map(|standing| standing.column.client.clone()).collect();
        if names.is_empty() {
            return Err(Problem::never_served("no client has asked for anything yet"));
        }
        format.accept(names.len()).map_err(|_| {
            let message =
                format!("{format} tells of one client: add ?client=NAME, one of {}", names.join(", "));
            Problem::malformed(message)
        })?;
        let documents: Vec<Verdicts> =
            standings.into_iter().map(|standing| self.document(standing)).collect();
        let text = format.render(&documents).map_err(|error| Problem::unwritable(error.to_string()))?;
        let (kind, ending) = kind(format);
        let name = client.map_or("check-client".to_owned(), |client| format!("check-client-{client}"));
        let disposition = format!("attachment; filename=\"{name}.{ending}\"");
        let reply = Reply::new(kind, text).with("Content-Disposition", &disposition);
        Ok(reply.with("Cache-Control", "no-store"))
    }
}

/// Who reports: by the address, or by a name in the query or in the report.
///
/// # Errors
/// They disagree.
fn sender(names: [Option<&str>; 3]) -> Result<Sender<'_>, Problem> {
    let mut given = names.into_iter().flatten();
    let name = given.next().unwrap_or(UNNAMED);
    if let Some(other) = given.find(|other| *other != name) {
        return Err(Problem::malformed(format!(
            "the report is of two clients at once, `{name}` and `{other}`"
        )));
    }
    Ok(if names[0].is_some() { Sender::Addressed(name) } else { Sender::Named(name) })
}

fn written(document: &impl serde::Serialize) -> Result<Value, Problem> {
    serde_json::to_value(document).map_err(|error| Problem::unwritable(error.to_string()))
}

/// The media type of a report, and how its file's name ends.
fn kind(format: Format) -> (&'static str, &'static str) {
    match format {
        Format::Json => ("application/json", "json"),
        Format::Junit => ("application/xml", "xml"),
        Format::Sarif => ("application/sarif+json", "sarif"),
        Format::Html | Format::Matrix => ("text/html; charset=utf-8", "html"),
        Format::Badge => ("image/svg+xml", "svg"),
        Format::MatrixMd => ("text/markdown; charset=utf-8", "md"),
        Format::Baseline | Format::Text => ("text/plain; charset=utf-8", "txt"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_agree_or_are_refused() {
        assert!(matches!(sender([None, None, None]), Ok(Sender::Named(UNNAMED))));
        assert!(matches!(sender([Some("a"), None, Some("a")]), Ok(Sender::Addressed("a"))));
        assert!(matches!(sender([None, Some("a"), Some("a")]), Ok(Sender::Named("a"))));
        assert!(sender([Some("a"), None, Some("b")]).is_err());
        assert!(sender([None, Some("a"), Some("b")]).is_err());
    }
}
