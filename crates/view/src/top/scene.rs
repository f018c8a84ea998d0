//! What there is to see, as plain data: two scenes that are equal look the same.
//!
//! Guarantees: texts of files and agents are clean; there are no more flows than [`MOST_FLOWS`](crate::model::MOST_FLOWS).

use std::net::SocketAddr;
use std::time::SystemTime;

use netcap_agent::collect::{AgentView, FlowView, Status};

use crate::amount::{Amount, Times};
use crate::colors::Colors;
use crate::model::Model;
use crate::series::{Series, Subject, Unit};
use crate::top::history::History;
use crate::top::text::{self, NONE, clean};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scene {
    /// The time of the latest record.
    pub(super) time: Option<String>,
    /// Seconds that a bar is of.
    pub(super) interval: u32,
    pub(super) agents: Vec<AgentRow>,
    /// The order of agents by label.
    pub(super) by_label: Vec<usize>,
    pub(super) types: Vec<Type>,
    pub(super) flows: Vec<FlowRow>,
    pub(super) flows_in_all: usize,
    pub(super) flows_crowded_out: u64,
    /// The latest first.
    pub(super) messages: Vec<String>,
    pub(super) is_over: bool,
}

/// A value of level 0 and of level 1, by the second or of what was reported.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Level {
    pub(super) direct: f64,
    pub(super) relayed: f64,
}

impl Level {
    pub(super) fn sum(self) -> f64 {
        self.direct + self.relayed
    }

    fn of(amount: Amount, unit: Unit, seconds: u32) -> Level {
        let by = match unit {
            Unit::Bits => f64::from(seconds.max(1)),
            Unit::Percent | Unit::Octets => amount.records.max(1) as f64,
        };
        Level {
            direct: amount.level0 as f64 / by,
            relayed: amount.level1 as f64 / by,
        }
    }
}

/// How the connection to an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Connecting,
    Connected,
    Lost,
    Ended,
}

/// An agent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AgentRow {
    pub(super) label: String,
    pub(super) place: String,
    pub(super) state: State,
    /// For how long.
    pub(super) time: String,
    /// Why it is lost.
    pub(super) why: String,
    /// Records in all, and by the second.
    pub(super) records: u64,
    pub(super) frequency: f64,
    /// In a few words, in full, and whether it is odd.
    pub(super) lag: (String, String, bool),
    /// As a number, and in full.
    pub(super) losses: (String, String),
}

/// What is drawn of a type.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Type {
    pub(super) subject: Subject,
    pub(super) name: String,
    pub(super) unit: Unit,
    pub(super) colors: Colors,
    /// The last interval: of all hosts, and of each.
    pub(super) now: Level,
    pub(super) hosts: Vec<Level>,
    /// From the oldest; the last is the last interval.
    pub(super) history: Vec<Level>,
    /// What has come in all.
    pub(super) total: Amount,
}

/// A flow that was seen at both ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FlowRow {
    pub(super) sender: String,
    pub(super) receiver: String,
    pub(super) what: String,
    pub(super) sent: u64,
    pub(super) lost: String,
    pub(super) unknown: u64,
    pub(super) duplicated: u64,
    pub(super) median: String,
    pub(super) least: String,
    pub(super) p99: String,
    pub(super) most: String,
}

impl Scene {
    /// Of what the model has.
    pub(super) fn of(
        model: &Model,
        interval: u32,
        history: &mut History,
        now: SystemTime,
    ) -> Scene {
        let period = model.last(interval);
        let bars = model.by_host(period);
        let totals = model.totals(|_| true);
        let histories = history.of(model, interval);
        let aggregate = bars.first().map_or(&[][..], Vec::as_slice);
        let is_old = model.times() == Times::OfRecords;
        let agents = model.agents().iter().enumerate().map(|(number, agent)| {
            let records = aggregate.get(number).map_or(0, |amount| amount.records);
            let frequency = records as f64 / f64::from(period.seconds);
            AgentRow::of(agent, frequency, is_old, now)
        });
        let agents: Vec<AgentRow> = agents.collect();
        let series = model.series().iter().zip(&bars).zip(totals).zip(histories);
        let types = series.map(|(((series, bars), total), history)| {
            Type::of(series, bars, interval, total, history)
        });
        Scene {
            time: latest(model).map(|micros| time(micros, is_old)),
            interval,
            by_label: by_label(&agents),
            types: types.collect(),
            flows: model
                .flows()
                .iter()
                .map(|flow| FlowRow::of(flow, &agents))
                .collect(),
            flows_in_all: model.flows_in_all(),
            flows_crowded_out: model.flows_crowded_out(),
            messages: Vec::new(),
            is_over: model.is_over(),
            agents,
        }
    }

    /// How many agents are in a state.
    pub(super) fn agents_in(&self, state: State) -> usize {
        let agents = self.agents.iter();
        agents.filter(|agent| agent.state == state).count()
    }
}

