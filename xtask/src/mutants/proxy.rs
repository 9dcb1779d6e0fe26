//! A server with a bug: a proxy in front of the sound one.
//!
//! Owns sockets, threads and the pace at which events go out; the bug is a [`Mutant`]'s.

use std::io::{self, BufReader};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use anyhow::Context;

use super::http::{ask, read_request, write_answer};
use super::mutant::{End, Framing, Mutant, Places, Told};

/// The pause before each event of a stream: the sound server behind has none, so that nothing is waited for twice.
const PACE: Duration = Duration::from_millis(4);
/// A connection on which nothing goes on for so long ends, and its thread with it.
pub(super) const LONGEST_SILENCE: Duration = Duration::from_secs(120);
/// A place that leaks is held for so many times as long as its answer takes, well beyond what a judge lets pass.
const LEAK_FACTOR: u32 = 2;

/// A server with a bug on a port of its own. Dropping it ends it.
pub(super) struct Proxy {
    address: SocketAddr,
    ending: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Stands in front of the server at this address.
    pub(super) fn start(mutant: Mutant, sound: String) -> anyhow::Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port")?;
        let address = listener.local_addr()?;
        let ending = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&ending);
        let places = Arc::new(Counted::of(mutant.places));
        let acceptor = spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (sound, places) = (sound.clone(), Arc::clone(&places));
                // A client that goes away in the middle ends its thread, which is what it wants.
                spawn(move || drop(serve(&mutant, &sound, &places, stream)));
            }
        });
        Ok(Proxy { address, ending, acceptor: Some(acceptor) })
    }

    /// As an SDK takes it.
    pub(super) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        // Wakes the acceptor.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

/// One connection, request after request.
fn serve(mutant: &Mutant, sound: &str, places: &Counted, stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LONGEST_SILENCE))?;
    stream.set_write_timeout(Some(LONGEST_SILENCE))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read_request(&mut reader)? {
        // Before the sound server is asked: where that takes long, a short answer would overtake the long ones.
        let place = places.take();
        if matches!(mutant.places, Places::Leaking(_)) && has_left(&writer)? {
            return Ok(());
        }
        let mut passed_on = asked.clone();
        (mutant.ask)(&mut passed_on);
        let mut told = ask(sound, &passed_on)?;
        pace(&mut told);
        (mutant.tell)(&asked, &mut told);
        let written = write_answer(&mut writer, &told);
        if written.is_err() && matches!(mutant.places, Places::Leaking(_)) {
            std::thread::sleep(told.pieces.iter().map(|piece| piece.pause).sum::<Duration>() * LEAK_FACTOR);
        }
        drop(place);
        written?;
        if told.end != End::Clean || told.framing == Framing::Close {
            // The client may have closed it already.
            drop(writer.shutdown(Shutdown::Both));
            return Ok(());
        }
    }
    Ok(())
}

fn pace(told: &mut Told) {
    if told.is_stream() {
        told.pieces.iter_mut().for_each(|piece| piece.pause = PACE);
    }
}

/// Whether a client has gone while it waited: nobody begins an answer for it.
fn has_left(stream: &TcpStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    match peeked {
        Ok(bytes) => Ok(bytes == 0),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(_) => Ok(true),
    }
}

/// Places for answers, given in the order in which they are asked for.
struct Counted {
    queue: Mutex<Queue>,
    moved: Condvar,
}

struct Queue {
    free: usize,
    /// Who came so far.
    came: u64,
    /// Of them, those who have had a place.
    served: u64,
}

struct Place<'a>(&'a Counted);

impl Counted {
    fn of(places: Places) -> Counted {
        let free = match places {
            Places::Unbounded => usize::MAX,
            Places::Bounded(places) | Places::Leaking(places) => places,
        };
        Counted { queue: Mutex::new(Queue { free, came: 0, served: 0 }), moved: Condvar::new() }
    }

    fn take(&self) -> Place<'_> {
        let mut queue = self.lock();
        let turn = queue.came;
        queue.came += 1;
        let waiting = |queue: &mut Queue| queue.free == 0 || queue.served != turn;
        let mut queue = self.moved.wait_while(queue, waiting).unwrap_or_else(PoisonError::into_inner);
        queue.free -= 1;
        queue.served += 1;
        self.moved.notify_all();
        Place(self)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().free += 1;
        self.0.moved.notify_all();
    }
}
