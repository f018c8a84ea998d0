//! Tables of which the columns that matter most are shown, as many as fit.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table, Widget};

use crate::top::text::{fit, width};

/// A column; all have the same rows.
pub(super) struct Column {
    title: &'static str,
    cells: Vec<(String, Style)>,
    /// The higher, the sooner it is left out.
    rank: usize,
    /// It is as wide as its texts, and wider than this only where nothing else needs the room.
    most: usize,
    is_number: bool,
}

impl Column {
    pub(super) fn text(title: &'static str, rank: usize, most: usize) -> Column {
        Column {
            title,
            cells: Vec::new(),
            rank,
            most,
            is_number: false,
        }
    }

    pub(super) fn number(title: &'static str, rank: usize) -> Column {
        Column {
            is_number: true,
            ..Column::text(title, rank, usize::MAX)
        }
    }

    /// With these texts.
    pub(super) fn with<T: Into<String>>(mut self, cells: impl IntoIterator<Item = T>) -> Column {
        let cells = cells.into_iter();
        self.cells = cells.map(|text| (text.into(), Style::new())).collect();
        self
    }

    /// With these styles.
    pub(super) fn styled(mut self, styles: impl IntoIterator<Item = Style>) -> Column {
        for (cell, style) in self.cells.iter_mut().zip(styles) {
            cell.1 = style;
        }
        self
    }

    /// What its texts and the title take.
    fn full_width(&self) -> usize {
        let cells = self.cells.iter().map(|(text, _)| width(text));
        let widest = cells.max().unwrap_or_default();
        widest.max(width(self.title))
    }

    fn line(&self, text: &str, style: Style, columns: usize) -> Line<'static> {
        let line = Line::from(Span::styled(fit(text, columns), style));
        match self.is_number {
            true => line.right_aligned(),
            false => line,
        }
    }
}

/// Draws titles and the rows from the first on.
pub(super) fn table(columns: &[Column], first: usize, area: Rect, buffer: &mut Buffer) {
    let mut ranked: Vec<usize> = (0..columns.len()).collect();
    ranked.sort_by_key(|place| columns[*place].rank);
    let full: Vec<usize> = columns.iter().map(Column::full_width).collect();
    let mut widths = vec![0; columns.len()];
    let mut left = usize::from(area.width);
    for &place in &ranked {
        let gap = usize::from(left < usize::from(area.width));
        // What matters most is cut rather than left out.
        let wanted = full[place].min(columns[place].most.max(width(columns[place].title)));
        let fits = match columns[place].rank {
            0 => wanted.min(left),
            _ if wanted + gap <= left => wanted,
            _ => continue,
        };
        widths[place] = fits;
        left = left.saturating_sub(fits + gap);
    }
    for place in ranked {
        let more = match widths[place] {
            0 => 0,
            width => full[place].saturating_sub(width).min(left),
        };
        widths[place] += more;
        left -= more;
    }
    let shown = columns.iter().zip(&widths);
    let shown: Vec<(&Column, usize)> = shown
        .filter(|(_, width)| **width > 0)
        .map(|(column, width)| (column, *width))
        .collect();
    let titles = shown
        .iter()
        .map(|(column, width)| column.line(column.title, Style::new(), *width));
    let header = Row::new(titles).style(Style::new().add_modifier(Modifier::DIM));
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let last = rows.min(first + usize::from(area.height.saturating_sub(1)));
    let row = |number: usize| {
        Row::new(shown.iter().map(|(column, width)| {
            let (text, style) = &column.cells[number];
            column.line(text, *style, *width)
        }))
    };
    let widths = shown
        .iter()
        .map(|(_, width)| Constraint::Length(*width as u16));
    Table::new((first.min(last)..last).map(row), widths)
        .header(header)
        .column_spacing(1)
        .render(area, buffer);
}
