//! Clients that are no command: every case on one port, a page for people, and what each client reports of itself.
//!
//! Owns the way of a connection: which of its requests are answers of a case, which the page's. A case is at
//! `/SLUG/v1`, and for a client with a name at `/as/NAME/SLUG/v1`; what the client got of it is reported beside it.
//! Refuses to know how documents are made of verdicts, which an [`Audience`] does, and who may be listening.

mod cross_origin;
mod desk;
mod hosts;
mod page;
mod place;
mod reading;
mod reply;
mod report;
mod room;

use std::sync::Arc;
use std::time::Duration;

use interference_catalogue::Selection;
use interference_report::{CaseVerdict, Finding, Verdicts};
use interference_wire::{Ending, Request, Responder};
use tokio::net::{TcpListener, TcpStream};

use crate::examiner::{LONGEST_REQUEST, Record, Usher, accept, answer, limits};
use cross_origin::{Opened, preflight};
use desk::Desk;
use hosts::Hosts;
use place::Place;
use reply::{Problem, Reply};
use report::LONGEST_REPORT;
use room::{Capacity, Room};

/// What is read of a request, in bytes: more than any may have, so that who sends too much is told so.
const READ_ON: usize = 2 * LONGEST_REPORT;

/// An exam that waits for clients.
pub struct Listening {
    /// Which cases.
    pub selection: Selection,
    /// What clients are told to set as their own time-out.
    pub timeout: Duration,
    /// The words of the command that repeats a case, before `--only SLUG`.
    pub repeat: String,
    /// Who makes documents, and is told of verdicts.
    pub audience: Arc<dyn Audience>,
}

/// Who makes documents of verdicts, and hears of each when it comes.
pub trait Audience: Send + Sync + 'static {
    /// The document about one client.
    fn document(&self, column: Column) -> Verdicts;

    /// A client has reported.
    fn heard(&self, client: &str, verdict: &CaseVerdict);
}

/// What one client has come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name; `unnamed` for the one at the plain addresses.
    pub client: String,
    /// What its requests tell of it.
    pub findings: Vec<Finding>,
    /// A verdict for every case that is told of, in the catalogue's order; INCONCLUSIVE where it has not reported.
    pub cases: Vec<CaseVerdict>,
}

impl Listening {
    /// Serves all cases until `until` resolves, and gives what has come of it: a column for every client that has asked
    /// or reported.
    ///
    /// On a loopback address only requests that name this machine as their host are answered: a page elsewhere may
    /// point its own name here.
    ///
    /// # Cancellation
    /// Dropping the future closes all connections.
    pub async fn serve(self, listener: TcpListener, until: impl Future<Output = ()>) -> Vec<Column> {
        self.serve_within(Capacity::default(), listener, until).await
    }

    async fn serve_within(
        self,
        capacity: Capacity,
        listener: TcpListener,
        until: impl Future<Output = ()>,
    ) -> Vec<Column> {
        let hosts = Hosts::of(listener.local_addr().ok());
        let hall = Arc::new(Hall { hosts, desk: Desk::new(Room::new(self, capacity)) });
        let attended = Arc::clone(&hall);
        let accepting = accept(listener, std::future::pending(), move |stream, usher| {
            let hall = Arc::clone(&attended);
            async move { hall.attend(stream, &usher).await }
        });
        tokio::select! {
            () = accepting => {}
            () = until => {}
        }
        hall.desk.room.columns()
    }
}

/// All that a connection needs.
struct Hall {
    hosts: Hosts,
    desk: Desk,
}

/// What becomes of a request.
enum Way {
    /// A case answers it, and keeps it.
    Case(Arc<Record>),
    /// The page does.
    Reply(Reply),
}

impl Hall {
    /// One connection, request after request.
    async fn attend(&self, stream: TcpStream, usher: &Usher) {
        let mut responder = Responder::new(stream);
        let mut is_new = true;
        while usher.seats(&responder, is_new).await {
            is_new = false;
            let request = responder.read_request(&limits(READ_ON)).await;
            if !request.received.ending.is_complete() {
                return refuse(responder, &request).await;
            }
            let next = match self.way(&request).await {
                Way::Case(record) => {
                    self.desk.room.changed();
                    let opened = Opened::of(&request);
                    let open = answer(responder, request, &record, |steps| opened.dress(steps)).await;
                    self.desk.room.changed();
                    open
                }
                Way::Reply(reply) => reply.send(responder, &request).await,
            };
            let Some(open) = next else { return };
            responder = open;
        }
    }

    async fn way(&self, request: &Request) -> Way {
        let place = match self.hosts.check(request).and_then(|()| Place::of(request)) {
            Ok(place) => place,
            Err(problem) => return Way::Reply(problem.reply()),
        };
        if let Some(reply) = preflight(request, &place) {
            return Way::Reply(reply);
        }
        let found = match place {
            Place::Case { client, slug } => match method(request) {
                b"GET" | b"POST" => self.record(request, client, slug).map(Way::Case),
                _ => Err(Problem::wrong_method(place.methods())),
            },
            other => self.desk.reply(request, other).await.map(Way::Reply),
        };
        found.unwrap_or_else(|problem| Way::Reply(problem.reply()))
    }

    fn record(&self, request: &Request, client: Option<&str>, slug: &str) -> Result<Arc<Record>, Problem> {
        if request.received.raw.len() > LONGEST_REQUEST {
            return Err(Problem::too_large("a request for a chat", LONGEST_REQUEST));
        }
        self.desk.room.admit(client, slug)
    }
}

/// The method of a request, as it is spelled.
fn method(request: &Request) -> &[u8] {
    request.head.as_ref().map(|head| head.method.as_slice()).unwrap_or_default()
}

