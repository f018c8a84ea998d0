//! Where the parts of the screen are, by its size and what there is.
//!
//! Guarantee: parts are inside the screen, and none is over another.

use ratatui::layout::{Constraint, Layout, Rect};

/// A screen that is smaller has room for one pane.
const LEAST: (u16, u16) = (60, 14);
/// As wide as that, agents are beside the types rather than above.
const WIDE: u16 = 110;
/// Columns of agents beside the types, and what a type has to the left of its bars.
const AGENTS: (u16, u16) = (46, 64);
pub(super) const GUTTER: u16 = 6;
/// Rows and columns of a type.
const ROWS: (u16, u16) = (4, 9);
const LEAST_COLUMNS: u16 = 38;
/// Columns between parts.
const GAP: u16 = 2;
/// Hosts whose bars should fit into a type.
const HOSTS: usize = 64;

/// Lines of the screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    pub(super) header: Rect,
    pub(super) body: Rect,
    pub(super) message: Rect,
    pub(super) footer: Rect,
}

impl Lines {
    pub(super) fn of(area: Rect) -> Lines {
        let message = u16::from(area.height >= 12);
        let footer = u16::from(area.height >= 4);
        let parts = [
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(message),
            Constraint::Length(footer),
        ];
        let [header, body, message, footer] = Layout::vertical(parts).areas(area);
        Lines {
            header,
            body,
            message,
            footer,
        }
    }
}

/// Parts of a body that shows all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overview {
    pub(super) agents: Rect,
    pub(super) flows: Rect,
    pub(super) types: Rect,
}

impl Overview {
    /// None where there is no room for all.
    pub(super) fn of(body: Rect, hosts: usize, flows: usize) -> Option<Overview> {
        if body.width < LEAST.0 || body.height < LEAST.1 {
            return None;
        }
        // Two lines above each list.
        let rows = |number: usize| u16::try_from(number.saturating_add(2)).unwrap_or(u16::MAX);
        let flows = if flows == 0 { 0 } else { rows(flows) };
        if body.width >= WIDE {
            let types = GUTTER + hosts.min(HOSTS) as u16;
            let left = body.width.saturating_sub(types + GAP);
            let left = left.clamp(AGENTS.0, AGENTS.1);
            let parts = [Constraint::Length(left), Constraint::Fill(1)];
            let [left, types] = Layout::horizontal(parts).spacing(GAP).areas(body);
            let parts = [
                Constraint::Fill(1),
                Constraint::Length(flows.min(body.height / 3)),
            ];
            let [agents, flows] = Layout::vertical(parts).areas(left);
            return Some(Overview {
                agents,
                flows,
                types,
            });
        }
        let parts = [
            Constraint::Length(rows(hosts).min(body.height / 3)),
            Constraint::Fill(1),
            Constraint::Length(flows.min(body.height / 4)),
        ];
        let [agents, types, flows] = Layout::vertical(parts).areas(body);
        Some(Overview {
            agents,
            flows,
            types,
        })
    }
}

/// Types side by side and one below the other.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// Number and place of those that are seen.
    pub(super) cells: Vec<(usize, Rect)>,
    /// Where it is told that there are more.
    pub(super) more: Option<Rect>,
}

impl Grid {
    /// Of so many types, of which one should be seen.
    pub(super) fn of(area: Rect, types: usize, hosts: usize, seen: usize) -> Grid {
        let least = (GUTTER + hosts.min(HOSTS) as u16).max(LEAST_COLUMNS);
        let most = usize::from(((area.width + GAP) / (least + GAP)).max(1));
        let fits = |columns: &usize| {
            let rows = types.div_ceil(*columns);
            rows * usize::from(ROWS.0) <= usize::from(area.height)
        };
        let columns = (1..=most).find(fits).unwrap_or(most);
        let rows = types.div_ceil(columns);
        let (area, more) = match fits(&columns) {
            true => (area, None),
            false => {
                let parts = [Constraint::Fill(1), Constraint::Length(1)];
                let [area, more] = Layout::vertical(parts).areas(area);
                (area, Some(more))
            }
        };
        let shown = usize::from(area.height / ROWS.0).clamp(1, rows.max(1));
        // Rows that are left go to the first.
        let left = usize::from(area.height) % shown;
        let height = |row: usize| (area.height / shown as u16 + u16::from(row < left)).min(ROWS.1);
        let first = (seen / columns)
            .saturating_sub(shown / 2)
            .min(rows.saturating_sub(shown));
        let widths = vec![Constraint::Fill(1); columns];
        let places = Layout::horizontal(widths).spacing(GAP).split(area);
        let mut cells = Vec::new();
        let mut y = area.y;
        for row in 0..shown {
            let height = height(row);
            for (column, place) in places.iter().enumerate() {
                let number = (first + row) * columns + column;
                if number < types {
                    let place = Rect {
                        y,
                        height,
                        ..*place
                    };
                    cells.push((number, place));
                }
            }
            y += height;
        }
        Grid { cells, more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_overlap() {
        for width in (1..240).step_by(21) {
            for height in (1..20).chain([24, 40, 69]) {
                let screen = Rect::new(0, 0, width, height);
                let lines = Lines::of(screen);
                for (hosts, flows, types) in [(1, 0, 2), (64, 9, 9), (1024, 500, 100)] {
                    let mut parts = vec![lines.header, lines.message, lines.footer];
                    if let Some(overview) = Overview::of(lines.body, hosts, flows) {
                        parts.extend([overview.agents, overview.flows]);
                        for seen in [0, types / 2, types - 1] {
                            let grid = Grid::of(overview.types, types, hosts, seen);
                            let mut all = parts.clone();
                            all.extend(grid.more);
                            all.extend(grid.cells.iter().map(|(_, place)| *place));
                            apart(&all, screen);
                            assert!(grid.cells.iter().any(|(number, _)| *number == seen));
                        }
                    }
                    apart(&parts, screen);
                }
            }
        }
    }

    fn apart(parts: &[Rect], screen: Rect) {
        for (place, part) in parts.iter().enumerate() {
            assert_eq!(part.intersection(screen).area(), part.area(), "{parts:?}");
            for other in &parts[..place] {
                assert_eq!(part.intersection(*other).area(), 0, "{parts:?}");
            }
        }
    }
}
