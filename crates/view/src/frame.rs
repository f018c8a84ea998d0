//! What a browser is sent: what it draws, as JSON.
//!
//! Guarantees: texts of files and agents are in JSON strings, and nowhere else; the size is bounded by the
//! numbers of types and agents, the steps of
//! a history, and [`MOST_FLOWS`](crate::model::MOST_FLOWS).

use std::time::{SystemTime, UNIX_EPOCH};

use netcap_agent::collect::{AgentView, FlowView, Status};
use serde::Serialize;

use crate::amount::{Amount, Mark};
use crate::choice::Choice;
use crate::colors::Pair;
use crate::model::Model;
use crate::series::{Series, Unit};

/// See the module. `docs/recollect.md` says what fields mean.
#[derive(Debug, Serialize)]
pub(crate) struct Frame<'a> {
    /// Whether it stands alone; otherwise its histories add to those of the frames before.
    full: bool,
    over: bool,
    time: i64,
    began: Option<i64>,
    interval: Interval,
    history: Steps,
    hosts: Vec<&'a str>,
    series: Vec<SeriesFrame<'a>>,
    agents: Vec<AgentFrame<'a>>,
    flows: Vec<FlowFrame<'a>>,
    flows_in_all: usize,
    flows_crowded_out: u64,
    pub(crate) browsers: Browsers,
}

#[derive(Debug, Serialize)]
struct Interval {
    begin: i64,
    seconds: u32,
}

#[derive(Debug, Serialize)]
struct Steps {
    seconds: u32,
    steps: u32,
}

#[derive(Debug, Serialize)]
struct SeriesFrame<'a> {
    key: String,
    name: &'a str,
    unit: &'static str,
    light: [String; 2],
    dark: [String; 2],
    /// By host, in their order.
    records: Vec<u64>,
    level0: Vec<u64>,
    level1: Vec<u64>,
    total: Total,
    /// Begin, records, level 0, level 1.
    history: Vec<(i64, u64, u64, u64)>,
}

#[derive(Debug, Serialize)]
struct Total {
    records: u64,
    level0: u64,
    level1: u64,
}

#[derive(Debug, Serialize)]
struct AgentFrame<'a> {
    label: &'a str,
    place: &'a str,
    state: &'static str,
    since: Option<i64>,
    why: Option<&'a str>,
    connections: u64,
    records: u64,
    octets: u64,
    partial_octets: u64,
    last_us: Option<i64>,
    lag_us: Option<i64>,
    outside: u64,
    crowded_out: u64,
    dropped: Option<u64>,
    missing: Option<u64>,
}

#[derive(Debug, Serialize)]
struct FlowFrame<'a> {
    sender: &'a str,
    receiver: &'a str,
    source: String,
    destination: String,
    protocol: u8,
    flow_id: Option<u32>,
    sent: u64,
    received: u64,
    settled: u64,
    lost: u64,
    unknown: u64,
    is_uncut: bool,
    duplicated: u64,
    delay_ns: Option<DelayFrame>,
}

#[derive(Debug, Serialize)]
struct DelayFrame {
    least: i64,
    median: i64,
    p99: i64,
    most: i64,
    last: i64,
}

/// Who looks on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Browsers {
    /// Streams of frames that are open.
    pub connected: usize,
    /// Connections and streams that were refused, as there were too many.
    pub turned_away: u64,
}