impl AgentRow {
    fn of(agent: &AgentView, frequency: f64, is_old: bool, now: SystemTime) -> AgentRow {
        let (state, since, why) = match &agent.status {
            Status::Connecting => (State::Connecting, None, ""),
            Status::Connected { since } => (State::Connected, Some(*since), ""),
            Status::Lost { since, why } => (State::Lost, Some(*since), why.as_str()),
            Status::Ended => (State::Ended, None, ""),
        };
        let passed = since.map(|since| now.duration_since(since).unwrap_or_default());
        // Records of long ago say nothing of clocks.
        let lag = agent.lag.filter(|_| !is_old);
        let none = || (NONE.to_owned(), NONE.to_owned(), false);
        AgentRow {
            label: clean(&agent.label),
            place: clean(&agent.place),
            state,
            // Whole seconds, as what is less would be drawn again and again.
            time: passed.map_or_else(String::new, |passed| match passed.as_secs() {
                seconds @ 0..10 => format!("{seconds} s"),
                seconds => text::duration(seconds as f64),
            }),
            why: clean(why),
            records: agent.records,
            frequency,
            lag: lag.map_or_else(none, text::lag),
            losses: text::losses(agent),
        }
    }
}

impl Type {
    fn of(
        series: &Series,
        bars: &[Amount],
        interval: u32,
        total: Amount,
        history: Vec<Amount>,
    ) -> Type {
        let unit = series.unit();
        let level = |amount: &Amount| Level::of(*amount, unit, interval);
        let mut now = Amount::default();
        bars.iter().for_each(|amount| now += *amount);
        Type {
            subject: series.subject,
            name: clean(&series.name),
            unit,
            colors: series.colors,
            now: level(&now),
            hosts: bars.iter().map(level).collect(),
            history: history.iter().map(level).collect(),
            total,
        }
    }
}

impl FlowRow {
    pub(super) fn of(flow: &FlowView, agents: &[AgentRow]) -> FlowRow {
        let label = |agent: usize| agents.get(agent).map_or(NONE, |agent| &agent.label);
        let protocol = match flow.protocol {
            1 => "ICMP".to_owned(),
            6 => "TCP".to_owned(),
            17 => "UDP".to_owned(),
            58 => "ICMPv6".to_owned(),
            132 => "SCTP".to_owned(),
            number => format!("protocol {number}"),
        };
        let mgen = flow.flow_id.map(|id| format!(", MGEN {id}"));
        let delay = |nanos: fn(&netcap_agent::collect::Delay) -> i64| {
            let delay = flow.delay.as_ref().map(nanos);
            delay.map_or_else(
                || NONE.to_owned(),
                |nanos| text::duration(nanos as f64 / 1e9),
            )
        };
        FlowRow {
            sender: label(flow.sender).to_owned(),
            receiver: label(flow.receiver).to_owned(),
            what: format!(
                "{protocol} {} → {}{}",
                place(flow.source),
                place(flow.destination),
                mgen.unwrap_or_default()
            ),
            sent: flow.sent,
            lost: match flow.settled + flow.lost {
                0 => NONE.to_owned(),
                known => format!("{:.1} %", 100.0 * flow.lost as f64 / known as f64),
            },
            unknown: flow.unknown,
            duplicated: flow.duplicated,
            median: delay(|delay| delay.median),
            least: delay(|delay| delay.least),
            p99: delay(|delay| delay.p99),
            most: delay(|delay| delay.most),
        }
    }
}

/// An address with its port, if it has one.
fn place(place: SocketAddr) -> String {
    match place.port() {
        0 => place.ip().to_string(),
        _ => place.to_string(),
    }
}

/// The time of the latest record, in microseconds since 1970.
fn latest(model: &Model) -> Option<i64> {
    let agents = model.agents().iter();
    agents.filter_map(|agent| agent.last_time).max()
}

/// The time of day in UTC, as agents may be anywhere; of long ago with the day.
fn time(micros: i64, is_old: bool) -> String {
    let format = if is_old {
        "%Y-%m-%d %H:%M:%S"
    } else {
        "%H:%M:%S"
    };
    let time = jiff::Timestamp::from_second(micros.div_euclid(1_000_000));
    time.map_or_else(
        |_| NONE.to_owned(),
        |time| time.strftime(format).to_string(),
    )
}

/// The order of agents by their labels, in which 2 is before 10.
fn by_label(agents: &[AgentRow]) -> Vec<usize> {
    let key = |agent: &AgentRow| -> Vec<(u64, String)> {
        let mut parts = vec![(0_u64, String::new())];
        for letter in agent.label.chars() {
            let last = parts.len() - 1;
            let (number, text) = &mut parts[last];
            match letter.to_digit(10) {
                Some(digit) if text.is_empty() => {
                    *number = number.saturating_mul(10).saturating_add(digit.into());
                }
                Some(digit) => parts.push((digit.into(), String::new())),
                None => text.push(letter),
            }
        }
        parts
    };
    let mut order: Vec<usize> = (0..agents.len()).collect();
    order.sort_by_cached_key(|number| key(&agents[*number]));
    order
}
