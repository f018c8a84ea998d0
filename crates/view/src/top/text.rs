//! Texts and numbers as a terminal shows them.
//!
//! Guarantee: what [`clean`] gives moves no cursor, changes no colour, and does not turn the line around.

use netcap_agent::collect::AgentView;
use netcap_agent::is_plain;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::series::Unit;

/// Characters that are kept of a text: more than a terminal is wide.
const LONGEST: usize = 512;
/// Marks above and below a letter that are kept; no script needs more.
const MOST_MARKS: usize = 2;
/// What stands for a number that is not known.
pub(super) const NONE: &str = "–";

/// A lag beyond this, or that much ahead of us, is told as a difference of clocks, or as records that come
/// late.
const ODD_LAG: i64 = 1_000_000;
const AHEAD: i64 = -100_000;

/// The text without what a terminal would act on, or show nothing for.
pub(super) fn clean(text: &str) -> String {
    let mut marks = 0;
    let mut out = String::new();
    for letter in text.chars().take(LONGEST) {
        match letter.width() {
            _ if !is_plain(letter) => out.push(char::REPLACEMENT_CHARACTER),
            None => out.push(char::REPLACEMENT_CHARACTER),
            Some(0) => {
                marks += 1;
                // A mark has no letter to be above at the beginning.
                if marks <= MOST_MARKS && !out.is_empty() {
                    out.push(letter);
                }
            }
            Some(_) => {
                marks = 0;
                out.push(letter);
            }
        }
    }
    out
}

/// How many columns it takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text in so many columns at most; an ellipsis stands for what is cut off.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else {
        return String::new();
    };
    let ends = text.char_indices().map(|(at, _)| at);
    let end = ends.take_while(|end| width(&text[..*end]) <= room).last();
    format!("{}…", &text[..end.unwrap_or(0)])
}

/// Three digits and a prefix of the SI, of which 1000 is the next.
fn scaled(value: f64) -> (String, &'static str) {
    const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let (mut value, mut place) = (value, 0);
    while value >= 999.5 && place + 1 < PREFIXES.len() {
        value /= 1000.0;
        place += 1;
    }
    let digits = match value {
        value if value == 0.0 || value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    };
    let mut text = format!("{value:.digits$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    (text, PREFIXES[place])
}

/// A value of a type: `1.25 Mbit/s`, `17 %`, `26.2 MB`.
pub(super) fn amount(value: f64, unit: Unit) -> String {
    let (number, prefix) = scaled(value);
    match unit {
        Unit::Bits => format!("{number} {prefix}bit/s"),
        Unit::Percent => format!("{value:.0} %"),
        Unit::Octets => format!("{number} {prefix}B"),
    }
}

/// How much there was in all.
pub(super) fn bits(number: u64) -> String {
    let (number, prefix) = scaled(number as f64);
    format!("{number} {prefix}bit")
}

/// A value beside a scale: `1.25M`.
pub(super) fn short_amount(value: f64, unit: Unit) -> String {
    let (number, prefix) = scaled(value);
    match unit {
        Unit::Percent => format!("{value:.0}%"),
        Unit::Bits | Unit::Octets => format!("{number}{prefix}"),
    }
}

/// Things by the second.
pub(super) fn frequency(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value < 9.95 && value.fract() != 0.0 => format!("{value:.1}"),
        value => grouped(value.round() as u64),
    }
}

/// A number with its thousands grouped.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How long something takes, with a sign where it is less than nothing.
pub(super) fn duration(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "−" } else { "" };
    let seconds = seconds.abs();
    let text = match seconds {
        0.0 => "0 ms".to_owned(),
        size if size < 0.000_999_5 => format!("{:.0} µs", size * 1e6),
        size if size < 0.009_995 => format!("{:.1} ms", size * 1e3),
        size if size < 0.999_5 => format!("{:.0} ms", size * 1e3),
        size if size < 9.95 => format!("{size:.1} s"),
        size if size < 119.5 => format!("{size:.0} s"),
        size if size < 7170.0 => format!("{:.0} min", size / 60.0),
        size if size < 172_000.0 => format!("{:.0} h", size / 3600.0),
        size => format!("{:.0} days", size / 86400.0),
    };
    format!("{sign}{text}")
}

/// How far an agent's records are behind, in a few words and in full; and whether that is odd.
pub(super) fn lag(micros: i64) -> (String, String, bool) {
    let time = duration(micros.unsigned_abs() as f64 / 1e6);
    match micros {
        ..AHEAD => (
            format!("{time} ahead"),
            format!("clock {time} ahead of ours"),
            true,
        ),
        ODD_LAG.. => (
            format!("{time} late"),
            format!("{time} late, or clock behind"),
            true,
        ),
        // Clocks that agree may differ by more than a packet takes.
        _ => {
            let time = duration(micros as f64 / 1e6);
            (time.clone(), time, false)
        }
    }
}

