//! A type alone: its history, and all hosts with their labels and rates.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Span;

use crate::series::Unit;
use crate::top::bars::lying;
use crate::top::draw::Look;
use crate::top::frame::{BOLD, FAINT, line, seen, title};
use crate::top::panel::{history, scale};
use crate::top::scene::Type;
use crate::top::state::List;
use crate::top::text::{amount, bits, fit, grouped, short_amount, width};

/// Columns that a host has at least where several are side by side.
const HOST: u16 = 56;
const MOST_COLUMNS: u16 = 3;
/// Columns of a label at most.
const LABEL: usize = 20;
/// Rows of the history at most.
const HISTORY: u16 = 8;

/// Draws it; gives how many hosts are seen.
pub(super) fn draw(look: &Look<'_>, series: &Type, area: Rect, buffer: &mut Buffer) -> usize {
    let past = (area.height.saturating_sub(3) / 3).min(HISTORY);
    let totals = u16::from(area.height >= 8);
    let parts = [1, totals, past, 1].map(Constraint::Length);
    let parts = [parts[0], parts[1], parts[2], parts[3], Constraint::Fill(1)];
    let [first, second, past, heading, hosts] = Layout::vertical(parts).areas(area);
    let styles = look.depth.styles(series.colors);
    let name = vec![
        Span::styled(series.name.clone(), styles[0].patch(BOLD)),
        Span::raw(amount(series.now.sum(), series.unit)),
    ];
    title(name, true, first, buffer);
    if second.height == 1 {
        levels(series, styles, second, buffer);
    }
    history(look, series, past, buffer);
    list(look, series, heading, hosts, buffer)
}

/// The two levels, and what has come in all.
fn levels(series: &Type, styles: [Style; 2], area: Rect, buffer: &mut Buffer) {
    let total = series.total;
    let records = format!("in all {} records", grouped(total.records));
    let parts = match series.unit {
        Unit::Bits => {
            let level = |name: &str, value| format!("{name}: {}", amount(value, series.unit));
            let sum = bits(total.level0.saturating_add(total.level1));
            vec![
                (
                    0,
                    Span::styled(level("█ level 0", series.now.direct), styles[0]),
                ),
                (
                    1,
                    Span::styled(level("▒ level 1", series.now.relayed), styles[1]),
                ),
                (2, Span::styled(format!("{records}, {sum}"), FAINT)),
            ]
        }
        Unit::Percent | Unit::Octets => vec![(0, Span::styled(records, FAINT))],
    };
    buffer.set_line(area.x, area.y, &line(parts, area.width), area.width);
}

/// The hosts, in several columns where there is room for them.
fn list(look: &Look<'_>, series: &Type, heading: Rect, area: Rect, buffer: &mut Buffer) -> usize {
    let order = look.order(Some(series));
    let wanted = order.len().div_ceil(usize::from(area.height.max(1)));
    let columns = (area.width / HOST)
        .clamp(1, MOST_COLUMNS)
        .min(wanted.max(1) as u16);
    let page = usize::from(area.height) * usize::from(columns);
    let first = look.state.offset(List::Hosts, order.len(), page);
    let top = scale(series.unit, &series.hosts);
    if heading.height == 1 {
        let order_name = look.order_name();
        let text = format!("{order_name}, last {} s", look.scene.interval);
        let bars = format!("· bars up to {}", short_amount(top, series.unit));
        let mut text = vec![Span::styled("Hosts", BOLD), Span::styled(text, FAINT)];
        text.extend(seen(first, page, order.len()));
        text.push(Span::styled(bars, FAINT));
        title(text, false, heading, buffer);
    }
    let labels = order
        .iter()
        .map(|host| width(&look.scene.agents[*host].label));
    let label = labels.max().unwrap_or(0).min(LABEL);
    let places = vec![Constraint::Fill(1); columns.into()];
    let places = Layout::horizontal(places).spacing(2).split(area);
    let cells = places.iter().flat_map(|place| {
        (place.y..place.bottom()).map(|y| Rect {
            y,
            height: 1,
            ..*place
        })
    });
    for (host, cell) in order.iter().skip(first).zip(cells) {
        row(look, series, *host, label, top, cell, buffer);
    }
    page
}

/// A host: its label, its rate, and a bar.
fn row(
    look: &Look<'_>,
    series: &Type,
    host: usize,
    label: usize,
    top: f64,
    area: Rect,
    buffer: &mut Buffer,
) {
    const RATE: usize = 12;
    let columns = usize::from(area.width);
    let level = series.hosts[host];
    let text = fit(&look.scene.agents[host].label, label.min(columns));
    buffer.set_stringn(area.x, area.y, text, columns, Style::new());
    let rate = format!("{:>RATE$}", amount(level.sum(), series.unit));
    let before = label + 1 + RATE + 1;
    if columns >= before {
        let x = area.x + label as u16 + 1;
        buffer.set_stringn(x, area.y, rate, RATE, Style::new());
        let left = (columns - before) as u16;
        let bar = lying(level, top, look.depth.styles(series.colors), left);
        buffer.set_line(area.x + before as u16, area.y, &bar, left);
    }
}
