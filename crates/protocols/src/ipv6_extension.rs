//! What the extension headers of IPv6 have in common (RFC 8200 section 4).

use netcap_dissect::{Cursor, Malformed, Next, Selector};

/// Next header that says that nothing follows (RFC 8200 section 4.7).
pub(crate) const NO_NEXT_HEADER: u8 = 59;

/// What a next header field leads to: nothing where it says so, whatever octets there are (RFC 8200
/// section 4.7).
#[inline]
pub(crate) fn following(next_header: u8, payload: &[u8]) -> Next<'_> {
    if next_header == NO_NEXT_HEADER {
        Next::End
    } else {
        Next::Layer(Selector::IpProto(next_header), payload)
    }
}

/// Reads an extension header of the common shape (RFC 8200 section 4.2 and 4.4): its next header,
/// and its octets after the length, if they are all there.
#[inline]
pub(crate) fn extension<'p>(
    input: &mut Cursor<'p>,
) -> Result<(u8, Result<&'p [u8], Malformed>), Malformed> {
    // The length counts units of eight octets after the first eight.
    let [next_header, units] = *input.array::<2>()?;
    Ok((next_header, input.bytes(usize::from(units) * 8 + 6)))
}