/// What did not come of an agent, or is not drawn: as a number, and in full. The number is not known of agents
/// that do not tell.
pub(super) fn losses(agent: &AgentView) -> (String, String) {
    let mut parts = Vec::new();
    let mut part = |number: u64, text: &str| {
        if number > 0 {
            parts.push(format!("{} {text}", grouped(number)));
        }
    };
    if let Some(losses) = agent.losses {
        part(losses.dropped, "packets dropped there");
        part(losses.missing, "records missing");
    }
    part(agent.partial_octets, "octets of cut records");
    part(agent.outside, "records not drawn: time too far from ours");
    part(agent.crowded_out, "not drawn: no room");
    let number = agent.losses.map_or_else(
        || NONE.to_owned(),
        |losses| grouped(losses.dropped.saturating_add(losses.missing)),
    );
    let full = match parts.is_empty() {
        true if agent.losses.is_some() => "none".to_owned(),
        true => NONE.to_owned(),
        false => parts.join("; "),
    };
    (number, full)
}

/// The least of 1, 2, 5, 10, 20 ... that a value fits under; 0 for nothing.
pub(super) fn ceiling(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    // A little more, as powers are not exact.
    let fits = |step: &f64| value <= step * 1.000_001;
    steps.into_iter().find(fits).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal() {
        let hostile = "\u{1b}[2Ja\r\n\u{9b}31m\u{202e}b\u{200b}\u{7}";
        let expected = "�[2Ja���31m�b��";
        assert_eq!(clean(hostile), expected);
        assert_eq!(clean("Zürich e\u{301} 東京"), "Zürich e\u{301} 東京");
        let stacked = format!("a{}b", "\u{301}".repeat(100));
        assert_eq!(clean(&stacked), "a\u{301}\u{301}b");
        assert_eq!(clean("\u{301}a"), "a");
        assert_eq!(clean(&"x".repeat(10_000)).len(), LONGEST);
    }

    #[test]
    fn texts_are_cut_between_letters() {
        for (text, columns, expected) in [
            ("lab", 3, "lab"),
            ("label", 3, "la…"),
            ("東京", 4, "東京"),
            ("東京都", 4, "東…"),
            ("東京", 1, "…"),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
            ("a", 0, ""),
        ] {
            assert_eq!(fit(text, columns), expected);
            assert!(width(expected) <= columns);
        }
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, expected) in [
            (0.0, "0 bit/s"),
            (5.0, "5 bit/s"),
            (999.4, "999 bit/s"),
            (999.6, "1 kbit/s"),
            (1_250.0, "1.25 kbit/s"),
            (34_560_000.0, "34.6 Mbit/s"),
            (1e30, "1000000000000 Ebit/s"),
        ] {
            assert_eq!(amount(value, Unit::Bits), expected);
        }
        assert_eq!(amount(16.6, Unit::Percent), "17 %");
        assert_eq!(amount(26_214_400.0, Unit::Octets), "26.2 MB");
        assert_eq!(short_amount(5e5, Unit::Bits), "500k");
        assert_eq!(
            [0.0, 0.25, 7.0, 1234.4].map(frequency),
            ["0", "0.2", "7", "1,234"]
        );
    }

    #[test]
    fn times_are_told_in_their_unit() {
        for (seconds, expected) in [
            (0.0, "0 ms"),
            (0.000_02, "20 µs"),
            (-0.0034, "−3.4 ms"),
            (0.25, "250 ms"),
            (3.44, "3.4 s"),
            (119.0, "119 s"),
            (720.0, "12 min"),
            (7200.0, "2 h"),
            (200_000.0, "2 days"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn clocks_that_differ_are_told_in_words() {
        assert_eq!(lag(12_000).0, "12 ms");
        assert_eq!(
            lag(-300),
            ("−300 µs".to_owned(), "−300 µs".to_owned(), false)
        );
        assert_eq!(lag(-2_300_000).0, "2.3 s ahead");
        let (short, full, is_odd) = lag(3_600_000_000);
        assert_eq!((short.as_str(), is_odd), ("60 min late", true));
        assert_eq!(full, "60 min late, or clock behind");
        // Whatever an agent says.
        assert!(lag(i64::MIN).2 && lag(i64::MAX).2);
    }

    #[test]
    fn scales_are_round() {
        let values = [0.0, 1.0, 1.1, 5.0, 730.0, 1000.0, 1001.0].map(ceiling);
        assert_eq!(values, [0.0, 1.0, 2.0, 5.0, 1000.0, 1000.0, 2000.0]);
    }
}
