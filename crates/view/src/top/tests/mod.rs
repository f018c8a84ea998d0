//! A screen of a test, and what is on it.

mod keys;
mod screens;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use netcap_agent::Record;
use netcap_agent::classify::findings;
use netcap_agent::collect::{News, Overview, SUMS_KEPT};
use netcap_agent::config::Config;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_width::UnicodeWidthStr;

use super::draw::draw;
use super::history::History;
use super::palette::Depth;
use super::scene::Scene;
use super::state::{State, Wish};
use crate::amount::Times;
use crate::model::Model;

const NOW: i64 = 1_700_000_000;
const CONFIG: &str = "1=5000\n2=5001\n3=5002\n4=5003\n5=5004\n6=5005\n\
    [Video]\nColor=#1f77b4\n[Voice]\n[Control]\n[Files]\n[Routing]\n[Telemetry]\n";

/// Agents, what they report, and who looks at it.
struct Lab {
    config: Config,
    overview: Arc<Overview>,
    model: Model,
    history: History,
    scene: Scene,
    state: State,
    depth: Depth,
}

impl Lab {
    /// With these agents.
    fn new(labels: &[&str], config: &str) -> Lab {
        let mut parsed = Config::default();
        assert_eq!(parsed.parse(Path::new("a.conf"), config), []);
        let agents = labels
            .iter()
            .map(|label| ((*label).to_owned(), "here".to_owned()));
        let overview = Arc::new(Overview::new(agents, SUMS_KEPT));
        let mut lab = Lab {
            model: Model::new(&parsed, Arc::clone(&overview), Times::Ours),
            config: parsed,
            overview,
            history: History::default(),
            scene: Scene::default(),
            state: State::default(),
            depth: Depth::True,
        };
        lab.look(NOW);
        lab
    }

    /// Sixty-four agents that have reported for a while.
    fn busy() -> Lab {
        let labels: Vec<String> = (1..=64).map(|number| format!("n{number}")).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let mut lab = Lab::new(&labels, CONFIG);
        for agent in 0..64 {
            let to = "192.0.2.1:7073".to_owned();
            lab.news(agent, &News::Connected { to });
            for second in 0..30 {
                let port = 5000 + (agent as u16 + second as u16) % 7;
                lab.packet(agent, NOW + second, port, 20 + 10 * agent as u16, 0);
                lab.packet(agent, NOW + second, port, 40, 1);
            }
        }
        let why = "connection refused".to_owned();
        lab.news(6, &News::Lost { why, partial: 0 });
        lab.look(NOW + 30);
        lab
    }

    /// A packet of so many octets that this agent saw in that second.
    fn packet(&self, agent: usize, second: i64, port: u16, length: u16, flags: u8) {
        let record = Record {
            seconds: second as u32,
            destination_port: port,
            length,
            protocol: 17,
            flags,
            ..Record::decode(&[0; 28])
        };
        self.record(agent, at(second), &record);
    }

    /// A record that came at this time.
    fn record(&self, agent: usize, now: SystemTime, record: &Record) {
        let found: Vec<_> = findings(&self.config, record, true).collect();
        self.overview
            .received(agent, now, 28, [(record, &found[..])]);
    }

    fn news(&self, agent: usize, news: &News) {
        self.overview.news(agent, at(NOW), news);
    }

    /// What there is to see at a time.
    fn look(&mut self, second: i64) {
        self.model.refresh(at(second) + Duration::from_millis(250));
        let interval = self.state.interval;
        let messages = std::mem::take(&mut self.scene.messages);
        self.scene = Scene::of(&self.model, interval, &mut self.history, at(second));
        self.scene.messages = messages;
    }

    /// Draws it twice, as keys go by what was drawn.
    fn draw(&mut self, width: u16, height: u16) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
        for _ in 0..2 {
            let (scene, state, depth) = (&self.scene, &self.state, self.depth);
            let mut room = state.room;
            terminal
                .draw(|frame| room = draw(frame, scene, state, depth))
                .expect("drawn");
            self.state.room = room;
        }
        terminal.backend().buffer().clone()
    }

    /// The text on the screen.
    fn text(&mut self, width: u16, height: u16) -> String {
        text(&self.draw(width, height))
    }

    fn press(&mut self, code: KeyCode) -> Wish {
        self.state
            .press(KeyEvent::new(code, KeyModifiers::NONE), &self.scene)
    }

    fn type_in(&mut self, keys: &str) {
        for key in keys.chars() {
            assert_eq!(self.press(KeyCode::Char(key)), Wish::Nothing);
        }
    }
}

fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let rows = (0..area.height).map(|y| {
        let (mut row, mut x) = (String::new(), 0);
        while x < area.width {
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            // What is wide has the next cell, too.
            x += symbol.width().max(1) as u16;
        }
        format!("{}\n", row.trim_end())
    });
    rows.collect()
}

fn at(second: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second as u64)
}
