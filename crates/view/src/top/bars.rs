//! Bars of two levels: upright ones side by side, and one that lies. Level 1 stands on level 0, and is
//! shaded where it fills a cell, so that it is told apart without colours.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use crate::top::scene::Level;

/// By eighths from the bottom.
const UPRIGHT: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// By eighths from the left.
const LYING: [&str; 9] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
const SHADE: &str = "▒";
const EIGHTHS: u32 = 8;

/// Upright bars, from the left.
pub(super) struct Columns<'a> {
    pub(super) levels: &'a [Level],
    /// What fills the height.
    pub(super) top: f64,
    /// Of level 0 and 1.
    pub(super) styles: [Style; 2],
    /// Columns from one to the next, and those that are filled of them.
    pub(super) pitch: u16,
    pub(super) breadth: u16,
}

impl Widget for Columns<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let height = u32::from(area.height) * EIGHTHS;
        for (place, level) in self.levels.iter().enumerate() {
            let left = place.saturating_mul(self.pitch.into());
            if left + usize::from(self.breadth) > usize::from(area.width) {
                break;
            }
            let ends = [
                filled(level.direct, self.top, height),
                filled(level.sum(), self.top, height),
            ];
            for row in 0..area.height {
                let below = u32::from(area.height - 1 - row) * EIGHTHS;
                let [direct, sum] = ends.map(|end| end.saturating_sub(below).min(EIGHTHS));
                let (symbol, style) = self.cell(direct, sum);
                for column in 0..self.breadth {
                    let x = area.x + left as u16 + column;
                    if let Some(cell) = buffer.cell_mut((x, area.y + row)) {
                        cell.set_symbol(symbol).set_style(style);
                    }
                }
            }
        }
    }
}

impl Columns<'_> {
    /// A cell that level 0 fills so far, and both together so far, in eighths.
    fn cell(&self, direct: u32, sum: u32) -> (&'static str, Style) {
        let [first, second] = self.styles;
        match (direct, sum) {
            (EIGHTHS, _) => (UPRIGHT[8], first),
            (0, EIGHTHS) => (SHADE, second),
            // Without a colour of its own only the shade tells.
            (0, sum) if sum >= EIGHTHS / 2 && first.fg == second.fg => (SHADE, second),
            (0, sum) => (UPRIGHT[sum as usize], second),
            // Both, of which level 1 is behind if there is a colour for it.
            (direct, EIGHTHS) => {
                let behind = second.fg.map_or(first, |color| first.bg(color));
                (UPRIGHT[direct as usize], behind)
            }
            (direct, _) => (UPRIGHT[direct as usize], first),
        }
    }
}

/// A lying bar of so many columns at most.
pub(super) fn lying(level: Level, top: f64, styles: [Style; 2], columns: u16) -> Line<'static> {
    let length = u32::from(columns) * EIGHTHS;
    let direct = filled(level.direct, top, length);
    let sum = filled(level.sum(), top, length);
    if level.relayed <= 0.0 {
        let (whole, rest) = (direct / EIGHTHS, direct % EIGHTHS);
        let mut bar = LYING[8].repeat(whole as usize);
        bar.push_str(LYING[rest as usize].trim());
        return Line::from(Span::styled(bar, styles[0]));
    }
    // There is no shade of less than a cell.
    let cells = |eighths: u32| (eighths + EIGHTHS / 2) / EIGHTHS;
    let end = cells(sum).max(1);
    let first = match end {
        1 => u32::from(level.direct >= level.relayed),
        // Both are there, so both are seen.
        _ => cells(direct).clamp(u32::from(direct > 0), end - 1),
    };
    Line::from(vec![
        Span::styled(LYING[8].repeat(first as usize), styles[0]),
        Span::styled(SHADE.repeat((end - first) as usize), styles[1]),
    ])
}

/// How many eighths a value fills; what there is fills one at least.
fn filled(value: f64, top: f64, length: u32) -> u32 {
    if value <= 0.0 || top <= 0.0 {
        return 0;
    }
    let eighths = (value / top * f64::from(length)).round();
    (eighths as u32).clamp(1, length)
}

#[cfg(test)]
mod tests {
    use ratatui::style::Color;

    use super::*;

    fn level(direct: f64, relayed: f64) -> Level {
        Level { direct, relayed }
    }

    fn drawn(levels: &[Level], styles: [Style; 2]) -> Buffer {
        let area = Rect::new(0, 0, 8, 2);
        let mut buffer = Buffer::empty(area);
        let columns = Columns {
            levels,
            top: 16.0,
            styles,
            pitch: 1,
            breadth: 1,
        };
        columns.render(area, &mut buffer);
        buffer
    }

    fn rows(buffer: &Buffer) -> [String; 2] {
        let row = |y| (0..8).map(|x| buffer[(x, y)].symbol()).collect();
        [row(0), row(1)]
    }

    #[test]
    fn level_1_stands_on_level_0() {
        let levels = [
            level(0.0, 0.0),
            level(0.01, 0.0),
            level(4.0, 0.0),
            level(16.0, 0.0),
            level(8.0, 8.0),
            level(0.0, 12.0),
            level(12.0, 4.0),
            level(99.0, 99.0),
        ];
        let plain = drawn(&levels, [Style::new(); 2]);
        assert_eq!(rows(&plain), ["   █▒▒▄█", " ▁▄██▒██"]);
        let colored = [Color::Red, Color::Blue].map(|color| Style::new().fg(color));
        let colored = drawn(&levels, colored);
        assert_eq!(colored[(4, 0)].fg, Color::Blue);
        assert_eq!(rows(&colored), ["   █▒▄▄█", " ▁▄██▒██"]);
        assert_eq!(
            (colored[(6, 0)].fg, colored[(6, 0)].bg),
            (Color::Red, Color::Blue)
        );
    }

    #[test]
    fn bars_stay_in_their_place() {
        let many = vec![level(16.0, 0.0); 100];
        assert_eq!(rows(&drawn(&many, [Style::new(); 2])), ["████████"; 2]);
    }

    #[test]
    fn lying_bars_have_both_levels() {
        let text = |direct, relayed, top| {
            lying(level(direct, relayed), top, [Style::new(); 2], 8).to_string()
        };
        assert_eq!(text(4.0, 0.0, 8.0), "████");
        assert_eq!(text(0.1, 0.0, 8.0), "▏");
        assert_eq!(text(4.0, 2.0, 8.0), "████▒▒");
        assert_eq!(text(8.0, 0.01, 8.0), "███████▒");
        assert_eq!(text(0.0, 0.01, 8.0), "▒");
        assert_eq!(text(0.02, 0.01, 8.0), "█");
        assert_eq!(text(0.02, 6.0, 8.0), "█▒▒▒▒▒");
        assert_eq!(text(0.0, 0.0, 0.0), "");
    }
}
