//! What views draw: for each type and host the bits of the last complete interval, and the history.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::{Duration, SystemTime};
//! use netcap_agent::{collect::{Overview, SUMS_KEPT}, config::Config};
//! use netcap_view::{Model, Times};
//!
//! let agents = [("lab".to_owned(), "192.0.2.7:7073".to_owned())];
//! let overview = Arc::new(Overview::new(agents, SUMS_KEPT));
//! let mut model = Model::new(&Config::default(), overview, Times::Ours);
//! for _ in 0..3 {
//!     model.refresh(SystemTime::now());
//!     let period = model.last(1);
//!     let bars = model.by_host(period);
//!     for (series, hosts) in model.series().iter().zip(bars) {
//!         for (agent, amount) in model.agents().iter().zip(hosts) {
//!             let rate = (amount.level0 + amount.level1) / u64::from(period.seconds);
//!             println!("{}: {} {rate} bit/s", series.name, agent.label);
//!         }
//!     }
//! }
//! ```
//!
//! Guarantees: a record counts once in its type, once in each further type whose rule holds, and once in the
//! aggregate; a period is complete when it is given, but for records that come later than [`SETTLE`], which
//! are added; memory is bounded by what the collector keeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use netcap_agent::classify::Kind;
use netcap_agent::collect::{
    AgentView, FlowView, Overview, SUMS_KEPT, Snapshot, Status, Sum, Total,
};
use netcap_agent::config::Config;

use crate::amount::{Amount, Mark, Period, Point, Times};
use crate::series::{Series, Subject};

/// Flows that views show: more are of no use to people.
pub(crate) const MOST_FLOWS: usize = 500;
/// How long after a second its records are waited for: agents send within some ten milliseconds.
const SETTLE: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub struct Model {
    overview: Arc<Overview>,
    times: Times,
    series: Vec<Series>,
    snapshot: Snapshot,
    flows: Vec<FlowView>,
    flows_in_all: usize,
    /// By second since 1970.
    seconds: BTreeMap<i64, Second>,
    /// Everything up to here is in the seconds.
    version: u64,
    /// The first second that is not complete.
    until: i64,
    /// The first second that ever had records.
    began: Option<i64>,
}

#[derive(Debug, Default)]
struct Second {
    /// The version that changed it last.
    version: u64,
    /// In the order of their keys.
    sums: Vec<Sum>,
}

impl Model {
    /// Of what the collector knows.
    pub fn new(config: &Config, overview: Arc<Overview>, times: Times) -> Model {
        Model {
            snapshot: overview.snapshot(),
            flows: Vec::new(),
            flows_in_all: 0,
            overview,
            times,
            series: Series::of_config(config),
            seconds: BTreeMap::new(),
            version: 0,
            until: 0,
            began: None,
        }
    }

    /// Whose clock says what time it is.
    pub fn times(&self) -> Times {
        self.times
    }

    /// Takes what is new.
    pub fn refresh(&mut self, now: SystemTime) {
        self.snapshot = self.overview.snapshot();
        (self.flows, self.flows_in_all) = self.overview.flows(MOST_FLOWS);
        let clock = self.overview.clock();
        let is_old = self.times == Times::OfRecords || self.is_over();
        let now = match clock {
            // Nothing comes after the end, so the time stands still, and the last second is complete.
            Some(clock) if is_old => at(clock + i64::from(self.is_over())),
            _ => now.checked_sub(SETTLE).unwrap_or(now),
        };
        let sums = self.overview.sums(self.version, now);
        self.version = sums.version;
        for sum in sums.sums {
            self.take(sum);
        }
        self.until = seconds(now);
        let oldest = self.until - SUMS_KEPT.as_secs() as i64;
        self.seconds = self.seconds.split_off(&oldest);
    }

    fn take(&mut self, sum: Sum) {
        if !sum.kind.is_traffic() {
            self.draw(sum.kind);
        }
        self.began = Some(self.began.map_or(sum.second, |began| began.min(sum.second)));
        let second = self.seconds.entry(sum.second).or_default();
        second.version = self.version;
        let sums = &mut second.sums;
        match sums.binary_search_by_key(&sum.key(), Sum::key) {
            Ok(place) => sums[place] = sum,
            Err(place) => sums.insert(place, sum),
        }
    }

    /// Draws processor or memory from now on.
    fn draw(&mut self, kind: Kind) {
        let subject = Subject::Kind(kind);
        if self.series.iter().all(|series| series.subject != subject) {
            let memory = Subject::Kind(Kind::Memory);
            let is_memory = |series: &Series| series.subject == memory;
            let place = self.series.iter().position(is_memory);
            let place = place.unwrap_or(self.series.len());
            self.series.insert(place, Series::of_host(kind));
        }
    }

    /// What is drawn: the aggregate, the types of the configuration, the unknown, and processor and memory
    /// as soon as they are reported.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// The agents as they were at the last refreshment, in the order of the configuration.
    pub fn agents(&self) -> &[AgentView] {
        &self.snapshot.agents
    }

    /// The first flows that were seen at both ends, at the last refreshment.
    pub fn flows(&self) -> &[FlowView] {
        &self.flows
    }

    /// How many there are.
    pub fn flows_in_all(&self) -> usize {
        self.flows_in_all
    }

    /// The first second that is not complete, since 1970; that of the last refreshment.
    pub fn until(&self) -> i64 {
        self.until
    }

    /// The first second that ever had records, since 1970.
    pub fn began(&self) -> Option<i64> {
        self.began
    }

