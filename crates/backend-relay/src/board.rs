//! Who gets the next request: the members of a group, by how much they have to do and how well they are.
//!
//! Owns the numbers of requests in flight, the turns and the health of all upstreams, and decides by them alone. Time
//! is an argument. It refuses to know why a group is a group, and sockets.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use crate::health::{Health, Outcome, Purpose, Standing};

/// How long a request that nobody has room for is told to wait.
const FULL_HOUSE: Duration = Duration::from_secs(1);

/// All upstreams.
#[derive(Debug)]
pub(crate) struct Board {
    members: Vec<Place>,
    turns: u64,
}

#[derive(Debug)]
struct Place {
    weight: u32,
    in_flight: u32,
    in_flight_max: u32,
    health: Health,
    /// When it was picked last, in turns.
    last_turn: u64,
}

/// A request has an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pick {
    /// Which.
    pub(crate) member: usize,
    /// As what.
    pub(crate) purpose: Purpose,
}

/// Nobody can be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NobodyReady {
    /// When somebody may be asked again.
    pub(crate) until: Instant,
}

impl Board {
    /// Well and idle upstreams of these weights, each for so many requests at the same time.
    pub(crate) fn new(weights: impl IntoIterator<Item = u32>, in_flight_max: u32, now: Instant) -> Board {
        let place =
            |weight| Place { weight, in_flight: 0, in_flight_max, health: Health::new(now), last_turn: 0 };
        Board { members: weights.into_iter().map(place).collect(), turns: 0 }
    }

    /// Picks the member of a group with the least to do for its weight, failures of the last seconds counted as
    /// requests that are still there: who fails at once is always idle. Ties go by turn. Members that were tried
    /// before are picked only where there is no other.
    ///
    /// # Errors
    /// Nobody of the group may be asked now.
    pub(crate) fn pick(
        &mut self,
        group: &[usize],
        tried: &[usize],
        now: Instant,
    ) -> Result<Pick, NobodyReady> {
        let ready = |member: &usize| self.members[*member].purpose(now).is_some();
        let untried = group.iter().copied().filter(|member| !tried.contains(member)).filter(ready);
        let lightest = |one: &usize, other: &usize| self.compare(*one, *other, now);
        let member = untried
            .min_by(lightest)
            .or_else(|| group.iter().copied().filter(ready).min_by(lightest))
            .ok_or_else(|| NobodyReady { until: self.earliest(group, now) })?;
        self.turns += 1;
        let place = &mut self.members[member];
        place.last_turn = self.turns;
        place.in_flight += 1;
        let purpose = match place.health.standing(now) {
            Standing::Open(purpose) => purpose,
            Standing::Closed(_) => Purpose::Ordinary,
        };
        if purpose == Purpose::Probe {
            place.health.begin_probe(now);
        }
        Ok(Pick { member, purpose })
    }

    /// Whether somebody of a group may be asked now.
    pub(crate) fn is_ready(&self, group: &[usize], now: Instant) -> bool {
        group.iter().any(|member| self.members[*member].purpose(now).is_some())
    }

    /// An answer has begun soundly.
    pub(crate) fn begin_answer(&mut self, pick: Pick, now: Instant) {
        self.members[pick.member].health.begin_answer(pick.purpose, now);
    }

    /// What became of a request, as soon as it is known.
    pub(crate) fn record(&mut self, pick: Pick, outcome: Outcome, now: Instant) {
        self.members[pick.member].health.record(outcome, pick.purpose, now);
    }

    /// A request has left its upstream, however it ended.
    pub(crate) fn leave(&mut self, pick: Pick) {
        let place = &mut self.members[pick.member];
        place.in_flight = place.in_flight.saturating_sub(1);
    }

    /// How many requests there are at all upstreams.
    pub(crate) fn in_flight(&self) -> u64 {
        self.members.iter().map(|place| u64::from(place.in_flight)).sum()
    }

    /// How many upstreams are left alone because they failed.
    pub(crate) fn left_alone(&self) -> u64 {
        self.members.iter().map(|place| u64::from(place.health.is_left_alone())).sum()
    }

    fn compare(&self, one: usize, other: usize, now: Instant) -> Ordering {
        let (one, other) = (&self.members[one], &self.members[other]);
        // Loads divided by weights, without fractions.
        let loads = one.load(now) * u64::from(other.weight);
        loads.cmp(&(other.load(now) * u64::from(one.weight))).then(one.last_turn.cmp(&other.last_turn))
    }

    fn earliest(&self, group: &[usize], now: Instant) -> Instant {
        let times = group.iter().map(|member| match self.members[*member].health.standing(now) {
            Standing::Closed(until) => until,
            Standing::Open(_) => now + FULL_HOUSE,
        });
        times.min().unwrap_or(now + FULL_HOUSE)
    }
}

impl Place {
    fn purpose(&self, now: Instant) -> Option<Purpose> {
        match self.health.standing(now) {
            Standing::Open(purpose) if self.in_flight < self.in_flight_max => Some(purpose),
            _ => None,
        }
    }

