//! The name of a client, which is no path: it comes from the network.

use std::fmt;

use ring::digest::{SHA256, digest};

/// Octets of a folder's name at most; the longest that file systems take is 255 (NAME_MAX).
const LONGEST: usize = 200;

/// The folder of a client, made of any name.
///
/// Letters, digits, `-`, `_` and dots that are not first stay, every other octet becomes `%` and two
/// hexadecimal digits, and a name that is too long ends in `%-` and the beginning of its SHA-256; so two
/// names never share a folder, and none is `.`, `..`, hidden, empty, or has a slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientName(String);

impl ClientName {
    /// The folder for a name as it came.
    pub fn new(name: &[u8]) -> ClientName {
        let mut folder = String::new();
        for (place, octet) in name.iter().enumerate() {
            match octet {
                b'.' if place > 0 => folder.push('.'),
                b'-' | b'_' => folder.push(char::from(*octet)),
                octet if octet.is_ascii_alphanumeric() => folder.push(char::from(*octet)),
                octet => folder.push_str(&format!("%{octet:02x}")),
            }
            // Enough to know that it is too long; what was escaped stays whole.
            if folder.len() > LONGEST {
                let sum = digest(&SHA256, name);
                let sum: String = sum.as_ref()[..16]
                    .iter()
                    .map(|octet| format!("{octet:02x}"))
                    .collect();
                let mut beginning: String = folder.chars().take(LONGEST - 40).collect();
                beginning.push_str("%-");
                beginning.push_str(&sum);
                return ClientName(beginning);
            }
        }
        if folder.is_empty() {
            folder.push('%');
        }
        ClientName(folder)
    }

    /// The name whose folder is called so; none where no folder of ours could be.
    pub fn from_folder(folder: &str) -> Option<ClientName> {
        let is_ours = (1..=LONGEST).contains(&folder.len())
            && !folder.starts_with('.')
            && folder
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"-_.%".contains(&octet));
        is_ours.then(|| ClientName(folder.to_owned()))
    }

    /// The name of the folder.
    pub fn folder(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn folder(name: &str) -> String {
        ClientName::new(name.as_bytes()).folder().to_owned()
    }

    #[test]
    fn names_are_folders() {
        for (name, expected) in [
            ("alice", "alice"),
            ("lab-7_b.example.org", "lab-7_b.example.org"),
            ("", "%"),
            (".", "%2e"),
            ("..", "%2e."),
            ("../evil", "%2e.%2fevil"),
            ("/etc/passwd", "%2fetc%2fpasswd"),
            ("a\0b", "a%00b"),
            ("M\u{fc}ller", "M%c3%bcller"),
            ("50%", "50%25"),
        ] {
            assert_eq!(folder(name), expected);
        }
    }

    #[test]
    fn long_names_stay_apart() {
        let mut seen = HashSet::new();
        for length in 190..310 {
            for octet in ["a", "/"] {
                let folder = folder(&octet.repeat(length));
                assert!(folder.len() <= LONGEST);
                assert!(seen.insert(folder));
            }
        }
    }

    proptest! {
        #[test]
        fn no_name_is_a_path(name in proptest::collection::vec(any::<u8>(), 0..400)) {
            let name = ClientName::new(&name);
            let folder = name.folder();
            prop_assert!((1..=LONGEST).contains(&folder.len()));
            prop_assert!(!folder.starts_with('.'));
            prop_assert!(folder.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.%".contains(&octet)));
            prop_assert_eq!(ClientName::from_folder(folder), Some(name.clone()));
        }

        #[test]
        fn what_is_no_folder_of_ours_is_no_name(folder in ".{0,8}") {
            if let Some(name) = ClientName::from_folder(&folder) {
                prop_assert_eq!(name.folder(), &folder);
                prop_assert!(!folder.contains('/') && !folder.starts_with('.') && !folder.is_empty());
            }
        }

        #[test]
        fn names_do_not_share_folders(one in ".{0,3}", other in ".{0,3}") {
            prop_assert_eq!(one == other, folder(&one) == folder(&other));
        }
    }
}
