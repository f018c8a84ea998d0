//! The screen, of a scene and what the user has chosen.
//!
//! Guarantee: it depends on these, the size and the colours alone, and is inside the screen whatever its size.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use crate::top::frame::{FAINT, footer, header, message, overlay};
use crate::top::layout::{Grid, Lines, Overview};
use crate::top::lists::{agents, flows};
use crate::top::palette::Depth;
use crate::top::scene::{Scene, Type};
use crate::top::state::{Pane, Room, Sort, State};
use crate::top::{full, panel};

/// What is drawn, and how.
pub(super) struct Look<'a> {
    pub(super) scene: &'a Scene,
    pub(super) state: &'a State,
    pub(super) depth: Depth,
}

/// Draws everything; gives what there was room for.
pub(super) fn draw(frame: &mut Frame<'_>, scene: &Scene, state: &State, depth: Depth) -> Room {
    let area = frame.area();
    if area.is_empty() {
        return Room {
            page: 0,
            is_small: true,
        };
    }
    let buffer = frame.buffer_mut();
    let lines = Lines::of(area);
    let overview = Overview::of(lines.body, scene.agents.len(), scene.flows.len());
    let look = Look {
        scene,
        state,
        depth,
    };
    header(&look, lines.header, buffer);
    message(&look, lines.message, buffer);
    footer(&look, lines.footer, buffer);
    let page = match (state.overlay, overview) {
        _ if lines.body.is_empty() => 0,
        (Some(shown), _) => overlay(shown, &look, lines.body, buffer),
        (None, Some(overview)) if !state.is_full => look.all(overview, buffer),
        (None, _) => look.alone(lines.body, buffer),
    };
    Room {
        page,
        is_small: overview.is_none(),
    }
}

impl Look<'_> {
    /// One pane.
    fn alone(&self, area: Rect, buffer: &mut Buffer) -> usize {
        match (self.state.pane, self.chosen()) {
            (Pane::Type(_), Some(number)) => {
                full::draw(self, &self.scene.types[number], area, buffer)
            }
            (Pane::Flows, _) => flows(self, area, buffer),
            _ => agents(self, area, buffer),
        }
    }

    /// All panes; gives the rows of the list that scrolls.
    fn all(&self, parts: Overview, buffer: &mut Buffer) -> usize {
        let of_agents = agents(self, parts.agents, buffer);
        let of_flows = match self.scene.flows.is_empty() {
            true => 0,
            false => flows(self, parts.flows, buffer),
        };
        let types = self.scene.types.len();
        let chosen = self.chosen();
        let grid = Grid::of(
            parts.types,
            types,
            self.scene.agents.len(),
            chosen.unwrap_or(0),
        );
        for (number, place) in &grid.cells {
            let series = &self.scene.types[*number];
            panel::draw(self, series, chosen == Some(*number), *place, buffer);
        }
        if let (Some(more), Some((first, _))) = (grid.more, grid.cells.first()) {
            let last = grid.cells.last().map_or(*first, |(number, _)| *number);
            let text = format!("types {}–{} of {types}; Tab goes on", first + 1, last + 1);
            let text = Span::styled(text, FAINT);
            buffer.set_span(more.x, more.y, &text, more.width);
        }
        match self.state.pane {
            Pane::Flows => of_flows,
            _ => of_agents,
        }
    }

    /// The number of the type that is chosen.
    fn chosen(&self) -> Option<usize> {
        let is_it = |series: &Type| self.state.pane == Pane::Type(series.subject);
        self.scene.types.iter().position(is_it)
    }

    /// The order of agents, by a type's rates if it is by rate.
    pub(super) fn order(&self, series: Option<&Type>) -> Vec<usize> {
        let mut order = self.scene.by_label.clone();
        if let (Sort::Rate, Some(series)) = (self.state.sort, series) {
            let rate = |agent: &usize| series.hosts.get(*agent).map_or(0.0, |level| level.sum());
            // Equal ones stay in the order of their labels.
            order.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
        }
        order
    }

    /// What that order is called.
    pub(super) fn order_name(&self) -> &'static str {
        match self.state.sort {
            Sort::Label => "by label",
            Sort::Rate => "by rate",
        }
    }
}
