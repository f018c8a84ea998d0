//! What is around the parts: the header, titles, the last line, and what lies over everything.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::top::draw::Look;
use crate::top::scene::State;
use crate::top::state::{KEYS, List, Overlay};
use crate::top::text::{amount, fit, frequency, width};

/// Of what matters less.
pub(super) const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
/// Between parts of a line.
const GAP: &str = "  ";
/// Labels of lost agents that are told at most.
const MOST_LOST: usize = 5;

/// Parts of a line in their order, each with its rank: those of a high rank are left out first.
pub(super) fn line(parts: Vec<(usize, Span<'static>)>, columns: u16) -> Line<'static> {
    let mut ranked: Vec<&(usize, Span<'_>)> = parts.iter().collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let (mut used, mut last) = (0, None);
    for (rank, part) in ranked {
        let gap = if used == 0 { 0 } else { GAP.len() };
        if used + gap + part.width() > columns.into() {
            break;
        }
        used += gap + part.width();
        last = Some(*rank);
    }
    let mut spans = Vec::new();
    for (rank, part) in parts {
        if last.is_some_and(|last| rank <= last) {
            if !spans.is_empty() {
                spans.push(Span::raw(GAP));
            }
            spans.push(part);
        }
    }
    Line::from(spans)
}

/// The first line: the time of the latest record, how agents are, and how much there is.
pub(super) fn header(look: &Look<'_>, area: Rect, buffer: &mut Buffer) {
    let scene = look.scene;
    let (connected, lost) = (
        scene.agents_in(State::Connected),
        scene.agents_in(State::Lost),
    );
    let (ended, all) = (scene.agents_in(State::Ended), scene.agents.len());
    let agents = match ended {
        0 => format!("{connected} of {all} connected"),
        ended if ended == all => "all ended".to_owned(),
        ended => format!("{ended} of {all} ended"),
    };
    let style = match lost {
        0 => BOLD,
        _ => look.depth.warning(),
    };
    let mut parts = vec![(4, Span::styled("recollect", BOLD))];
    if let Some(time) = &scene.time {
        parts.push((2, Span::styled(format!("{time} UTC"), BOLD)));
    }
    parts.push((1, Span::styled(agents, style)));
    if let Some(aggregate) = scene.types.first() {
        let rate = amount(aggregate.now.sum(), aggregate.unit);
        parts.push((0, Span::styled(rate, BOLD)));
    }
    let records: f64 = scene.agents.iter().map(|agent| agent.frequency).sum();
    parts.push((
        3,
        Span::styled(format!("{} records/s", frequency(records)), BOLD),
    ));
    if lost > 0 {
        let agents = scene
            .agents
            .iter()
            .filter(|agent| agent.state == State::Lost);
        let labels: Vec<&str> = agents
            .map(|agent| agent.label.as_str())
            .take(MOST_LOST)
            .collect();
        let more = if lost > MOST_LOST { ", …" } else { "" };
        let text = format!("down: {}{more}", labels.join(", "));
        parts.push((5, Span::styled(text, look.depth.warning())));
    }
    buffer.set_line(area.x, area.y, &line(parts, area.width), area.width);
}

/// The title of a part: what it is, marked if it is chosen, and a line to its end.
pub(super) fn title(spans: Vec<Span<'static>>, is_chosen: bool, area: Rect, buffer: &mut Buffer) {
    let mark = if is_chosen { "▶" } else { "─" };
    let mut x = buffer
        .set_stringn(area.x, area.y, mark, area.width.into(), FAINT)
        .0;
    for (place, span) in spans.into_iter().enumerate() {
        let left = area.right().saturating_sub(x);
        // The name is cut; what does not fit of the rest is left out.
        let text = match place {
            0 => fit(&span.content, left.into()),
            _ if span.width() < left.into() => format!(" {}", span.content),
            _ => break,
        };
        let style = match place {
            0 if is_chosen => span.style.add_modifier(Modifier::REVERSED),
            _ => span.style,
        };
        x = buffer.set_stringn(x, area.y, text, left.into(), style).0;
    }
    let left = usize::from(area.right().saturating_sub(x));
    if left > 1 {
        let rule = format!(" {}", "─".repeat(left - 1));
        buffer.set_stringn(x, area.y, rule, left, FAINT);
    }
}

/// The line of the latest message.
pub(super) fn message(look: &Look<'_>, area: Rect, buffer: &mut Buffer) {
    if let (Some(message), 1) = (look.scene.messages.first(), area.height) {
        let text = fit(message, area.width.into());
        buffer.set_stringn(area.x, area.y, text, area.width.into(), Style::new());
    }
}

/// The last line: the keys that matter most.
pub(super) fn footer(look: &Look<'_>, area: Rect, buffer: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let back = look.state.is_full || look.state.overlay.is_some();
    let keys = [
        (0, "q", "quit"),
        (1, "?", "help"),
        (2, "Tab", "next panel"),
        (3, "Enter", if back { "back" } else { "this panel" }),
        (4, "s", "sort"),
        (5, "i", "interval"),
        (6, "m", "messages"),
    ];
    let parts = keys.map(|(rank, key, what)| (rank, Span::styled(format!("{key} {what}"), FAINT)));
    buffer.set_line(area.x, area.y, &line(parts.into(), area.width), area.width);
}

/// What lies over everything; gives the rows of its list that are seen.
pub(super) fn overlay(overlay: Overlay, look: &Look<'_>, area: Rect, buffer: &mut Buffer) -> usize {
    let page = usize::from(area.height.saturating_sub(1));
    let (name, rows): (_, Vec<Line<'_>>) = match overlay {
        Overlay::Help => {
            let row = |(key, what): &(&'static str, &'static str)| {
                Line::from(vec![
                    Span::styled(format!(" {key:<15}"), BOLD),
                    Span::raw(*what),
                ])
            };
            ("Help", KEYS.iter().map(row).collect())
        }
        Overlay::Messages => {
            let messages = look.scene.messages.iter();
            let row = |message: &String| Line::from(format!(" {message}"));
            ("Messages, the latest first", messages.map(row).collect())
        }
    };
    title(vec![Span::styled(name, BOLD)], true, area, buffer);
    let first = look.state.offset(List::Overlay, rows.len(), page);
    for (row, y) in rows.iter().skip(first).zip(area.y + 1..area.bottom()) {
        buffer.set_line(area.x, y, row, area.width);
    }
    page
}

/// Which rows of a list are seen, if not all are.
pub(super) fn seen(first: usize, page: usize, rows: usize) -> Option<Span<'static>> {
    let text = format!("{}–{} of {rows}", first + 1, (first + page).min(rows));
    (page < rows).then(|| Span::styled(text, FAINT))
}

/// A text in the gutter of bars.
pub(super) fn gutter(text: &str, x: u16, y: u16, columns: u16, buffer: &mut Buffer) {
    let columns = usize::from(columns);
    let text = if width(text) > columns { "" } else { text };
    buffer.set_stringn(x, y, text, columns, FAINT);
}
