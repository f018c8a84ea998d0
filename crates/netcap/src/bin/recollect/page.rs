//! The page of metrics.

use std::time::UNIX_EPOCH;

use netcap_agent::classify::Kind;
use netcap_agent::collect::{AgentView, FlowView, Losses, MemberCounts, Overview, Status, Total};
use netcap_agent::config::Config;
use netcap_shell::metrics::Page;
use netcap_view::Browsers;

/// Flows that are shown at most: each has nine values.
const MOST_FLOWS: usize = 256;

/// Name, explanation and value of a counter that each agent has.
type Counter = (&'static str, &'static str, fn(&AgentView) -> u64);

/// The same of what is lost of the extended stream.
type Loss = (&'static str, &'static str, fn(&Losses) -> u64);

/// Writes what is known of all agents, and who looks at the page for browsers, if there is one.
pub(crate) fn write(
    page: &mut Page,
    config: &Config,
    overview: &Overview,
    browsers: Option<Browsers>,
) {
    if let Some(browsers) = browsers {
        page.gauge("recollect_browsers", "Browsers that look at the page.")
            .value(&[], browsers.connected);
        page.counter(
            "recollect_browsers_turned_away_total",
            "Connections that were refused, as there were too many.",
        )
        .value(&[], browsers.turned_away);
    }
    let agents = overview.snapshot().agents;
    let mut connected = page.gauge(
        "recollect_connected",
        "Whether there is a connection to the agent.",
    );
    for agent in &agents {
        let is_connected = matches!(agent.status, Status::Connected { .. });
        connected.value(&[("agent", &agent.label)], u8::from(is_connected));
    }
    let mut since = page.gauge(
        "recollect_state_since_seconds",
        "Since when the agent is connected, or is not any more; seconds since 1970.",
    );
    for agent in &agents {
        if let Status::Connected { since: at } | Status::Lost { since: at, .. } = &agent.status {
            let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            since.value(&[("agent", &agent.label)], at.as_secs_f64());
        }
    }
    let counters: [Counter; 6] = [
        (
            "recollect_connections_total",
            "Connections that were made to the agent.",
            |agent| agent.connections,
        ),
        (
            "recollect_octets_received_total",
            "Octets that the agent has sent.",
            |agent| agent.octets,
        ),
        (
            "recollect_records_received_total",
            "Records that the agent has sent.",
            |agent| agent.records,
        ),
        (
            "recollect_partial_octets_total",
            "Octets of records that were cut by the end of a connection.",
            |agent| agent.partial_octets,
        ),
        (
            "recollect_records_outside_total",
            "Records whose time is too far from ours for views.",
            |agent| agent.outside,
        ),
        (
            "recollect_sums_missing_total",
            "Findings for whose sums there was no room.",
            |agent| agent.crowded_out,
        ),
    ];
    for (name, help, value) in counters {
        let mut counter = page.counter(name, help);
        for agent in &agents {
            counter.value(&[("agent", &agent.label)], value(agent));
        }
    }
    let losses: [Loss; 2] = [
        (
            "recollect_missed_records_total",
            "Records that the agent made and that did not reach us.",
            |losses| losses.missing,
        ),
        (
            "recollect_dropped_packets_total",
            "Packets that the agent's kernel or interfaces dropped before it saw them.",
            |losses| losses.dropped,
        ),
    ];
    for (name, help, value) in losses {
        let mut counter = page.counter(name, help);
        for agent in &agents {
            if let Some(losses) = &agent.losses {
                counter.value(&[("agent", &agent.label)], value(losses));
            }
        }
    }
    let mut lag = page.gauge(
        "recollect_lag_seconds",
        "Our clock less the time of the agent's last record, when it came.",
    );
    for agent in &agents {
        if let Some(micros) = agent.lag {
            lag.value(&[("agent", &agent.label)], micros as f64 / 1e6);
        }
    }
    by_type(page, config, &agents);
    by_flow(page, &agents, overview);
}

