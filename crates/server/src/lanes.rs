//! Where connections are served: each on one runtime, from its first byte to its last.
//!
//! Owns the choice of the runtime, which is the one with the fewest connections. On runtimes of one thread each, what
//! comes in wakes that thread and no other, and sockets and timers are watched where they are used. It refuses to know
//! who made the runtimes, and what is done on them.

use std::sync::Arc;

use tokio::runtime::Handle;

/// The runtimes, at least one.
pub(crate) struct Lanes {
    first: Lane,
    others: Vec<Lane>,
}

/// One of them.
pub(crate) struct Lane {
    pub(crate) runtime: Handle,
    connections: Place,
}

/// A connection's place on a lane, until it is dropped.
#[derive(Clone, Default)]
pub(crate) struct Place(Arc<()>);

impl Lanes {
    /// These; where there are none, the runtime of the caller, who must have one.
    pub(crate) fn new(runtimes: Vec<Handle>) -> Lanes {
        let mut lanes = runtimes.into_iter().map(|runtime| Lane { runtime, connections: Place::default() });
        let first = lanes
            .next()
            .unwrap_or_else(|| Lane { runtime: Handle::current(), connections: Place::default() });
        Lanes { first, others: lanes.collect() }
    }

    /// The one with the fewest connections, the first of several.
    pub(crate) fn emptiest(&self) -> &Lane {
        self.others
            .iter()
            .fold(&self.first, |best, lane| if lane.count() < best.count() { lane } else { best })
    }
}

impl Lane {
    /// A place for one more connection.
    pub(crate) fn place(&self) -> Place {
        self.connections.clone()
    }

    fn count(&self) -> usize {
        // Without its own.
        Arc::strong_count(&self.connections.0) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_go_where_the_fewest_are() {
        let lanes = Lanes::new(vec![Handle::current(); 3]);
        let counts =
            || std::iter::once(&lanes.first).chain(&lanes.others).map(Lane::count).collect::<Vec<_>>();
        let mut places: Vec<Place> = (0..5).map(|_| lanes.emptiest().place()).collect();
        assert_eq!(counts(), [2, 2, 1]);
        // The first and the fourth are on the first lane.
        places.remove(3);
        places.remove(0);
        assert_eq!(counts(), [0, 2, 1]);
        places.push(lanes.emptiest().place());
        assert_eq!(counts(), [1, 2, 1]);
    }

    #[tokio::test]
    async fn without_lanes_the_callers_runtime_serves() {
        assert_eq!(Lanes::new(Vec::new()).emptiest().runtime.id(), Handle::current().id());
    }
}