/// The last words to a request that cannot be read; none to a client that merely went away.
async fn refuse(responder: Responder, request: &Request) {
    let problem = match request.received.ending {
        Ending::TooLarge(_) => Problem::too_large("a report", LONGEST_REPORT),
        Ending::Malformed { .. } => Problem::malformed("the request is no HTTP/1.1"),
        _ => return,
    };
    problem.reply().send_last(responder).await;
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    use super::*;

    /// Nobody who makes documents or hears of anything.
    struct Nobody;

    impl Audience for Nobody {
        fn document(&self, _: Column) -> Verdicts {
            unreachable!("no test here asks for a document")
        }

        fn heard(&self, _: &str, _: &CaseVerdict) {}
    }

    /// Runs `clients` before a room that holds so much, and gives the names of those who are in it at the end.
    async fn names_after<C: Future<Output = ()>>(
        capacity: Capacity,
        clients: impl FnOnce(SocketAddr) -> C,
    ) -> Vec<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listening = Listening {
            selection: Selection::default(),
            timeout: Duration::from_secs(2),
            repeat: String::new(),
            audience: Arc::new(Nobody),
        };
        let (over, ended) = oneshot::channel::<()>();
        let until = async { drop(ended.await) };
        let (columns, ()) = tokio::join!(listening.serve_within(capacity, listener, until), async {
            clients(address).await;
            drop(over);
        });
        columns.into_iter().map(|column| column.client).collect()
    }

    /// The status of the answer, and all of its text.
    async fn ask(address: SocketAddr, method: &str, target: &str, padding: usize) -> (u16, String) {
        let padding = "x".repeat(padding);
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nX-Padding: {padding}\r\n\r\n");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !is_whole(&answer) {
            let mut read = [0; 4096];
            let count = stream.read(&mut read).await.unwrap();
            assert_ne!(count, 0, "{answer}");
            answer.push_str(str::from_utf8(&read[..count]).unwrap());
        }
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    /// Whether as much has come as the head says.
    fn is_whole(answer: &str) -> bool {
        answer.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            body.len() >= length.map_or(0, |length| length.parse().unwrap())
        })
    }

    fn models_of(client: &str) -> String {
        format!("/as/{client}/stream.ordinary/v1/models")
    }

    #[test]
    fn the_capacity_is_what_the_page_about_it_says() {
        assert_eq!(Capacity::default(), Capacity { clients: 64, kept_bytes: 256 * 1024 * 1024 });
    }

    #[tokio::test]
    async fn one_client_too_many_is_refused_until_another_leaves() {
        let capacity = Capacity { clients: 2, ..Capacity::default() };
        let names = names_after(capacity, |address| async move {
            for client in ["first", "second"] {
                assert_eq!(ask(address, "GET", &models_of(client), 0).await.0, 200);
            }
            let (status, answer) = ask(address, "GET", &models_of("third"), 0).await;
            assert_eq!(status, 429, "{answer}");
            assert!(answer.contains("there are 2 clients already: forget one with a DELETE"), "{answer}");
            // Who is there already goes on.
            assert_eq!(ask(address, "GET", &models_of("second"), 0).await.0, 200);
            assert_eq!(ask(address, "DELETE", "/verdicts?client=first", 0).await.0, 204);
            assert_eq!(ask(address, "GET", &models_of("third"), 0).await.0, 200);
            // One that has begun again and done nothing since makes room, too.
            assert_eq!(ask(address, "DELETE", "/as/second/stream.ordinary/report", 0).await.0, 204);
            assert_eq!(ask(address, "GET", &models_of("fourth"), 0).await.0, 200);
        });
        assert_eq!(names.await, ["third", "fourth"]);
    }

    #[tokio::test]
    async fn answers_that_wait_for_a_report_take_of_the_room_too() {
        let capacity = Capacity { kept_bytes: 3 << 20, ..Capacity::default() };
        let place = "/as/large/sizes.line-2mb/v1/chat/completions";
        let names = names_after(capacity, |address| async move {
            for status in [200, 200, 429] {
                assert_eq!(ask(address, "POST", place, 0).await.0, status);
            }
        });
        assert_eq!(names.await, ["large"]);
    }

    #[tokio::test]
    async fn connections_that_lie_idle_make_room_for_others() {
        let names = names_after(Capacity::default(), |address| async move {
            let mut idle = Vec::new();
            for client in 0..100 {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let request = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", models_of("one"));
                stream.write_all(request.as_bytes()).await.unwrap();
                assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0, "client {client}");
                idle.push(stream);
                if client % 25 == 0 {
                    assert_eq!(ask(address, "DELETE", "/as/one/stream.ordinary/report", 0).await.0, 204);
                }
            }
        });
        assert_eq!(names.await, ["one"]);
    }

    #[tokio::test]
    async fn requests_past_the_room_for_them_are_refused_until_a_case_begins_again() {
        let capacity = Capacity { kept_bytes: 1_000, ..Capacity::default() };
        let names = names_after(capacity, |address| async move {
            for client in ["small", "large"] {
                assert_eq!(ask(address, "GET", &models_of(client), 600).await.0, 200);
            }
            for client in ["small", "other"] {
                let (status, answer) = ask(address, "GET", &models_of(client), 0).await;
                assert_eq!(status, 429, "{answer}");
                assert!(answer.contains("too many requests wait for a report: report, or begin"), "{answer}");
            }
            assert_eq!(ask(address, "DELETE", "/as/large/stream.ordinary/report", 0).await.0, 204);
            assert_eq!(ask(address, "GET", &models_of("other"), 0).await.0, 200);
        });
        assert_eq!(names.await, ["small", "other"]);
    }
}
