//! Agents and flows, as tables.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use crate::top::draw::Look;
use crate::top::frame::{BOLD, FAINT, seen, title};
use crate::top::scene::{AgentRow, State};
use crate::top::state::{List, Pane};
use crate::top::table::{Column, table};
use crate::top::text::{NONE, amount, frequency, grouped};

/// As wide as that, tables say things in full.
const WIDE: u16 = 100;

/// Draws the agents; gives how many are seen.
pub(super) fn agents(look: &Look<'_>, area: Rect, buffer: &mut Buffer) -> usize {
    let is_wide = area.width >= WIDE;
    let aggregate = look.scene.types.first();
    let order = look.order(aggregate);
    let rows: Vec<&AgentRow> = order.iter().map(|n| &look.scene.agents[*n]).collect();
    let rates = order.iter().map(|number| match aggregate {
        Some(aggregate) => amount(aggregate.hosts[*number].sum(), aggregate.unit),
        None => NONE.to_owned(),
    });
    let warning = |is_wrong: bool| match is_wrong {
        true => look.depth.warning(),
        false => Style::new(),
    };
    let state = |row: &&AgentRow| match row.state {
        State::Connecting => "connecting".to_owned(),
        State::Connected => "connected".to_owned(),
        State::Lost => format!("down: {}", row.why),
        State::Ended => "ended".to_owned(),
    };
    let lag = |row: &&AgentRow| match is_wide {
        true => row.lag.1.clone(),
        false => row.lag.0.clone(),
    };
    let losses = |row: &&AgentRow| match is_wide {
        true => row.losses.1.clone(),
        false => row.losses.0.clone(),
    };
    let all = || rows.iter();
    let most = if is_wide { 40 } else { 12 };
    let mut columns = vec![
        Column::text("Agent", 0, 16).with(all().map(|row| row.label.as_str())),
        Column::text("State", 1, most)
            .with(all().map(state))
            .styled(all().map(|row| warning(row.state == State::Lost))),
        Column::number("For", 4).with(all().map(|row| row.time.as_str())),
        Column::number("Rec/s", 2).with(all().map(|row| frequency(row.frequency))),
        Column::number("Rate", 6).with(rates),
    ];
    let texts = match is_wide {
        true => [Column::text("Lag", 3, 60), Column::text("Lost", 5, 60)],
        false => [Column::number("Lag", 3), Column::number("Lost", 5)],
    };
    let [lags, lost] = texts;
    columns.push(
        lags.with(all().map(lag))
            .styled(all().map(|row| warning(row.lag.2))),
    );
    columns.push(lost.with(all().map(losses)));
    if is_wide {
        columns.push(Column::number("Records", 7).with(all().map(|row| grouped(row.records))));
        columns.push(Column::text("Where", 8, 60).with(all().map(|row| row.place.as_str())));
    }
    let heading = vec![
        Span::styled("Agents", BOLD),
        Span::styled(look.order_name(), FAINT),
    ];
    list(
        look,
        List::Agents,
        heading,
        &columns,
        rows.len(),
        area,
        buffer,
    )
}

/// Draws the flows; gives how many are seen.
pub(super) fn flows(look: &Look<'_>, area: Rect, buffer: &mut Buffer) -> usize {
    let rows = &look.scene.flows;
    let all = || rows.iter();
    let mut columns = vec![
        Column::text("From", 0, 12).with(all().map(|row| row.sender.as_str())),
        Column::text("To", 1, 12).with(all().map(|row| row.receiver.as_str())),
        Column::text("Flow", 4, 44).with(all().map(|row| row.what.as_str())),
        Column::number("Sent", 8).with(all().map(|row| grouped(row.sent))),
        Column::number("Lost", 3).with(all().map(|row| row.lost.as_str())),
        Column::number("Duplicates", 9).with(all().map(|row| grouped(row.duplicated))),
        Column::number("Delay", 2).with(all().map(|row| row.median.as_str())),
        Column::number("Least", 5).with(all().map(|row| row.least.as_str())),
        Column::number("99 %", 6).with(all().map(|row| row.p99.as_str())),
        Column::number("Most", 7).with(all().map(|row| row.most.as_str())),
    ];
    // Where what the receiver saw is not known.
    if all().any(|row| row.unknown > 0) {
        let unknown = Column::number("Unknown", 4).with(all().map(|row| grouped(row.unknown)));
        columns.insert(5, unknown);
    }
    let mut heading = vec![
        Span::styled("Flows", BOLD),
        Span::styled(
            "losses and delays: some seconds later; delay: median, by the two clocks",
            FAINT,
        ),
    ];
    if look.scene.flows_in_all > rows.len() {
        let text = format!("{} in all", grouped(look.scene.flows_in_all as u64));
        heading.push(Span::styled(text, FAINT));
    }
    if look.scene.flows_crowded_out > 0 {
        let number = grouped(look.scene.flows_crowded_out);
        heading.push(Span::styled(format!("{number} let go: no room"), FAINT));
    }
    list(
        look,
        List::Flows,
        heading,
        &columns,
        rows.len(),
        area,
        buffer,
    )
}

fn list(
    look: &Look<'_>,
    list: List,
    mut heading: Vec<Span<'static>>,
    columns: &[Column],
    rows: usize,
    area: Rect,
    buffer: &mut Buffer,
) -> usize {
    let page = usize::from(area.height.saturating_sub(2));
    let first = look.state.offset(list, rows, page);
    heading.extend(seen(first, page, rows));
    let is_chosen = match list {
        List::Agents => look.state.pane == Pane::Agents,
        _ => look.state.pane == Pane::Flows,
    };
    if area.is_empty() {
        return page;
    }
    title(heading, is_chosen, area, buffer);
    let below = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    table(columns, first, below, buffer);
    page
}
