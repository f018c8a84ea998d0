//! Colours as a terminal has them: all, 256, 16, or none.
//!
//! Guarantee: what colours tell can be told without them, too.

use ratatui::style::{Color, Modifier, Style};

use crate::colors::{Colors, Pair, Rgb};

/// Which colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// None, or none that are wanted.
    None,
    /// The 16 of old, which users set to their taste.
    Sixteen,
    /// The palette of 256.
    Palette,
    /// All.
    True,
}

impl Depth {
    /// Of the variables `TERM` and `COLORTERM`.
    pub fn of(term: &str, color_term: &str) -> Depth {
        let is_true = ["truecolor", "24bit"].contains(&color_term) || term.ends_with("-direct");
        if is_true {
            Depth::True
        } else if term.contains("256color") {
            Depth::Palette
        } else if term.starts_with("vt") || term.ends_with("-m") || term.ends_with("-mono") {
            Depth::None
        } else {
            Depth::Sixteen
        }
    }

    /// Those of a type, of level 0 and 1.
    pub(super) fn styles(self, colors: Colors) -> [Style; 2] {
        let Pair { color, relay } = colors.anywhere();
        [color, relay].map(|color| self.style(color))
    }

    fn style(self, color: Rgb) -> Style {
        let Rgb(red, green, blue) = color;
        match self {
            Depth::None => Style::new(),
            Depth::Sixteen => Style::new().fg(of_sixteen(color)),
            Depth::Palette => Style::new().fg(Color::Indexed(of_palette(color))),
            Depth::True => Style::new().fg(Color::Rgb(red, green, blue)),
        }
    }

    /// Of what is wrong.
    pub(super) fn warning(self) -> Style {
        match self {
            Depth::None => Style::new().add_modifier(Modifier::BOLD),
            _ => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}

/// The colour of that hue. Users have made these readable, but for blue, whose bright sister is. Where one ends and
/// the next begins is so that types without colours of their own differ.
fn of_sixteen(Rgb(red, green, blue): Rgb) -> Color {
    const HUES: [(f64, Color); 6] = [
        (0.55, Color::Red),
        (1.5, Color::Yellow),
        (2.9, Color::Green),
        (3.34, Color::Cyan),
        (4.15, Color::LightBlue),
        (5.6, Color::Magenta),
    ];
    let [red, green, blue] = [red, green, blue].map(f64::from);
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let range = most - least;
    // Grey, or nearly so.
    if range < 0.2 * most || range == 0.0 {
        return Color::Reset;
    }
    // The hue in sixths of a turn, as HSV has it.
    let hue = if most == red {
        (green - blue) / range
    } else if most == green {
        2.0 + (blue - red) / range
    } else {
        4.0 + (red - green) / range
    };
    let hue = hue.rem_euclid(6.0);
    let found = HUES.into_iter().find(|(end, _)| hue < *end);
    found.map_or(Color::Red, |(_, color)| color)
}

/// The nearest of the palette: a cube with six steps of each primary from 16 on, and 24 greys from 232 on.
fn of_palette(color: Rgb) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |part: u8| {
        let distance = |step: &u8| STEPS[usize::from(*step)].abs_diff(part);
        (0..6_u8).min_by_key(distance).unwrap_or(0)
    };
    let Rgb(red, green, blue) = color;
    let [r, g, b] = [red, green, blue].map(step);
    let cube = [r, g, b].map(|step| STEPS[usize::from(step)]);
    let grey = ((u16::from(red) + u16::from(green) + u16::from(blue)) / 3) as u8;
    let shade = (grey.saturating_sub(3) / 10).min(23);
    let level = 8 + 10 * shade;
    let distance = |other: [u8; 3]| -> u32 {
        let parts = [red, green, blue].into_iter().zip(other);
        parts.map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    match distance([level; 3]) < distance(cube) {
        true => 232 + shade,
        false => 16 + 36 * r + 6 * g + b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_tell_what_they_can() {
        for (term, color_term, expected) in [
            ("xterm-256color", "", Depth::Palette),
            ("xterm-256color", "truecolor", Depth::True),
            ("xterm-direct", "", Depth::True),
            ("xterm", "", Depth::Sixteen),
            ("linux", "", Depth::Sixteen),
            ("vt220", "", Depth::None),
        ] {
            assert_eq!(Depth::of(term, color_term), expected, "{term}");
        }
    }

    #[test]
    fn colours_become_the_nearest_there_are() {
        for (color, palette, sixteen) in [
            (Rgb(255, 0, 0), 196, Color::Red),
            (Rgb(0, 0x87, 0x6a), 29, Color::Green),
            (Rgb(0x1f, 0x77, 0xb4), 31, Color::LightBlue),
            (Rgb(0xd5, 0x5e, 0), 166, Color::Red),
            (Rgb(0x80, 0x80, 0x80), 244, Color::Reset),
            (Rgb(0, 0, 0), 16, Color::Reset),
            (Rgb(255, 255, 255), 231, Color::Reset),
        ] {
            assert_eq!(of_palette(color), palette, "{color}");
            assert_eq!(of_sixteen(color), sixteen, "{color}");
        }
    }

    #[test]
    fn types_differ_with_sixteen_colours_too() {
        let types = (1..=7).map(|id| Depth::Sixteen.styles(Colors::of_type(id, None)));
        let mut colors: Vec<String> = types.map(|[style, _]| format!("{style:?}")).collect();
        colors.sort();
        colors.dedup();
        assert_eq!(colors.len(), 6);
    }

    #[test]
    fn every_colour_of_the_palette_is_one() {
        for step in 0..=255 {
            for color in [Rgb(step, 0, 255), Rgb(step, step, step), Rgb(9, 200, step)] {
                assert!(of_palette(color) >= 16);
            }
        }
    }
}
