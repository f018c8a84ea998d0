//! Colours of types: those of the configuration, or of a palette for eyes of all kinds; on light and on dark.
//!
//! Guarantees: a colour can be told from what it is drawn on, also one that the configuration has; those of
//! the palette differ from each other for the colour-blind too.

use std::fmt;

use netcap_agent::config::Section;

/// A colour, red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl fmt::Display for Rgb {
    /// As `#rrggbb`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// Colours of a type on one background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Of its traffic.
    pub color: Rgb,
    /// Of what is of level 1: relayed, or matched once more.
    pub relay: Rgb,
}

/// Colours of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colors {
    /// On [`LIGHT`].
    pub light: Pair,
    /// On [`DARK`].
    pub dark: Pair,
}

/// The light background that colours are chosen for.
pub const LIGHT: Rgb = Rgb(0xff, 0xff, 0xff);
/// The dark one.
pub const DARK: Rgb = Rgb(0x1b, 0x20, 0x28);

/// On light and on dark, for types in the order of their numbers: blue, orange, green, pink, ochre, sky,
/// violet. After the last comes the first again.
const PALETTE: [[Rgb; 2]; 7] = [
    [Rgb(0x00, 0x72, 0xb2), Rgb(0x3f, 0x97, 0xdd)],
    [Rgb(0xd5, 0x5e, 0x00), Rgb(0xf0, 0x89, 0x4a)],
    [Rgb(0x00, 0x87, 0x6a), Rgb(0x2f, 0xbf, 0x97)],
    [Rgb(0xb8, 0x56, 0x9a), Rgb(0xe9, 0xa0, 0xcf)],
    [Rgb(0x5f, 0x4b, 0x00), Rgb(0xf0, 0xd2, 0x64)],
    [Rgb(0x1f, 0x98, 0xd2), Rgb(0x9a, 0xd9, 0xff)],
    [Rgb(0x47, 0x2a, 0x80), Rgb(0x90, 0x70, 0xf5)],
];
const AGGREGATE: [Rgb; 2] = [Rgb(0x3a, 0x46, 0x54), Rgb(0xc3, 0xcc, 0xd8)];
const UNKNOWN: [Rgb; 2] = [Rgb(0x73, 0x79, 0x82), Rgb(0x94, 0x9b, 0xa6)];
const PROCESSOR: [Rgb; 2] = [Rgb(0x8a, 0x5a, 0x2b), Rgb(0xd0, 0xa0, 0x70)];
const MEMORY: [Rgb; 2] = [Rgb(0x4d, 0x6b, 0x8a), Rgb(0x7f, 0xa6, 0xcc)];

/// The part of the background in the colour of level 1, if the configuration has none.
const PALENESS: f64 = 0.6;
/// Contrast that a colour of the configuration has at least, as WCAG 2.2 computes it. Less than the 3 that it
/// asks of graphs, as somebody chose the colour, and all graphs are tables, too.
const LEAST_CONTRAST: f64 = 1.5;

impl Colors {
    /// Of the sum of all.
    pub(crate) fn aggregate() -> Colors {
        Colors::of(AGGREGATE, None)
    }

    /// Of what no rule holds.
    pub(crate) fn unknown() -> Colors {
        Colors::of(UNKNOWN, None)
    }

    /// Of processors.
    pub(crate) fn processor() -> Colors {
        Colors::of(PROCESSOR, None)
    }

    /// Of memory.
    pub(crate) fn memory() -> Colors {
        Colors::of(MEMORY, None)
    }

    /// Of a type of the configuration.
    pub(crate) fn of_type(id: u16, section: Option<&Section>) -> Colors {
        let place = usize::from(id).saturating_sub(1) % PALETTE.len();
        let read = |text: Option<&String>| text.and_then(|text| parse(text));
        let color = read(section.and_then(|section| section.color.as_ref()));
        let relay = read(section.and_then(|section| section.relay.as_ref()));
        Colors::of(color.map_or(PALETTE[place], |color| [color, color]), relay)
    }