    /// Flows that had to go for lack of room.
    pub fn flows_crowded_out(&self) -> u64 {
        self.overview.flows_crowded_out()
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        let mut agents = self.snapshot.agents.iter();
        !self.snapshot.agents.is_empty() && agents.all(|agent| agent.status == Status::Ended)
    }

    /// The last complete period of so many seconds, which is never 0.
    pub fn last(&self, seconds: u32) -> Period {
        let seconds = seconds.max(1);
        let length = i64::from(seconds);
        Period {
            begin: (self.until.div_euclid(length) - 1) * length,
            seconds,
        }
    }

    /// What there was in a period, by series and agent.
    pub fn by_host(&self, period: Period) -> Vec<Vec<Amount>> {
        let agents = self.snapshot.agents.len();
        let mut bars = vec![vec![Amount::default(); agents]; self.series.len()];
        let end = period.begin + i64::from(period.seconds);
        let places = self.places();
        for (_, second) in self.seconds.range(period.begin..end) {
            for sum in &second.sums {
                each(&places, sum, |series, amount| {
                    if let Some(bar) = bars[series].get_mut(sum.agent) {
                        *bar += amount;
                    }
                });
            }
        }
        bars
    }

    /// The history of some hosts, in steps of so many seconds, over that many steps at most: the complete ones
    /// that have changed since the mark, or were not complete then, in their order; and the next mark.
    /// What is left out of them has no records.
    pub fn history(
        &self,
        step: u32,
        steps: u32,
        since: Mark,
        is_wanted: impl Fn(usize) -> bool,
    ) -> (Vec<Point>, Mark) {
        let last = self.last(step);
        let length = i64::from(last.seconds);
        let end = last.begin + length;
        let begin = end - length * i64::from(steps);
        let places = self.places();
        let mut points: BTreeMap<i64, Vec<Amount>> = BTreeMap::new();
        let mut changed: BTreeMap<i64, bool> = BTreeMap::new();
        for (number, second) in self.seconds.range(begin..end) {
            let point = number.div_euclid(length) * length;
            *changed.entry(point).or_default() |=
                second.version > since.version || point + length > since.until;
        }
        for (number, second) in self.seconds.range(begin..end) {
            let point = number.div_euclid(length) * length;
            if changed.get(&point) != Some(&true) {
                continue;
            }
            let amounts = points.entry(point);
            let amounts = amounts.or_insert_with(|| vec![Amount::default(); self.series.len()]);
            for sum in second.sums.iter().filter(|sum| is_wanted(sum.agent)) {
                each(&places, sum, |series, amount| amounts[series] += amount);
            }
        }
        let point = |(begin, amounts)| Point {
            period: Period {
                begin,
                seconds: last.seconds,
            },
            amounts,
        };
        let mark = Mark {
            version: self.version,
            until: self.until,
        };
        (points.into_iter().map(point).collect(), mark)
    }

    /// What has come in all, by series, of agents that are wanted.
    pub fn totals(&self, is_wanted: impl Fn(usize) -> bool) -> Vec<Amount> {
        let agents = self.snapshot.agents.iter().enumerate();
        let agents = agents.filter(|(number, _)| is_wanted(*number));
        let agents: Vec<&AgentView> = agents.map(|(_, agent)| agent).collect();
        let total = |series: &Series| {
            let mut amount = Amount::default();
            for agent in &agents {
                amount += total(agent, series.subject);
            }
            amount
        };
        self.series.iter().map(total).collect()
    }

    /// Where the series of a subject is.
    fn places(&self) -> BTreeMap<Option<Kind>, usize> {
        let kind = |series: &Series| match series.subject {
            Subject::Aggregate => None,
            Subject::Kind(kind) => Some(kind),
        };
        let series = self.series.iter().enumerate();
        series
            .map(|(place, series)| (kind(series), place))
            .collect()
    }
}

/// Calls for each series that a sum counts in.
fn each(places: &BTreeMap<Option<Kind>, usize>, sum: &Sum, mut add: impl FnMut(usize, Amount)) {
    let amount = Amount {
        records: sum.records.into(),
        level0: if sum.is_secondary { 0 } else { sum.value },
        level1: if sum.is_secondary { sum.value } else { 0 },
    };
    // What is repeated is in the aggregate already.
    let aggregate = places.get(&None);
    let aggregate = aggregate.filter(|_| sum.kind.is_traffic() && !sum.is_repeated);
    for place in aggregate.into_iter().chain(places.get(&Some(sum.kind))) {
        add(*place, amount);
    }
}

/// What has come of an agent in all.
fn total(agent: &AgentView, subject: Subject) -> Amount {
    let of = |is_counted: &dyn Fn(&Total) -> bool| {
        let mut amount = Amount::default();
        for total in agent.totals.iter().filter(|total| is_counted(total)) {
            amount += Amount {
                records: total.records,
                level0: if total.is_secondary { 0 } else { total.value },
                level1: if total.is_secondary { total.value } else { 0 },
            };
        }
        amount
    };
    match subject {
        Subject::Kind(kind) => of(&|total| total.kind == kind),
        Subject::Aggregate => {
            // Level 0 is never repeated; of level 1 what makes the sum of all records.
            let direct = of(&|total| total.kind.is_traffic() && !total.is_secondary);
            Amount {
                records: agent.packets,
                level0: direct.level0,
                level1: agent.bits.saturating_sub(direct.level0),
            }
        }
    }
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs() as i64)
}

fn at(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests;