    fn load(&self, now: Instant) -> u64 {
        u64::from(self.in_flight) + u64::from(self.health.recent_failures(now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FAILED: Outcome = Outcome::Failed(None);

    fn picks(board: &mut Board, group: &[usize], count: usize, now: Instant) -> Vec<usize> {
        (0..count).map(|_| board.pick(group, &[], now).unwrap().member).collect()
    }

    #[test]
    fn the_least_busy_is_picked_and_ties_go_by_turn() {
        let now = Instant::now();
        let mut board = Board::new([1, 1, 1], 100, now);
        assert_eq!(picks(&mut board, &[0, 1, 2], 6, now), [0, 1, 2, 0, 1, 2]);
        board.leave(Pick { member: 1, purpose: Purpose::Ordinary });
        assert_eq!(picks(&mut board, &[0, 1, 2], 2, now), [1, 0]);
        assert_eq!(board.in_flight(), 7);
        // Requests one after another go round.
        let mut board = Board::new([1, 1], 100, now);
        let mut seen = Vec::new();
        for _ in 0..4 {
            let pick = board.pick(&[0, 1], &[], now).unwrap();
            seen.push(pick.member);
            board.leave(pick);
        }
        assert_eq!(seen, [0, 1, 0, 1]);
    }

    #[test]
    fn weights_divide_the_load() {
        let now = Instant::now();
        let mut board = Board::new([3, 1], 1_000, now);
        let picked = picks(&mut board, &[0, 1], 400, now);
        assert_eq!(picked.iter().filter(|member| **member == 0).count(), 300);
    }

    #[test]
    fn failures_count_as_load_while_they_are_recent() {
        let now = Instant::now();
        let mut board = Board::new([1, 1], 100, now);
        // Every other request fails: that is no reason to leave it alone, and one to send it less.
        for outcome in [FAILED, Outcome::Answered, FAILED, Outcome::Answered] {
            let pick = board.pick(&[0], &[], now).unwrap();
            board.record(pick, outcome, now);
            board.leave(pick);
        }
        assert_eq!(picks(&mut board, &[0, 1], 4, now), [1, 1, 0, 1]);
        let later = now + Duration::from_secs(10);
        assert_eq!(picks(&mut board, &[0, 1], 2, later), [0, 0]);
    }

    #[test]
    fn who_was_tried_comes_last() {
        let now = Instant::now();
        let mut board = Board::new([1, 1], 100, now);
        assert_eq!(board.pick(&[0, 1], &[0], now).unwrap().member, 1);
        assert_eq!(board.pick(&[0, 1], &[0], now).unwrap().member, 1);
        assert_eq!(board.pick(&[0, 1], &[0, 1], now).unwrap().member, 0);
    }

    #[test]
    fn nobody_is_asked_beyond_bounds_or_while_left_alone() {
        let now = Instant::now();
        let mut board = Board::new([1, 1], 1, now);
        picks(&mut board, &[0, 1], 2, now);
        assert_eq!(board.pick(&[0, 1], &[], now), Err(NobodyReady { until: now + FULL_HOUSE }));
        let mut board = Board::new([1], 1, now);
        for _ in 0..5 {
            let pick = board.pick(&[0], &[], now).unwrap();
            board.record(pick, FAILED, now);
            board.leave(pick);
        }
        let later = now + Duration::from_secs(1);
        assert_eq!(board.pick(&[0], &[], now), Err(NobodyReady { until: later }));
        assert_eq!(board.left_alone(), 1);
        let probe = Pick { member: 0, purpose: Purpose::Probe };
        assert_eq!(board.pick(&[0], &[], later), Ok(probe));
        assert!(board.pick(&[0], &[], later).is_err());
        board.leave(probe);
        assert!(board.pick(&[0], &[], later).is_err(), "a probe that is given up keeps its pause");
    }

    proptest! {
        /// Requests come at any pace, so many are under way at the same time at the sound members, and one member
        /// fails at once.
        #[test]
        fn a_fast_failing_member_gets_little(
            gaps_ms in prop::collection::vec(1_u64..200, 100..400),
            sound in 1_usize..4,
            answer_ms in 1_u64..1_000,
        ) {
            let mut now = Instant::now();
            let group: Vec<usize> = (0..=sound).collect();
            let mut board = Board::new(group.iter().map(|_| 1), 1_000, now);
            let mut under_way: Vec<(Instant, Pick)> = Vec::new();
            let mut failed = 0;
            for gap in &gaps_ms {
                now += Duration::from_millis(*gap);
                under_way.retain(|(ends, pick)| {
                    let ended = *ends <= now;
                    if ended {
                        board.leave(*pick);
                    }
                    !ended
                });
                let pick = board.pick(&group, &[], now).unwrap();
                if pick.member == 0 {
                    failed += 1;
                    board.record(pick, FAILED, now);
                    board.leave(pick);
                } else {
                    board.record(pick, Outcome::Answered, now);
                    under_way.push((now + Duration::from_millis(answer_ms), pick));
                }
            }
            // Five open the breaker, and within a time of at most 80 s few probes follow.
            prop_assert!(failed <= 5 + 8, "{failed} of {}", gaps_ms.len());
            prop_assert!(failed * 4 < gaps_ms.len(), "{failed} of {}", gaps_ms.len());
        }
    }
}
