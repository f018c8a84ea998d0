//! What the user has chosen, and what a key changes of it.
//!
//! Guarantee: what a key does depends on the state and the scene alone.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::series::Subject;
use crate::top::scene::Scene;

/// Seconds that a bar may be of.
const INTERVALS: [u32; 4] = [1, 2, 5, 10];

/// A part of the screen that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    Agents,
    Type(Subject),
    Flows,
}

/// The order of agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Label,
    Rate,
}

/// What is shown in place of everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlay {
    Help,
    Messages,
}

/// What can be scrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Agents,
    /// Those of a type in full.
    Hosts,
    Flows,
    Overlay,
}

/// Keys and what they do, and what signs on the screen mean.
pub(super) const KEYS: [(&str, &str); 15] = [
    (
        "Tab, Shift-Tab",
        "next or previous panel; → and ← do the same",
    ),
    ("Enter", "this panel alone; again to go back"),
    (
        "↑ ↓, j k",
        "scroll; where all panels are shown, from type to type",
    ),
    (
        "PgUp, PgDn",
        "scroll by pages; Home and End: to the top, to the bottom",
    ),
    ("s", "sort hosts by label or by rate"),
    ("i", "length of an interval: 1, 2, 5 or 10 seconds"),
    ("m", "latest messages"),
    ("?", "this list"),
    ("Esc", "back; if there is nothing to go back to, quit"),
    ("q, Ctrl-C", "quit"),
    ("Ctrl-Z", "suspend; fg resumes"),
    (
        "█ ▒",
        "level 0; level 1: relayed, or a further rule matches",
    ),
    ("2 s ahead", "the agent's clock is ahead of ours"),
    ("2 s late", "its records come late, or its clock is behind"),
    (
        "Lost",
        "packets dropped there and records missing, where an agent tells",
    ),
];

/// What is to be done besides drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    /// Draw everything again, as something else has drawn over it.
    Redraw,
    /// Make room for the shell.
    Suspend,
    End,
}

/// What the screen had room for when it was drawn last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// Rows of the list that scrolls.
    pub(super) page: usize,
    /// It is too small for more than one pane.
    pub(super) is_small: bool,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) pane: Pane,
    /// Whether the pane has the whole screen.
    pub(super) is_full: bool,
    pub(super) overlay: Option<Overlay>,
    pub(super) sort: Sort,
    pub(super) interval: u32,
    /// Rows above the first that is seen, by list.
    offsets: [usize; 4],
    pub(super) room: Room,
}

impl Default for State {
    fn default() -> State {
        State {
            pane: Pane::Agents,
            is_full: false,
            overlay: None,
            sort: Sort::Label,
            interval: INTERVALS[0],
            offsets: [0; 4],
            room: Room::default(),
        }
    }
}

impl State {
    /// Takes a key.
    pub(super) fn press(&mut self, key: KeyEvent, scene: &Scene) -> Wish {
        if key.kind == KeyEventKind::Release {
            return Wish::Nothing;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'd') => Wish::End,
                KeyCode::Char('z') => Wish::Suspend,
                KeyCode::Char('l') => Wish::Redraw,
                _ => Wish::Nothing,
            };
        }
        match key.code {
            KeyCode::Char('q') => return Wish::End,
            KeyCode::Esc if self.overlay.is_none() && !self.is_full => return Wish::End,
            KeyCode::Esc | KeyCode::Backspace => self.back(),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.toggle(Overlay::Help),
            KeyCode::Char('m') => self.toggle(Overlay::Messages),
            KeyCode::Char('s') => {
                self.sort = match self.sort {
                    Sort::Label => Sort::Rate,
                    Sort::Rate => Sort::Label,
                };
            }
            KeyCode::Char('i') => {
                let place = INTERVALS.iter().position(|i| *i == self.interval);
                self.interval = INTERVALS[place.map_or(0, |place| (place + 1) % INTERVALS.len())];
            }
            KeyCode::Enter if self.overlay.is_some() || self.is_full => self.back(),
            KeyCode::Enter => self.is_full = true,
            KeyCode::Tab | KeyCode::Right => self.step(scene, 1),
            KeyCode::BackTab | KeyCode::Left => self.step(scene, -1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(scene, 1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(scene, -1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll(scene, self.room.page as isize),
            KeyCode::PageUp => self.scroll(scene, -(self.room.page as isize)),
            KeyCode::Home | KeyCode::Char('g') => self.scroll(scene, isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.scroll(scene, isize::MAX),
            _ => {}
        }
        Wish::Nothing
    }

    /// What can be chosen, in its order.
    pub(super) fn panes(scene: &Scene) -> Vec<Pane> {
        let types = scene.types.iter();
        let types = types.map(|series| Pane::Type(series.subject));
        let flows = (!scene.flows.is_empty()).then_some(Pane::Flows);
        let agents = [Pane::Agents].into_iter();
        agents.chain(types).chain(flows).collect()
    }

    /// The first row that is seen of a list of so many, of which so many are seen.
    pub(super) fn offset(&self, list: List, rows: usize, page: usize) -> usize {
        self.offsets[list as usize].min(rows.saturating_sub(page))
    }

    /// Whether nothing but the pane is seen.
    pub(super) fn is_alone(&self) -> bool {
        self.is_full || self.room.is_small
    }

    /// The list that scrolls; none where keys go from type to type.
    pub(super) fn list(&self) -> Option<List> {
        match (self.overlay, self.pane) {
            (Some(_), _) => Some(List::Overlay),
            (None, Pane::Agents) => Some(List::Agents),
            (None, Pane::Flows) => Some(List::Flows),
            (None, Pane::Type(_)) => self.is_alone().then_some(List::Hosts),
        }
    }

    fn scroll(&mut self, scene: &Scene, by: isize) {
        let Some(list) = self.list() else {
            return self.step(scene, by.signum());
        };
        let rows = match (list, self.overlay) {
            (List::Agents | List::Hosts, _) => scene.agents.len(),
            (List::Flows, _) => scene.flows.len(),
            (List::Overlay, Some(Overlay::Messages)) => scene.messages.len(),
            (List::Overlay, _) => KEYS.len(),
        };
        let most = rows.saturating_sub(self.room.page);
        let offset = &mut self.offsets[list as usize];
        *offset = (*offset).min(most).saturating_add_signed(by).min(most);
    }

    /// Goes to the next pane, or the one before.
    fn step(&mut self, scene: &Scene, by: isize) {
        let panes = State::panes(scene);
        // What is not there any more was at the end.
        let place = panes.iter().position(|pane| *pane == self.pane);
        let place = place.unwrap_or(panes.len()) as isize + by;
        self.pane = panes[place.rem_euclid(panes.len() as isize) as usize];
        self.overlay = None;
    }

    fn back(&mut self) {
        if self.overlay.take().is_none() {
            self.is_full = false;
        }
    }

    fn toggle(&mut self, overlay: Overlay) {
        self.offsets[List::Overlay as usize] = 0;
        self.overlay = (self.overlay != Some(overlay)).then_some(overlay);
    }
}
