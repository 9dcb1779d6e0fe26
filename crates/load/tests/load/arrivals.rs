//! When requests are sent, and what is told where they are sent later.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use interference_load::schedule::{Arrival, Schedule, User};
use interference_load::{Conversation, Endpoint, Work};
use interference_report::load::Measure;
use interference_wire::Step;

use crate::server::{Server, silence, sound};
use crate::{Questions, at_once, errors, histogram, measured, questions, run};

#[test]
fn no_arrival_waits_for_an_answer() {
    let server = Server::start(|connection, _| if connection == 0 { vec![silence()] } else { sound() });
    let arrivals = (0..10).map(|number| Arrival { number, at: Duration::from_millis(10 * number) });
    let mut run = run(&server.url, Schedule::Arrivals(arrivals.collect()), questions(1));
    run.end = run.start + Duration::from_millis(1_000);
    run.workers = 2;
    let measured = measured(&run, &[]);
    assert_eq!((measured.measurements.counts.good, errors(&measured).as_str()), (9, "1 unfinished"));
    assert_eq!(histogram(&measured, Measure::Lateness).len(), 10);
}

#[test]
fn a_slow_worker_is_not_slow_in_silence() {
    let server = Server::start(|_, _| sound());
    let slowness = Duration::from_millis(60);
    let work = Arc::new(Questions { turns: 1, pause: Duration::ZERO, slowness });
    let measured = measured(&run(&server.url, at_once(3), work), &[]);
    let counts = measured.measurements.counts;
    assert_eq!((counts.scheduled, counts.late, counts.good), (3, 3, 3));
    // The third waited for the thoughts of all three, and its latency counts from when it was due.
    let millis = |measure| histogram(&measured, measure).max().unwrap() / 1_000;
    assert!(millis(Measure::Lateness) >= 180 && millis(Measure::FirstContent) >= 180);
}

/// Keeps the numbers of the arrivals for which it was asked.
#[derive(Default)]
struct Numbered {
    asked: Mutex<Vec<u64>>,
    think_time: Duration,
}

impl Work for Numbered {
    fn conversation(&self, arrival: u64) -> Box<dyn Conversation> {
        self.asked.lock().unwrap().push(arrival);
        questions(1).conversation(arrival)
    }

    fn describe(&self) -> String {
        "numbers".to_owned()
    }

    fn think_time(&self) -> Duration {
        self.think_time
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        vec![Endpoint::Chat]
    }
}

#[test]
fn a_user_who_comes_again_goes_on() {
    let server = Server::start(|_, _| [vec![Step::Wait(Duration::from_millis(5))], sound()].concat());
    let millis = Duration::from_millis;
    let user = |number| User { number, present: vec![millis(0)..millis(100), millis(150)..millis(250)] };
    let schedule = Schedule::Users { users: vec![user(0), user(2)], of: 3 };
    let work = Arc::new(Numbered::default());
    measured(&run(&server.url, schedule, work.clone()), &[]);
    let mut asked = work.asked.lock().unwrap().clone();
    asked.sort_unstable();
    for user in [0, 2] {
        let own: Vec<u64> = asked.iter().copied().filter(|arrival| arrival % 3 == user).collect();
        let expected: Vec<u64> = (0..own.len() as u64).map(|turn| user + 3 * turn).collect();
        assert!(own.len() > 2 && own == expected, "{asked:?}");
    }
    assert!(asked.iter().all(|arrival| arrival % 3 != 1), "{asked:?}");
}

/// Also one who is there again before the last answer of the time before has come.
#[test]
fn a_user_thinks_before_the_next_conversation() {
    let millis = Duration::from_millis;
    let server = Server::start(move |_, _| [vec![Step::Wait(millis(100))], sound()].concat());
    let user = User { number: 0, present: vec![millis(0)..millis(50), millis(60)..millis(900)] };
    let work = Arc::new(Numbered { think_time: Duration::from_secs(60), ..Numbered::default() });
    let run = run(&server.url, Schedule::Users { users: vec![user], of: 1 }, work.clone());
    measured(&run, &[]);
    assert_eq!(*work.asked.lock().unwrap(), [0]);
    assert!(run.start.elapsed() < crate::LONG, "nobody thinks beyond the end");
}

#[test]
fn nobody_waits_for_a_turn_beyond_the_end() {
    let server = Server::start(|_, _| sound());
    let work = Arc::new(Questions { turns: 2, pause: Duration::from_secs(3_600), slowness: Duration::ZERO });
    let run = run(&server.url, at_once(2), work);
    let counts = measured(&run, &[]).measurements.counts;
    assert_eq!((counts.scheduled, counts.good), (2, 2));
    assert!(run.start.elapsed() < crate::LONG);
}

#[test]
fn who_is_stopped_sends_nothing_more() {
    let server = Server::start(|_, _| sound());
    let pause = Duration::from_secs(5);
    let work = Arc::new(Questions { turns: 2, pause, slowness: Duration::ZERO });
    let arrivals = [Duration::ZERO, pause].into_iter().zip(0..).map(|(at, number)| Arrival { number, at });
    let run = run(&server.url, Schedule::Arrivals(arrivals.collect()), work);
    let (live, stop) = (Arc::clone(&run.live), Arc::clone(&run.stop));
    let user = std::thread::spawn(move || {
        while live.snapshot().completed == 0 {
            std::thread::yield_now();
        }
        stop.wish();
    });
    let measured = measured(&run, &[]);
    user.join().unwrap();
    // Neither the second turn, which is being thought of, nor the second arrival.
    assert_eq!((measured.measurements.counts.scheduled, measured.is_stopped), (1, true));
}
