//! Numbers and octets as text, appended without an allocation of their own.

use std::io::Write;

/// Hexadecimal digits, lower case.
pub(crate) const HEX: &[u8; 16] = b"0123456789abcdef";

/// A number in decimal digits.
#[inline]
pub(crate) fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// `true` or `false`.
#[inline]
pub(crate) fn boolean(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// The shortest text that reads back as the same number; very large and very small ones with an
/// exponent, from the same bounds as JavaScript.
pub(crate) fn double(value: f64, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    drop(if value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    });
}

/// A number with a fixed count of decimals, rounded to the nearest, halves to even, as C and Go do.
pub(crate) fn fixed(value: f64, decimals: u8, out: &mut Vec<u8>) {
    // The value is exactly mantissa / 2^shift.
    let shift = 1075_u32.wrapping_sub((value.to_bits() >> 52 & 0x7ff) as u32);
    let mantissa = value.to_bits() & ((1 << 52) - 1) | 1 << 52;
    let unit = match decimals {
        1..=9 => 10_u64.pow(u32::from(decimals)),
        _ => 0,
    };
    // Below 10^9 the digits fit 64 bits, above 2^-60 the shift fits 128; the rest is rare.
    if unit == 0 || !(23..=112).contains(&shift) && value != 0.0 {
        // Writing to a Vec cannot fail.
        return drop(write!(out, "{value:.*}", usize::from(decimals)));
    }
    let digits = if value == 0.0 {
        0
    } else {
        let scaled = u128::from(mantissa) * u128::from(unit);
        let (digits, rest) = ((scaled >> shift) as u64, scaled & ((1 << shift) - 1));
        let half = 1 << (shift - 1);
        digits + u64::from(rest > half || rest == half && digits & 1 == 1)
    };
    if value.is_sign_negative() {
        out.push(b'-');
    }
    integer(digits / unit, out);
    out.push(b'.');
    let start = out.len();
    // A one in front keeps the zeros.
    integer(unit + digits % unit, out);
    out.remove(start);
}

/// Two lower-case digits for every octet.
pub(crate) fn hex(octets: &[u8], out: &mut Vec<u8>) {
    out.reserve(2 * octets.len());
    for octet in octets {
        out.extend_from_slice(&[HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (7.836586993143013, "7.836586993143013"),
            (0.1 + 0.2, "0.30000000000000004"),
            (100.0, "100"),
            (-1.5e-9, "-1.5e-9"),
            (1e300, "1e300"),
        ] {
            assert_eq!(text(|out| double(value, out)), expected);
        }
        // As `%.8f` of C and Go: to the nearest, halves to even.
        assert_eq!(text(|out| fixed(5.196164475, 8, out)), "5.19616447");
        assert_eq!(text(|out| fixed(0.0, 6, out)), "0.000000");
        assert_eq!(text(|out| fixed(0.125, 2, out)), "0.12");
    }

    proptest! {
        #[test]
        fn fixed_is_exact(bits in any::<u64>(), small in -1e10..1e10f64, decimals in 0u8..12) {
            let halves = (small * 8.0).round() / 8.0;
            for value in [f64::from_bits(bits), small, small / 1e9, small / 1e16, halves, 0.0] {
                for value in [value, -value] {
                    let expected = format!("{value:.*}", usize::from(decimals));
                    prop_assert_eq!(text(|out| fixed(value, decimals, out)), expected);
                }
            }
        }
    }

    #[test]
    fn octets() {
        assert_eq!(text(|out| hex(&[0, 0x0f, 0xa0, 0xff], out)), "000fa0ff");
    }
}