/// The packets of flows that were seen at both ends, by outcome: of the first so many flows.
fn by_flow(page: &mut Page, agents: &[AgentView], overview: &Overview) {
    let unjoined: Vec<(&str, MemberCounts)> = (0..)
        .zip(agents)
        .filter_map(|(number, agent)| Some((agent.label.as_str(), overview.unjoined(number)?)))
        .collect();
    if unjoined.is_empty() {
        return;
    }
    let mut family = page.counter(
        "recollect_unjoined_records_total",
        "Records that are of no packet seen at both ends, by reason.",
    );
    for (agent, counts) in unjoined {
        for (reason, count) in [
            ("unfit", counts.unfit),
            ("unsent", counts.unsent),
            ("repeated", counts.repeated),
            ("no_room", counts.crowded_out),
        ] {
            family.value(&[("agent", agent), ("reason", reason)], count);
        }
    }
    let (shown, count) = overview.flows(MOST_FLOWS);
    page.gauge(
        "recollect_flows",
        "Flows that were seen at both ends, also those that are not on this page.",
    )
    .value(&[], count);
    page.counter(
        "recollect_flows_forgotten_total",
        "Flows without packets that made room for others.",
    )
    .value(&[], overview.flows_crowded_out());
    let mut family = page.counter(
        "recollect_flow_packets_total",
        "Packets of a flow, by outcome.",
    );
    for flow in &shown {
        for (fate, count) in [
            ("received", flow.received),
            ("lost", flow.lost),
            ("unknown", flow.unknown),
            ("duplicated", flow.duplicated),
        ] {
            of_flow(agents, flow, ("fate", fate), |labels| {
                family.value(labels, count)
            });
        }
    }
    let mut family = page.gauge(
        "recollect_flow_delay_seconds",
        "Delay of the packets of a flow, by the clocks of the two hosts.",
    );
    for flow in &shown {
        let Some(delay) = flow.delay else { continue };
        for (which, nanoseconds) in [
            ("least", delay.least),
            ("median", delay.median),
            ("p99", delay.p99),
            ("most", delay.most),
            ("last", delay.last),
        ] {
            let seconds = nanoseconds as f64 / 1e9;
            of_flow(agents, flow, ("which", which), |labels| {
                family.value(labels, seconds)
            });
        }
    }
}

fn of_flow(
    agents: &[AgentView],
    flow: &FlowView,
    last: (&str, &str),
    write: impl FnOnce(&[(&str, &str)]),
) {
    let label = |agent: usize| agents.get(agent).map_or("", |agent| agent.label.as_str());
    write(&[
        ("sender", label(flow.sender)),
        ("receiver", label(flow.receiver)),
        ("source", &flow.source.to_string()),
        ("destination", &flow.destination.to_string()),
        ("protocol", &flow.protocol.to_string()),
        (
            "flow",
            &flow.flow_id.map(|id| id.to_string()).unwrap_or_default(),
        ),
        last,
    ]);
}

/// What has come of each type.
fn by_type(page: &mut Page, config: &Config, agents: &[AgentView]) {
    let totals = || {
        agents
            .iter()
            .flat_map(|agent| agent.totals.iter().map(move |total| (agent, total)))
    };
    let mut family = page.counter("recollect_records_total", "Lines, by type and level.");
    for (agent, total) in totals() {
        each(config, agent, total, |labels| {
            family.value(labels, total.records)
        });
    }
    let mut family = page.counter(
        "recollect_bits_total",
        "Bits of traffic, by type and level.",
    );
    for (agent, total) in totals().filter(|(_, total)| total.kind.is_traffic()) {
        each(config, agent, total, |labels| {
            family.value(labels, total.value)
        });
    }
    let mut family = page.gauge(
        "recollect_processor_percent",
        "How busy the agent's host is.",
    );
    for (agent, total) in totals().filter(|(_, total)| total.kind == Kind::Processor) {
        family.value(&[("agent", &agent.label)], total.last);
    }
    let mut family = page.gauge(
        "recollect_memory_octets",
        "Memory in use on the agent's host.",
    );
    for (agent, total) in totals().filter(|(_, total)| total.kind == Kind::Memory) {
        family.value(&[("agent", &agent.label)], total.last);
    }
}

fn each(config: &Config, agent: &AgentView, total: &Total, write: impl FnOnce(&[(&str, &str)])) {
    let name = match total.kind {
        Kind::Type(id) => config.section(id).map(|section| section.name.as_str()),
        _ => None,
    };
    write(&[
        ("agent", &agent.label),
        ("type", &total.kind.to_string()),
        ("name", name.unwrap_or_default()),
        ("level", if total.is_secondary { "1" } else { "0" }),
    ]);
}
