//! A type among others: its rate, a bar for each host, and its history.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Span;
use ratatui::widgets::Widget;

use crate::series::Unit;
use crate::top::bars::Columns;
use crate::top::draw::Look;
use crate::top::frame::{FAINT, gutter, title};
use crate::top::layout::GUTTER;
use crate::top::scene::{Level, Type};
use crate::top::text::{amount, ceiling, duration, fit, short_amount};

/// Columns of a host at most.
const WIDEST: usize = 12;
/// Columns of a host that has room for a label.
const LABELLED: usize = 4;

/// Rows of bars, their labels and the history.
fn rows(height: u16, has_labels: bool) -> [u16; 3] {
    let labels = u16::from(has_labels && height >= 3);
    let left = height.saturating_sub(labels);
    let history = left / 2;
    [left - history, labels, history]
}

/// Draws it.
pub(super) fn draw(
    look: &Look<'_>,
    series: &Type,
    is_chosen: bool,
    area: Rect,
    buffer: &mut Buffer,
) {
    if area.width <= GUTTER || area.is_empty() {
        return;
    }
    let columns = usize::from(area.width - GUTTER);
    let hosts = series.hosts.len();
    let pitch = (columns / hosts.max(1)).clamp(1, WIDEST);
    let shown = (columns / pitch).min(hosts);
    title(heading(look, series, shown), is_chosen, area, buffer);
    let parts = rows(area.height - 1, pitch >= LABELLED);
    let parts = parts.map(Constraint::Length);
    let below = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    let [bars, labels, past] = Layout::vertical(parts).areas(below);
    let order = look.order(Some(series));
    let levels: Vec<Level> = order.iter().map(|host| series.hosts[*host]).collect();
    let top = scale(series.unit, &series.hosts);
    let styles = look.depth.styles(series.colors);
    let breadth = if pitch == 1 { 1 } else { pitch - 1 };
    let within = |area: Rect| Rect {
        x: area.x + GUTTER,
        width: area.width - GUTTER,
        ..area
    };
    Columns {
        levels: &levels,
        top,
        styles,
        pitch: pitch as u16,
        breadth: breadth as u16,
    }
    .render(within(bars), buffer);
    let what = if labels.height == 0 { "hosts" } else { "" };
    marks(&short_amount(top, series.unit), what, bars, buffer);
    for (place, host) in order.iter().take(shown).enumerate() {
        if labels.height == 1 {
            let x = labels.x + GUTTER + (place * pitch) as u16;
            let label = fit(&look.scene.agents[*host].label, breadth);
            buffer.set_stringn(x, labels.y, label, breadth, FAINT);
        }
    }
    history(look, series, past, buffer);
}

/// Draws the history, with the last interval at the right end.
pub(super) fn history(look: &Look<'_>, series: &Type, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() || area.width <= GUTTER {
        return;
    }
    let columns = usize::from(area.width - GUTTER);
    let past = &series.history[series.history.len().saturating_sub(columns)..];
    let top = scale(series.unit, past);
    let left = (columns - past.len()) as u16;
    let place = Rect {
        x: area.x + GUTTER + left,
        width: past.len() as u16,
        ..area
    };
    Columns {
        levels: past,
        top,
        styles: look.depth.styles(series.colors),
        pitch: 1,
        breadth: 1,
    }
    .render(place, buffer);
    let span = duration(columns as f64 * f64::from(look.scene.interval));
    marks(&short_amount(top, series.unit), &span, area, buffer);
}

/// The value that fills the height, and what the columns are of.
fn marks(top: &str, what: &str, area: Rect, buffer: &mut Buffer) {
    if area.height > 0 {
        let is_alone = area.height == 1 && !what.is_empty();
        let first = if is_alone { what } else { top };
        gutter(first, area.x, area.y, GUTTER - 1, buffer);
    }
    if area.height > 1 {
        gutter(what, area.x, area.bottom() - 1, GUTTER - 1, buffer);
    }
}

/// What fills the height of bars.
pub(super) fn scale(unit: Unit, levels: &[Level]) -> f64 {
    let most = levels.iter().map(|level| level.sum()).fold(0.0, f64::max);
    match unit {
        Unit::Percent => 100.0,
        Unit::Bits | Unit::Octets => ceiling(most),
    }
}

/// Name, rate, who has most of it.
fn heading(look: &Look<'_>, series: &Type, shown: usize) -> Vec<Span<'static>> {
    let [style, _] = look.depth.styles(series.colors);
    let mut heading = vec![
        Span::styled(series.name.clone(), style.patch(crate::top::frame::BOLD)),
        Span::raw(amount(series.now.sum(), series.unit)),
    ];
    let hosts = series.hosts.iter().enumerate();
    let most = hosts.max_by(|(_, a), (_, b)| a.sum().total_cmp(&b.sum()));
    if let Some((host, level)) = most.filter(|(_, level)| level.sum() > 0.0) {
        let label = fit(&look.scene.agents[host].label, 16);
        let text = format!("· most {label} {}", amount(level.sum(), series.unit));
        heading.push(Span::styled(text, FAINT));
    }
    if shown < series.hosts.len() {
        let text = format!("· {shown} of {} hosts", series.hosts.len());
        heading.push(Span::styled(text, FAINT));
    }
    heading
}
