//! The metrics: packets, collectors and losses of both streams, and lines of the log.

use std::sync::atomic::Ordering;

use netcap_agent::extended::NoteOutlet;
use netcap_agent::{LogCounts, Outlet};
use netcap_shell::metrics::Page;

use crate::groups::Groups;
use crate::report::{Account, Report, fates_of, note_fates_of};

impl Report {
    /// Writes all that is counted.
    pub(crate) fn metrics(
        &self,
        page: &mut Page,
        outlet: &Outlet,
        groups: &Groups,
        log: &LogCounts,
    ) {
        let mut state = self.lock();
        let here = outlet.fanout().audience();
        let (sent, lost) = state.classic.so_far(&here);
        let mut packets = page.counter("pcapper_packets_total", "Packets that came.");
        for input in &state.inputs {
            packets.value(&[("interface", &input.name)], input.counts.packets);
        }
        let mut fates = page.counter("pcapper_packet_fates_total", "Packets by outcome.");
        for input in &state.inputs {
            for (fate, count) in fates_of(&input.counts) {
                fates.value(&[("interface", &input.name), ("fate", fate)], count);
            }
        }
        let mut dropped = page.counter(
            "pcapper_dropped_packets_total",
            "Packets that the kernel or the interface dropped.",
        );
        for input in &state.inputs {
            let count = input.dropped.unwrap_or_default();
            dropped.value(&[("interface", &input.name)], count);
        }
        page.gauge("pcapper_collectors", "Collectors that are connected.")
            .value(&[], here.peers);
        page.counter("pcapper_collectors_total", "Collectors that came.")
            .value(&[], state.classic.collectors);
        page.counter("pcapper_sent_records_total", "Records sent to collectors.")
            .value(&[], sent);
        page.counter(
            "pcapper_lost_records_total",
            "Records that collectors did not take in time.",
        )
        .value(&[], lost);
        page.counter(
            "pcapper_waiting_records_total",
            "Records that waited for a collector when it left.",
        )
        .value(&[], state.classic.waiting);
        page.counter(
            "pcapper_unheard_records_total",
            "Records that came while no collector was connected.",
        )
        .value(&[], outlet.unheard());
        if let Some(notes) = outlet.extended() {
            extended(page, notes, &mut state.extended);
            multicast(page, groups);
        }
        page.counter("pcapper_refused_total", "Connections turned away.")
            .value(&[], state.refused.count());
        page.counter(
            "pcapper_failed_accepts_total",
            "Times that the system could not let a collector in.",
        )
        .value(&[], state.accepts.count());
        let mut lines = page.counter("pcapper_log_lines_total", "Lines of the log, by fate.");
        for (fate, count) in [("written", &log.written), ("lost", &log.lost)] {
            lines.value(&[("fate", fate)], count.load(Ordering::Relaxed));
        }
    }
}

/// What was sent to groups.
fn multicast(page: &mut Page, groups: &Groups) {
    let mut records = page.counter(
        "pcapper_multicast_records_total",
        "Records for multicast groups, by fate.",
    );
    for group in groups.iter() {
        let (place, counts) = (group.place().to_string(), group.counts());
        for (fate, count) in [("sent", counts.sent), ("lost", counts.lost)] {
            records.value(&[("group", &place), ("fate", fate)], count);
        }
    }
}

/// The same of the extended stream.
fn extended(page: &mut Page, notes: &NoteOutlet, account: &mut Account) {
    let here = notes.fanout().audience();
    let (sent, lost) = account.so_far(&here);
    let accounts = notes.accounts();
    let mut fates = page.counter(
        "pcapper_extended_packet_fates_total",
        "Packets by outcome in the extended stream.",
    );
    for account in &accounts {
        for (fate, count) in note_fates_of(&account.counters) {
            let labels = [("interface", &account.interface[..]), ("fate", fate)];
            fates.value(&labels, count);
        }
    }
    let mut forgotten = page.counter(
        "pcapper_extended_forgotten_datagrams_total",
        "Datagrams of which later fragments may lack the ports, for lack of room.",
    );
    for account in &accounts {
        forgotten.value(&[("interface", &account.interface)], account.forgotten);
    }
    page.gauge(
        "pcapper_extended_collectors",
        "Collectors of the extended stream that are connected.",
    )
    .value(&[], here.peers);
    page.counter(
        "pcapper_extended_collectors_total",
        "Collectors of the extended stream that came.",
    )
    .value(&[], account.collectors);
    page.counter(
        "pcapper_extended_sent_records_total",
        "Records sent to collectors of the extended stream.",
    )
    .value(&[], sent);
    page.counter(
        "pcapper_extended_lost_records_total",
        "Records that collectors of the extended stream did not take in time.",
    )
    .value(&[], lost);
    page.counter(
        "pcapper_extended_waiting_records_total",
        "Records that waited for a collector of the extended stream when it left.",
    )
    .value(&[], account.waiting);
}
