//! One way to the upstream: the server on it, what is put on that, and what came of it.
//!
//! A gateway that fails under a load is ended, told of, and started anew for the loads that are left; that load it does not
//! meet again, so that a run takes no longer than its rounds and one bound of time for each load. What is ours, or nobody,
//! must not fail.

use std::collections::BTreeMap;

use super::gateways::Ready;
use super::idle_streams;
use super::resident_memory::Watch;
use super::{CONNECTIONS, WARM_UP_STREAMS};
use crate::bench::client_run::{Client, Load, LoadKind, Pace};
use crate::bench::contestant::{BETWEEN_MS, Contestant};
use crate::steps::announce;

/// A load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// So many streams by the clock.
    Paced(usize),
    /// As many chunks as can be had, for so many seconds.
    AtOnce(u32),
}

/// What one way came to, round by round.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// By the number of streams.
    pub(super) paced: BTreeMap<usize, Vec<Pace>>,
    pub(super) stream: Vec<Load>,
    /// Memory that the most streams took, in bytes for each: in the first round, before it uses again what it had.
    pub(super) stream_bytes: Option<f64>,
    /// Memory of a stream that waits, in bytes.
    pub(super) idle_bytes: Option<f64>,
    /// Why that could not be measured.
    pub(super) idle_failure: Option<String>,
    /// The other loads under which it failed, and why.
    pub(super) failures: Vec<(Demand, String)>,
}

/// A server before the upstream, or the upstream itself.
pub(super) struct Way {
    pub(super) name: String,
    /// None when a gateway could not be started anew.
    contestant: Option<Contestant>,
    /// Somebody else's, which may fail.
    pub(super) gateway: Option<Ready>,
    pub(super) outcomes: Outcomes,
}

impl Way {
    /// The upstream itself, or ours before it.
    ///
    /// # Errors
    /// When it does not stream.
    pub(super) fn own(name: &str, contestant: Contestant, client: &Client) -> anyhow::Result<Way> {
        client.pace(&contestant, WARM_UP_STREAMS, BETWEEN_MS)?;
        Ok(Way::of(name, contestant, None))
    }

    /// Starts a gateway.
    ///
    /// # Errors
    /// When it does not start, or passes no streams on; with its last words.
    pub(super) fn through(gateway: Ready, client: &Client) -> anyhow::Result<Way> {
        let contestant = warm(&gateway, client)?;
        Ok(Way::of(gateway.gateway.name(), contestant, Some(gateway)))
    }

    fn of(name: &str, contestant: Contestant, gateway: Option<Ready>) -> Way {
        let (name, contestant) = (name.to_owned(), Some(contestant));
        Way { name, contestant, gateway, outcomes: Outcomes::default() }
    }

    /// Puts every load on once. The memory of a stream is that under the most streams.
    ///
    /// # Errors
    /// When what is ours, or the upstream itself, fails.
    pub(super) fn measure(&mut self, client: &Client, demands: &[Demand]) -> anyhow::Result<()> {
        let most = demands.iter().filter_map(|demand| match demand {
            Demand::Paced(streams) => Some(*streams),
            Demand::AtOnce(_) => None,
        });
        let most = most.max().unwrap_or_default();
        for demand in demands {
            let Some(contestant) = &self.contestant else { break };
            if self.outcomes.failures.iter().any(|(failed, _)| failed == demand) {
                continue;
            }
            let Err(error) = self.outcomes.take(client, contestant, *demand, most) else { continue };
            let Some(gateway) = &self.gateway else { return Err(error) };
            let why = format!("{error:#}; it said last: {}", contestant.last_words());
            announce(&format!("    {why}"))?;
            self.outcomes.failures.push((*demand, why));
            // What is still under way there goes with it.
            self.contestant = None;
            match warm(gateway, client) {
                Ok(contestant) => self.contestant = Some(contestant),
                Err(error) => announce(&format!("    it is left out from here on: {error:#}"))?,
            }
        }
        Ok(())
    }

    /// Measures the memory of streams that wait, on another one before this quiet upstream: `ours` starts what is ours.
    ///
    /// # Errors
    /// When what is ours fails; a gateway is told of.
    pub(super) fn measure_idle(
        &mut self,
        ours: impl Fn() -> anyhow::Result<Contestant>,
        quiet: &str,
    ) -> anyhow::Result<()> {
        let started = match &self.gateway {
            Some(gateway) => gateway.before(quiet).start(),
            None => ours(),
        };
        match started.and_then(|relay| idle_streams::bytes_of_one(&relay)) {
            Ok(bytes) => self.outcomes.idle_bytes = Some(bytes),
            Err(error) if self.gateway.is_none() => return Err(error),
            Err(error) => {
                let why = format!("{error:#}");
                announce(&format!("    {}, {}: {why}", self.name, idle_streams::NAME))?;
                self.outcomes.idle_failure = Some(why);
            }
        }
        Ok(())
    }
}

impl Outcomes {
    /// One load, once.
    fn take(
        &mut self,
        client: &Client,
        contestant: &Contestant,
        demand: Demand,
        most: usize,
    ) -> anyhow::Result<()> {
        match demand {
            Demand::Paced(streams) => {
                let watch = Watch::begin(contestant.pid());
                // Once for the connections to the upstream, which are open under a load that goes on.
                let unmeasured = client.pace(contestant, streams, BETWEEN_MS);
                let bytes = watch.end();
                unmeasured?;
                self.paced.entry(streams).or_default().push(client.pace(contestant, streams, BETWEEN_MS)?);
                if streams == most {
                    self.stream_bytes.get_or_insert(bytes as f64 / streams as f64);
                }
            }
            Demand::AtOnce(seconds) => {
                self.stream.push(client.load(contestant, LoadKind::Stream, CONNECTIONS, seconds)?);
            }
        }
        Ok(())
    }
}

/// Starts a gateway and has it pass on a few streams.
fn warm(gateway: &Ready, client: &Client) -> anyhow::Result<Contestant> {
    let contestant = gateway.start()?;
    client.pace(&contestant, WARM_UP_STREAMS, BETWEEN_MS).map_err(|error| {
        error.context(format!("it passes no streams on; it said last: {}", contestant.last_words()))
    })?;
    Ok(contestant)
}
