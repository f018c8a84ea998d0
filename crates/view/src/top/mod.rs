//! The view on a terminal: how agents are, a panel for each type of traffic, flows.
//!
//! ```text
//! mod.rs        when the screen is drawn, and when a key is looked for
//! scene.rs      what there is to see, as plain data; history.rs the past, text.rs numbers and names
//! state.rs      what the user has chosen, and what keys change of it
//! draw.rs       the screen: layout.rs its parts, frame.rs what is around them, lists.rs agents and flows (table.rs),
//!               panel.rs a type among others, full.rs a type alone
//! bars.rs       bars of two levels
//! palette.rs    colours as the terminal has them
//! terminal.rs   the terminal, taken and given back
//! messages.rs   what would otherwise be written over the screen
//! ```
//!
//! Guarantees: texts of files and agents do nothing to the terminal; it is as before when the view is dropped,
//! and when the program panics; without news and keys nothing is drawn, and news are drawn at most four times a
//! second.

mod bars;
mod draw;
mod frame;
mod full;
mod history;
mod layout;
mod lists;
mod messages;
mod palette;
mod panel;
mod scene;
mod state;
mod table;
mod terminal;
mod text;

use std::io;
use std::time::{Duration, Instant, SystemTime};

use ratatui::crossterm::event::{self, Event};

pub use messages::Messages;
pub use palette::Depth;

use crate::model::Model;
use history::History;
use scene::Scene;
use state::{State, Wish};
use terminal::Screen;

/// The least time between two looks at what is new.
const PAUSE: Duration = Duration::from_millis(250);
/// Keys that are taken before the screen is drawn, as a paste may have many.
const MOST_KEYS: usize = 64;

/// What the user wants of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To go on.
    Nothing,
    /// To be suspended: [`Top::leave`], and [`Top::enter`] when it goes on.
    Suspend,
    /// To end.
    End,
    /// Nothing, but a thread has panicked, and the terminal is given back to tell of it.
    Bug,
}

/// See the module.
#[derive(Debug)]
pub struct Top {
    screen: Screen,
    model: Model,
    depth: Depth,
    messages: Messages,
    history: History,
    state: State,
    scene: Scene,
    is_stale: bool,
    looked: Option<Instant>,
}

impl Top {
    /// Takes the terminal on standard output.
    ///
    /// # Errors
    /// It is none, or there is none to read keys from.
    pub fn open(model: Model, depth: Depth, messages: Messages) -> io::Result<Top> {
        Ok(Top {
            screen: Screen::take()?,
            model,
            depth,
            messages,
            history: History::default(),
            state: State::default(),
            scene: Scene::default(),
            is_stale: true,
            looked: None,
        })
    }

    /// Looks after screen and keys for so long, or until the user asks for something.
    ///
    /// # Errors
    /// The terminal cannot be written or read.
    pub fn wait(&mut self, longest: Duration) -> io::Result<Ask> {
        let until = Instant::now() + longest;
        loop {
            if !self.screen.is_taken() {
                return Ok(Ask::Bug);
            }
            let now = Instant::now();
            if self.looked.is_none_or(|looked| now >= looked + PAUSE) {
                self.looked = Some(now);
                self.look(SystemTime::now());
            }
            if self.is_stale {
                self.draw()?;
            }
            let next = self
                .looked
                .map_or(until, |looked| looked + PAUSE)
                .min(until);
            if event::poll(next.saturating_duration_since(now))? {
                let ask = self.events()?;
                if ask != Ask::Nothing {
                    return Ok(ask);
                }
            }
            if Instant::now() >= until {
                return Ok(Ask::Nothing);
            }
        }
    }

    /// Gives the terminal back for a while.
    pub fn leave(&self) {
        self.screen.give_back();
    }

    /// Takes it again, or draws everything again.
    ///
    /// # Errors
    /// As [`Top::open`].
    pub fn enter(&mut self) -> io::Result<()> {
        self.is_stale = true;
        self.screen.take_again()
    }

    /// Takes what is new.
    fn look(&mut self, now: SystemTime) {
        self.model.refresh(now);
        let mut scene = Scene::of(&self.model, self.state.interval, &mut self.history, now);
        scene.messages = self.messages.latest();
        if scene != self.scene {
            self.scene = scene;
            self.is_stale = true;
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let (scene, state, depth) = (&self.scene, &self.state, self.depth);
        let mut room = state.room;
        self.screen
            .terminal
            .draw(|frame| room = draw::draw(frame, scene, state, depth))?;
        self.state.room = room;
        self.is_stale = false;
        Ok(())
    }

    /// Takes keys that are there.
    fn events(&mut self) -> io::Result<Ask> {
        for _ in 0..MOST_KEYS {
            match event::read()? {
                Event::Key(key) => match self.key(key)? {
                    Ask::Nothing => {}
                    ask => return Ok(ask),
                },
                Event::Resize(..) => self.is_stale = true,
                _ => {}
            }
            if !event::poll(Duration::ZERO)? {
                break;
            }
        }
        Ok(Ask::Nothing)
    }

    fn key(&mut self, key: event::KeyEvent) -> io::Result<Ask> {
        let interval = self.state.interval;
        self.is_stale = true;
        match self.state.press(key, &self.scene) {
            Wish::Nothing => {}
            Wish::Redraw => self.screen.clear()?,
            Wish::Suspend => return Ok(Ask::Suspend),
            Wish::End => return Ok(Ask::End),
        }
        if self.state.interval != interval {
            self.look(SystemTime::now());
        }
        Ok(Ask::Nothing)
    }
}

#[cfg(test)]
mod tests;