    /// Where the background is not known: between the colours on light and on dark, where the worse of both
    /// contrasts is best; level 1 also apart from level 0.
    pub fn anywhere(&self) -> Pair {
        let between = |light: Rgb, dark: Rgb, worst: &dyn Fn(Rgb) -> f64| {
            let steps = (0..=10).map(|step| mix(light, dark, f64::from(step) / 10.0));
            let best = steps.max_by(|a, b| worst(*a).total_cmp(&worst(*b)));
            best.unwrap_or(dark)
        };
        let worse = |color: Rgb| contrast(color, LIGHT).min(contrast(color, DARK));
        let color = between(self.light.color, self.dark.color, &worse);
        // They are beside each other, so that less will do.
        let apart = |relay: Rgb| worse(relay).min(1.5 * contrast(relay, color));
        Pair {
            color,
            relay: between(self.light.relay, self.dark.relay, &apart),
        }
    }

    fn of([light, dark]: [Rgb; 2], relay: Option<Rgb>) -> Colors {
        let pair = |color: Rgb, ground: Rgb| {
            let color = legible(color, ground);
            let relay = relay.unwrap_or_else(|| mix(color, ground, PALENESS));
            Pair {
                color,
                relay: legible(relay, ground),
            }
        };
        Colors {
            light: pair(light, LIGHT),
            dark: pair(dark, DARK),
        }
    }
}

/// Whether there is a colour of that name or number, as X11 and CSS write them.
pub fn is_color(text: &str) -> bool {
    parse(text).is_some()
}

/// A colour as X11 and CSS write them; none if there is no such colour.
fn parse(text: &str) -> Option<Rgb> {
    // X11 has four digits for each of the three; CSS knows two.
    let short: String = match (text.strip_prefix('#'), text.len()) {
        (Some(digits), 13) => {
            let pairs = digits.chars().enumerate().filter(|(at, _)| at % 4 < 2);
            format!("#{}", pairs.map(|(_, digit)| digit).collect::<String>())
        }
        _ => text.to_owned(),
    };
    let [red, green, blue, _] = csscolorparser::parse(&short).ok()?.to_rgba8();
    Some(Rgb(red, green, blue))
}

/// The colour, or if it can hardly be told from the background one that can.
fn legible(color: Rgb, ground: Rgb) -> Rgb {
    let far = match luminance(ground) > 0.5 {
        true => Rgb(0, 0, 0),
        false => Rgb(0xff, 0xff, 0xff),
    };
    let steps = (0..=10).map(|step| mix(color, far, f64::from(step) / 10.0));
    let mut clear = steps.filter(|color| contrast(*color, ground) >= LEAST_CONTRAST);
    clear.next().unwrap_or(far)
}

/// A colour with that part of another.
fn mix(color: Rgb, other: Rgb, part: f64) -> Rgb {
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
    Rgb(
        mix(color.0, other.0),
        mix(color.1, other.1),
        mix(color.2, other.2),
    )
}

/// Contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance, 0 to 1 (WCAG 2.2).
fn luminance(color: Rgb) -> f64 {
    let [red, green, blue] = linear(color);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// Light of each primary, of sRGB.
fn linear(Rgb(red, green, blue): Rgb) -> [f64; 3] {
    [red, green, blue].map(|part| match f64::from(part) / 255.0 {
        part if part <= 0.04045 => part / 12.92,
        part => ((part + 0.055) / 1.055).powf(2.4),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(color: Option<&str>, relay: Option<&str>) -> Section {
        Section {
            name: "Video".to_owned(),
            color: color.map(str::to_owned),
            relay: relay.map(str::to_owned),
        }
    }

    #[test]
    fn colours_are_those_of_the_configuration() {
        for (text, expected) in [
            ("#1f77b4", "#1f77b4"),
            ("#f00", "#ff0000"),
            ("#1f1f77b4b4ff", "#1f77b4"),
            ("CornflowerBlue", "#6495ed"),
        ] {
            let colors = Colors::of_type(1, Some(&section(Some(text), Some("red"))));
            assert_eq!(colors.light.color.to_string(), expected);
            assert_eq!(colors.dark.relay, Rgb(255, 0, 0));
        }
        // What is no colour changes nothing.
        let colors = Colors::of_type(2, Some(&section(Some("gray50x"), None)));
        assert_eq!(colors, Colors::of_type(2, None));
        assert_eq!(Colors::of_type(1, None), Colors::of_type(8, None));
    }

    #[test]
    fn every_colour_can_be_seen() {
        for text in ["black", "white", "#1b2028", "navy", "yellow"] {
            let colors = Colors::of_type(1, Some(&section(Some(text), Some(text))));
            for (pair, ground) in [(colors.light, LIGHT), (colors.dark, DARK)] {
                assert!(contrast(pair.color, ground) >= LEAST_CONTRAST, "{text}");
                assert!(contrast(pair.relay, ground) >= LEAST_CONTRAST, "{text}");
            }
        }
        // As WCAG asks of graphs, and the two levels apart.
        let own = [AGGREGATE, UNKNOWN, PROCESSOR, MEMORY];
        for colors in PALETTE.into_iter().chain(own) {
            let colors = Colors::of(colors, None);
            for (pair, ground) in [(colors.light, LIGHT), (colors.dark, DARK)] {
                assert!(contrast(pair.color, ground) >= 3.0, "{}", pair.color);
                assert!(contrast(pair.color, pair.relay) >= 1.9, "{}", pair.color);
            }
        }
    }

    #[test]
    fn without_knowing_the_background_there_is_a_colour_for_any() {
        let own = [AGGREGATE, UNKNOWN, PROCESSOR, MEMORY];
        for colors in PALETTE.into_iter().chain(own) {
            let Pair { color, relay } = Colors::of(colors, None).anywhere();
            for ground in [LIGHT, DARK] {
                assert!(contrast(color, ground) >= 3.0, "{color}");
                assert!(contrast(relay, ground) >= 1.5, "{relay}");
            }
            assert!(contrast(color, relay) >= 1.3, "{color} {relay}");
        }
    }

    /// With eyes that have two of the three kinds of cones (Vienot, Brettel and Mollon, 1999), by distance in
    /// CIELAB, where 2.3 is just noticeable.
    #[test]
    fn the_palette_is_for_the_colour_blind_too() {
        const NORMAL: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        const PROTAN: [[f64; 3]; 3] = [
            [0.11238, 0.88762, 0.0],
            [0.11238, 0.88762, 0.0],
            [0.00401, -0.00401, 1.0],
        ];
        const DEUTAN: [[f64; 3]; 3] = [
            [0.29275, 0.70725, 0.0],
            [0.29275, 0.70725, 0.0],
            [-0.02234, 0.02234, 1.0],
        ];
        let product = |row: [f64; 3], with: [f64; 3]| -> f64 {
            row.iter().zip(with).map(|(a, b)| a * b).sum()
        };
        let lab = |color: Rgb, eyes: [[f64; 3]; 3]| {
            let seen = eyes.map(|row| product(row, linear(color)));
            let [x, y, z] = [
                [0.4339, 0.3762, 0.1899],
                [0.2126, 0.7152, 0.0722],
                [0.0177, 0.1095, 0.8728],
            ]
            .map(|row| product(row, seen).max(0.0).cbrt());
            [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
        };
        for eyes in [NORMAL, PROTAN, DEUTAN] {
            for ground in [0, 1] {
                for (place, one) in PALETTE.iter().enumerate() {
                    for other in &PALETTE[..place] {
                        let (a, b) = (lab(one[ground], eyes), lab(other[ground], eyes));
                        let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
                        let distance = squares.sum::<f64>().sqrt();
                        assert!(distance > 10.0, "{} {}", one[ground], other[ground]);
                    }
                }
            }
        }
    }
}
