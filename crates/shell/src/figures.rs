//! Figures as the programs print them.

/// A number with its thousands grouped: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of octets in SI units: `18.2 kB`.
pub fn size(octets: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if octets < 1000 {
        return format!("{octets} B");
    }
    let mut value = octets as f64 / 1000.0;
    let mut unit = 0;
    // What rounds to 1000.0 is one of the next unit.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number of things, as in `1 packet` and `5 packets`.
pub fn several(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A number with its thousands grouped of things that are named in the plural, which the first word has:
/// `1 gap`, `2,000 octets missing`.
pub fn counted(count: u64, things: &str) -> String {
    let (thing, rest) = things.split_at(things.find(' ').unwrap_or(things.len()));
    let thing = match count {
        1 => thing.strip_suffix('s').unwrap_or(thing),
        _ => thing,
    };
    format!("{} {thing}{rest}", grouped(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let texts = [0, 999, 1000, 123_456, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn sizes_have_three_digits() {
        let texts = [0, 999, 1000, 18_249, 999_949, 999_950, u64::MAX].map(size);
        assert_eq!(
            texts,
            [
                "0 B", "999 B", "1.0 kB", "18.2 kB", "999.9 kB", "1.0 MB", "18.4 EB"
            ]
        );
    }

    #[test]
    fn things_are_one_or_several() {
        assert_eq!(
            [1, 2].map(|n| several(n, "packet")),
            ["1 packet", "2 packets"]
        );
    }

    #[test]
    fn one_thing_is_no_plural() {
        for (count, things, expected) in [
            (1, "gaps", "1 gap"),
            (2, "gaps", "2 gaps"),
            (1, "octets missing", "1 octet missing"),
            (1, "picked up mid-way", "1 picked up mid-way"),
            (1_000, "streams ended early", "1,000 streams ended early"),
        ] {
            assert_eq!(counted(count, things), expected);
        }
    }
}
