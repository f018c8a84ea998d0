//! Which letters texts from elsewhere may have, so that they act on no terminal and mislead no reader.

/// Whether a letter is seen as what it is: no control character, and none that is invisible or turns others
/// around (Unicode, general category Cf), separates lines, or selects a variant.
pub fn is_plain(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_not_plain() {
        assert!("Vidéo 視頻 ☎ x".chars().all(is_plain));
        for letter in "\0\u{1b}\u{9b}\n\u{202e}\u{200b}\u{2066}\u{feff}".chars() {
            assert!(!is_plain(letter), "{}", letter.escape_unicode());
        }
    }
}
