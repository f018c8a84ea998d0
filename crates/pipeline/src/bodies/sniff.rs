//! The media type of a file by its first octets: the signatures of the WHATWG standard "MIME
//! Sniffing", sections 6 and 7. What a server says of its responses is not asked.
//!
//! Every type is from the list here, so it may be part of a path.

/// Octets that are looked at: section 5.2 of the standard.
pub(crate) const LOOKED_AT: usize = 512;

/// What some octets begin with; `.` stands for any octet.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\0\0\x01\0", "image/x-icon"),
    (b"\0\0\x02\0", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"RIFF....WEBPVP", "image/webp"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"FORM....AIFF", "audio/aiff"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\0", "application/ogg"),
    (b"MThd\0\0\0\x06", "audio/midi"),
    (b"RIFF....AVI ", "video/avi"),
    (b"RIFF....WAVE", "audio/wave"),
    (b"....ftyp", "video/mp4"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"\0\x01\0\0", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar \x1a\x07\0", "application/x-rar-compressed"),
    (b"Rar!\x1a\x07", "application/x-rar-compressed"),
    (b"\0asm", "application/wasm"),
    // Marks of the order of octets: UTF-16 and UTF-8.
    (b"\xfe\xff", "text/plain"),
    (b"\xff\xfe", "text/plain"),
    (b"\xef\xbb\xbf", "text/plain"),
];

/// What HTML begins with after white space, in letters of either case; a space or `>` follows.
const HTML: &[&[u8]] = &[
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
];

/// The media type, type and subtype without parameters.
pub(crate) fn media_type(octets: &[u8]) -> &'static str {
    let octets = octets.get(..LOOKED_AT).unwrap_or(octets);
    let text = octets.trim_ascii_start();
    if HTML.iter().any(|tag| is_tag(text, tag)) || text.starts_with(b"<!--") {
        return "text/html";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml";
    }
    let is_like = |signature: &[u8]| {
        let head = octets.get(..signature.len());
        head.is_some_and(|head| {
            head.iter()
                .zip(signature)
                .all(|(o, s)| o == s || *s == b'.')
        })
    };
    if let Some((_, known)) = SIGNATURES.iter().find(|(signature, _)| is_like(signature)) {
        return known;
    }
    // "Binary data byte" of section 3.
    let is_binary = |o: &u8| matches!(o, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    match octets.iter().any(is_binary) {
        true => "application/octet-stream",
        false => "text/plain",
    }
}

fn is_tag(text: &[u8], tag: &[u8]) -> bool {
    let head = text.get(..tag.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(tag))
        && matches!(text.get(tag.len()), Some(b' ' | b'>'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_first_octets() {
        for (octets, expected) in [
            (&b"\n <!doctype html>"[..], "text/html"),
            (b"<p>", "text/html"),
            (b"<path", "text/plain"),
            (b"<?xml version", "text/xml"),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", "image/webp"),
            (b"\0\0\0\x18ftypmp42", "video/mp4"),
            (b"{\"a\": 1}", "text/plain"),
            (b"MZ\x90\0", "application/octet-stream"),
            (b"", "text/plain"),
        ] {
            assert_eq!(media_type(octets), expected, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn types_are_safe_folders() {
        let types = SIGNATURES.iter().map(|(_, name)| *name);
        for name in types {
            let (first, second) = name.split_once('/').unwrap_or_default();
            for part in [first, second] {
                let is_plain = |o: u8| o.is_ascii_lowercase() || o.is_ascii_digit() || o == b'-';
                assert!(!part.is_empty() && part.bytes().all(is_plain), "{name}");
            }
        }
    }
}