impl<'a> Frame<'a> {
    /// What there is, as far as it was not in frames up to the mark; and the next mark.
    pub(crate) fn new(model: &'a Model, choice: &Choice, since: Option<Mark>) -> (Frame<'a>, Mark) {
        let agents = model.agents();
        let is_wanted = |agent: usize| {
            let label = agents.get(agent).map(|agent| agent.label.as_str());
            label.is_some_and(|label| choice.has(label))
        };
        let period = model.last(choice.interval());
        let (seconds, steps) = choice.steps();
        let mark = since.unwrap_or_default();
        let (points, mark) = model.history(seconds, steps, mark, is_wanted);
        let bars = model.by_host(period);
        let totals = model.totals(is_wanted);
        let series = model.series().iter().zip(bars).zip(totals).enumerate();
        let series = series.map(|(place, ((series, bars), total))| {
            let history = points.iter().map(|point| {
                let amount = point.amounts[place];
                let begin = point.period.begin;
                (begin, amount.records, amount.level0, amount.level1)
            });
            SeriesFrame {
                history: history.collect(),
                ..SeriesFrame::new(series, &bars, total)
            }
        });
        let flows = model.flows().iter();
        let flows = flows.map(|flow| FlowFrame::new(agents, flow)).collect();
        let frame = Frame {
            full: since.is_none(),
            over: model.is_over(),
            time: model.until(),
            began: model.began(),
            interval: Interval {
                begin: period.begin,
                seconds: period.seconds,
            },
            history: Steps { seconds, steps },
            hosts: agents.iter().map(|agent| agent.label.as_str()).collect(),
            series: series.collect(),
            agents: agents.iter().map(AgentFrame::new).collect(),
            flows,
            flows_in_all: model.flows_in_all(),
            flows_crowded_out: model.flows_crowded_out(),
            browsers: Browsers::default(),
        };
        (frame, mark)
    }

    /// As text.
    pub(crate) fn json(&self) -> String {
        // Maps with keys that are no strings, which is what can fail, it has none of.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<'a> SeriesFrame<'a> {
    fn new(series: &'a Series, bars: &[Amount], total: Amount) -> SeriesFrame<'a> {
        let pair = |pair: Pair| [pair.color.to_string(), pair.relay.to_string()];
        SeriesFrame {
            key: series.key(),
            name: &series.name,
            unit: match series.unit() {
                Unit::Bits => "bits",
                Unit::Percent => "percent",
                Unit::Octets => "octets",
            },
            light: pair(series.colors.light),
            dark: pair(series.colors.dark),
            records: bars.iter().map(|bar| bar.records).collect(),
            level0: bars.iter().map(|bar| bar.level0).collect(),
            level1: bars.iter().map(|bar| bar.level1).collect(),
            total: Total {
                records: total.records,
                level0: total.level0,
                level1: total.level1,
            },
            history: Vec::new(),
        }
    }
}

impl<'a> AgentFrame<'a> {
    fn new(agent: &'a AgentView) -> AgentFrame<'a> {
        let (state, since, why) = match &agent.status {
            Status::Connecting => ("connecting", None, None),
            Status::Connected { since } => ("connected", Some(*since), None),
            Status::Lost { since, why } => ("lost", Some(*since), Some(why.as_str())),
            Status::Ended => ("ended", None, None),
        };
        let whole = |time: SystemTime| {
            let passed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            passed.as_secs() as i64
        };
        AgentFrame {
            label: &agent.label,
            place: &agent.place,
            state,
            since: since.map(whole),
            why,
            connections: agent.connections,
            records: agent.records,
            octets: agent.octets,
            partial_octets: agent.partial_octets,
            last_us: agent.last_time,
            lag_us: agent.lag,
            outside: agent.outside,
            crowded_out: agent.crowded_out,
            dropped: agent.losses.map(|losses| losses.dropped),
            missing: agent.losses.map(|losses| losses.missing),
        }
    }
}

impl<'a> FlowFrame<'a> {
    fn new(agents: &'a [AgentView], flow: &FlowView) -> FlowFrame<'a> {
        let label = |agent: usize| agents.get(agent).map_or("", |agent| agent.label.as_str());
        FlowFrame {
            sender: label(flow.sender),
            receiver: label(flow.receiver),
            source: flow.source.to_string(),
            destination: flow.destination.to_string(),
            protocol: flow.protocol,
            flow_id: flow.flow_id,
            sent: flow.sent,
            received: flow.received,
            settled: flow.settled,
            lost: flow.lost,
            unknown: flow.unknown,
            is_uncut: flow.is_uncut,
            duplicated: flow.duplicated,
            delay_ns: flow.delay.map(|delay| DelayFrame {
                least: delay.least,
                median: delay.median,
                p99: delay.p99,
                most: delay.most,
                last: delay.last,
            }),
        }
    }
}
